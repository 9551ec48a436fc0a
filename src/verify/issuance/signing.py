"""From a recorded copy to its two signatures: the QR token and the `vc+jwt`, signed once and read back.

What is signed is what the register holds, never what a caller sent: a copy that a crash left is signed by
the same lines as a fresh one.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from verify.certificate.identity import mask_id_number
from verify.certificate.record import Agency, Holder
from verify.errors import BadKey, NotReady, Words
from verify.proof.credential import assemble_jws, credential_claims, credential_payload, jws_signing_input
from verify.proof.public import KeyPurpose, PublicKey
from verify.proof.sealing import DataKeys
from verify.proof.signer import Signer, sign_and_read_back
from verify.proof.token import TokenClaims, assemble_token, to_be_signed, token_payload
from verify.proof.window import Standing, standing
from verify.store.certificates import Pending, Renewed, Signed
from verify.store.contract import Store
from verify.store.journal import from_micros
from verify.store.personal import seal_signed, unseal_personal
from verify.store.register import key_in_use

TAIL = 4
"""Last characters of the ID number in the token: enough to compare a card, too few to be one."""


class Signers(Protocol):
    """The way to an agency's signature."""

    async def signer_for(self, agency: str) -> tuple[PublicKey, Signer]:
        """The token key in use now, and what signs with it. Raises BadKey when there is none."""
        ...


class SignersInUse:
    """Signers by what the register says now, so that a rotation takes effect with the next chunk."""

    def __init__(self, store: Store, open_signer: Callable[[str], Signer]) -> None:
        """`open_signer` opens one private key by its id; each is opened once."""
        self._store = store
        self._open = open_signer
        self._opened: dict[str, Signer] = {}

    async def signer_for(self, agency: str) -> tuple[PublicKey, Signer]:
        """See `Signers`. Raises BadKey when no key is active or its file cannot be used."""
        key = await self._store.read(lambda: key_in_use(agency, KeyPurpose.TOKEN), snapshot=False)
        if key is None:
            what = Words(
                f"机构 {agency} 没有可用的签名密钥。", f"The agency {agency} has no active token key."
            )
            raise BadKey(what, hint=f"verify key create {agency}, then verify key activate")
        signer = self._opened.get(key.kid)
        if signer is None:
            signer = self._opened[key.kid] = self._open(key.kid)
        return key, signer


def require_in_window(key: PublicKey, at: dt.datetime) -> None:
    """Refuse to record a copy that its key was not in force for. `at` (aware UTC) is what the copy will be dated.

    A clock that runs behind the one that activated the key would date copies before the key's window: a reader
    would have to doubt them for ever. Raises NotReady, before a number is taken.
    """
    there = standing(key, at)
    if there is Standing.IN_FORCE:
        return
    if there is Standing.NOT_YET:
        zh = f"密钥 {key.kid} 自 {_instant(key.active_from)} 起启用，而本机时钟为 {_instant(at)}，不能签发。"
        en = f"Key {key.kid} is active from {_instant(key.active_from)}; the clock here says {_instant(at)}."
        hint = "set this host's clock: timedatectl set-ntp true"
    else:
        zh = f"密钥 {key.kid} 至 {_instant(key.active_to)} 止，而本机时钟为 {_instant(at)}，不能签发。"
        en = f"Key {key.kid} was active until {_instant(key.active_to)}; the clock here says {_instant(at)}."
        hint = f"verify key rotate {key.owner}; or, if this host's clock is ahead: timedatectl set-ntp true"
    raise NotReady(Words(zh, en + " Nothing is issued."), hint=hint)


def _instant(at: dt.datetime | None) -> str:
    return "-" if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


class Fresh(msgspec.Struct, frozen=True):
    """What was just signed: as it will lie in the register, and as its owner is told."""

    signed: Signed
    token: bytes
    credential: str


async def sign_copies(
    copies: Sequence[Pending],
    agency: Agency,
    key: PublicKey,
    signer: Signer,
    *,
    data_keys: DataKeys,
    public_url: str,
    requests: Mapping[tuple[str, int], bytes],
) -> list[Fresh]:
    """Sign recorded copies of one agency with the key their records name; every signature is read back.

    Raises BadSignature when one does not verify, ProofFailed when a sealed record was altered, and whatever
    the signer raises; nothing is signed by half: on an error no signature is used.
    """
    messages: list[bytes] = []
    payloads: list[bytes] = []
    renewals: list[Renewed | None] = []
    for copy in copies:
        renewed = open_renewal(data_keys, copy)
        sealed = renewed.holder_sealed if renewed else copy.holder_sealed
        holder = unseal_personal(data_keys, copy.number, sealed).holder
        at = from_micros(copy.issued_at)
        payload = _token_payload(copy, renewed, holder, at)
        payloads.append(payload)
        renewals.append(renewed)
        messages.append(to_be_signed(key.kid, payload, key.alg))
        messages.append(_credential_input(copy, renewed, holder, at, agency, key, public_url))
    signatures = await sign_and_read_back(signer, key, messages)
    done = []
    for i, copy in enumerate(copies):
        place = (copy.number, copy.copy)
        token = assemble_token(key.kid, payloads[i], signatures[2 * i], key.alg)
        credential = assemble_jws(messages[2 * i + 1], signatures[2 * i + 1])
        stored = seal_signed(data_keys, *place, token, credential)
        done.append(Fresh(Signed(*place, *stored, renewals[i], requests.get(place)), token, credential))
    return done


def _token_payload(copy: Pending, renewed: Renewed | None, holder: Holder, at: dt.datetime) -> bytes:
    face = renewed.face if renewed else copy.face
    return token_payload(
        TokenClaims(
            copy.kid,
            at,
            copy.scan_code,
            copy.number,
            holder.name,
            face.occupation.code,
            face.level,
            id_tail(holder.id_number),
        )
    )


def _credential_input(
    copy: Pending,
    renewed: Renewed | None,
    holder: Holder,
    at: dt.datetime,
    agency: Agency,
    key: PublicKey,
    public_url: str,
) -> bytes:
    claims = credential_claims(
        public_url=public_url,
        number=copy.number,
        face=renewed.face if renewed else copy.face,
        agency=agency,
        name=holder.name,
        id_type=holder.id_type,
        id_number_masked=mask_id_number(holder.id_type, holder.id_number),
        copy_number=copy.copy,
        copy_cause=copy.cause,
        scan_code=copy.scan_code,
        signed_at=at,
    )
    return jws_signing_input(key.kid, credential_payload(claims), key.alg)


def id_tail(id_number: str) -> str:
    """What the token says of an ID number: the last four characters, fewer of a short one."""
    return (
        id_number[-TAIL:] if len(id_number) >= 2 * TAIL else id_number[-1:] if len(id_number) > TAIL else ""
    )


# --- corrected data on its way to a later copy ----------------------------------------------------------

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Renewed).decode


def seal_renewal(data_keys: DataKeys, scan_code: str, renewed: Renewed) -> bytes:
    """What a corrected copy will change, sealed until it is issued; it opens under its scan code only."""
    return data_keys.seal(_encode(renewed), scan_code.encode())


def open_renewal(data_keys: DataKeys, copy: Pending) -> Renewed | None:
    """What this copy changes; None when it changes nothing. Raises ProofFailed when it was altered."""
    if copy.pending is None:
        return None
    return _decode(data_keys.unseal(copy.pending, copy.scan_code.encode()))
