"""Who may come in, and what every office request brings: an API key, an idempotency key, a body."""

import re
from typing import Final, TypeVar

import msgspec

from verify.certificate.reason import Role
from verify.errors import Forbidden, Malformed, Unauthenticated, Words
from verify.issuance.caller import MAX_KEY, Caller
from verify.office.credentials import AGENCY_ROLE, OPERATOR_ROLE
from verify.store.register import Credential
from verify.web.hygiene import decode_json, read_body, require_media
from verify.web.office.desk import OfficeHalf
from verify.web.reply import Receive, Scope
from verify.wiring.desks import OfficeHouse

T = TypeVar("T")

_ROLES: Final = {AGENCY_ROLE: Role.AGENCY, OPERATOR_ROLE: Role.OPERATOR}
"""The roles that the office knows; a key of any other opens nothing here, whatever else it lacks."""
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9_\-.~+/=]{1,256})")
_QUOTED = re.compile(r'"([\x21\x23-\x5b\x5d-\x7e]*)"')
_PLAIN = re.compile(r"[\x21\x23-\x7e]*")


class Admitted(msgspec.Struct, frozen=True):
    """An authenticated request: whose it is, on which desk."""

    credential: Credential
    desk: OfficeHouse
    caller: Caller
    """The same person as the rooms below know them."""

    @property
    def actor(self) -> str:
        """How the ledger names the caller."""
        return self.credential.id

    @property
    def owner(self) -> str | None:
        """The agency whose records the caller may touch; None is the operator, who may touch all."""
        return self.credential.agency


async def authenticated(half: OfficeHalf, scope: Scope) -> tuple[OfficeHouse, Credential]:
    """The API key behind `Authorization: Bearer`, asked of the store each time, whatever its role.

    Raises Unauthenticated without a valid key (also with more than one header), Unavailable.
    """
    came = bearer(scope)
    desk = half.opening.now()
    return desk, await desk.office.credentials.authenticate(came)


def bearer(scope: Scope) -> str:
    """What came as `Authorization: Bearer`. Raises Unauthenticated for none, for more than one, for anything else."""
    values = [value for key, value in scope["headers"] if key == b"authorization"]
    match = _BEARER.fullmatch(values[0].strip()) if len(values) == 1 else None
    if match is None:
        raise Unauthenticated
    return match[1].decode()


async def admit(half: OfficeHalf, scope: Scope) -> Admitted:
    """The caller as the office knows it.

    Raises Unauthenticated without a valid key (also with more than one header), Forbidden for a role that has
    no business in the office, Unavailable.
    """
    desk, credential = await authenticated(half, scope)
    role = _ROLES.get(credential.role)
    if role is None:
        raise Forbidden
    return Admitted(credential, desk, Caller(credential.id, role, credential.agency, credential.name))


async def admit_agency(half: OfficeHalf, scope: Scope) -> tuple[Admitted, str]:
    """As `admit`, for what only an agency does: the caller and the agency's code. Raises Forbidden."""
    caller = await admit(half, scope)
    if caller.owner is None:
        raise Forbidden(
            Words("该操作须使用机构的接口密钥。", "This needs an agency's API key."),
            hint="verify credential create --agency CODE",
        )
    return caller, caller.owner


async def admit_operator(half: OfficeHalf, scope: Scope) -> Admitted:
    """As `admit`, for what only the operator does. Raises Forbidden."""
    caller = await admit(half, scope)
    if caller.owner is not None:
        raise Forbidden(Words("该操作须使用运营方的接口密钥。", "This needs the operator's API key."))
    return caller


def idempotency_key(scope: Scope) -> str:
    """`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a quoted string, or the bare text.

    Raises Malformed when it is missing, empty, longer than `MAX_KEY`, or sent twice.
    """
    values = [value for key, value in scope["headers"] if key == b"idempotency-key"]
    text = values[0].decode("latin-1").strip() if len(values) == 1 else ""
    quoted = _QUOTED.fullmatch(text)
    key = quoted[1] if quoted else text
    if not 0 < len(key) <= MAX_KEY or (quoted is None and not _PLAIN.fullmatch(key)):
        raise Malformed(
            Words(
                f"须有一个 Idempotency-Key 请求头，1 至 {MAX_KEY} 个可见字符。",
                f"One Idempotency-Key header of 1 to {MAX_KEY} visible characters is needed.",
            )
        )
    return key


async def read_json(
    half: OfficeHalf, scope: Scope, receive: Receive, kind: type[T], *, limit: int | None = None
) -> tuple[T, bytes]:
    """The body as a `kind`, and the body itself. Raises as `hygiene`."""
    require_media(scope, "application/json")
    body = await read_body(scope, receive, limit=limit or half.body_limit, timeout_s=half.body_timeout_s)
    return decode_json(body, kind), body


def request_tag(caller: Admitted, method: str, path: str, body: bytes) -> bytes:
    """The keyed digest that the ledger keeps of a request (L4)."""
    return request_digest(caller.desk, method, path, body)


def request_digest(desk: OfficeHouse, method: str, path: str, body: bytes) -> bytes:
    """The same for whoever the office does not know as a caller."""
    return desk.data_keys.request_tag(b"\n".join((method.encode(), path.encode(), body)))
