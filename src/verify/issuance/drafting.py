"""From a checked request to the draft that the store records, and from its outcomes to errors for people."""

from collections.abc import Callable

import msgspec

from verify.certificate.number import number_prefix, serial_width
from verify.certificate.record import Personal, Results
from verify.certificate.request import Checked, IssueRequest
from verify.certificate.scan_code import new_scan_code
from verify.errors import AgencyBlocked, BadKey, Conflict, Duplicate, Fault, KeyReused, VerifyError, Words
from verify.proof.ledger import SALT_BYTES
from verify.proof.sealing import DataKeys
from verify.store.certificates import (
    Abandoned,
    Built,
    Draft,
    KeyTaken,
    NumbersSpent,
    NumberTaken,
    Prepared,
    SameCertificate,
)
from verify.store.personal import business_tag, commit_personal, finder_tags, seal_personal

Refusal = KeyTaken | SameCertificate | NumberTaken | NumbersSpent

_body = msgspec.json.Encoder().encode


def request_digest(data_keys: DataKeys, agency: str, request: IssueRequest) -> bytes:
    """The keyed digest that tells whether two requests are the same: 32 bytes, from the request as read."""
    return data_keys.request_tag(b"issue\0" + agency.encode() + b"\0" + _body(request))


def make_draft(
    checked: Checked,
    key: str,
    digest: bytes,
    *,
    kid: str,
    data_keys: DataKeys,
    random: Callable[[int], bytes],
    photo: bytes | None = None,
    replaces: str | None = None,
) -> Draft:
    """The draft of one certificate. What depends on its number is made when the store has given one."""
    face = checked.face
    number = None if checked.number is None else checked.number.text
    width = serial_width(face.kind)
    personal = personal_of(checked, random)
    scan_code = new_scan_code(random)

    def build(given: str) -> Built:
        return Built(
            seal_personal(data_keys, given, personal),
            commit_personal(given, personal),
            finder_tags(data_keys, given, checked.identity, checked.holder.name),
            scan_code,
            None if photo is None else data_keys.seal(photo, photo_place(given)),
        )

    return Draft(
        key=key,
        request=digest,
        face=face,
        business_tag=business_tag(data_keys, face, checked.identity),
        intended_duplicate=checked.allow_duplicate,
        # A brought number may have no coding of ours (chief grade): its own head is what serials count under.
        prefix=number_prefix(face.agency, face.kind, face.level, face.issued_on.year)
        if number is None
        else number[:-width],
        serial_width=width,
        number=number,
        kid=kid,
        build=build,
        blank_serial=checked.blank_serial,
        remark=checked.remark,
        replaces=replaces,
    )


def personal_of(checked: Checked, random: Callable[[int], bytes]) -> Personal:
    """The part that is stored sealed, with a fresh salt. Scores are floats, as they read back: the ledger's
    commitment covers their text."""
    theory, practical, review = (
        None if score is None else float(score)
        for score in (checked.results.theory, checked.results.practical, checked.results.review)
    )
    return Personal(checked.holder, Results(theory, practical, review), random(SALT_BYTES))


def photo_place(number: str) -> bytes:
    """What a sealed photo is bound to."""
    return number.encode() + b"/photo"


def refusal(outcome: Refusal) -> VerifyError:
    """The error that tells a caller why the store recorded nothing."""
    match outcome:
        case KeyTaken():
            return KeyReused(hint="send a new Idempotency-Key for a new request")
        case SameCertificate(number):
            what = Words(
                f"同一人员、职业、等级、批次已有证书 {number}；确需再发时请设置 allow_duplicate。",
                f"This person already holds {number} of the same occupation, level and batch; "
                "set allow_duplicate when a second one is meant.",
            )
            return Duplicate(what, faults=[Fault("/holder", "duplicate", what)])
        case NumberTaken(number):
            what = Words(f"编号 {number} 已被使用。", f"The number {number} is taken.")
            return Conflict(what, faults=[Fault("/number", "number-taken", what)])
        case NumbersSpent(prefix):
            what = Words(f"{prefix} 下的流水号已用完。", f"No serial is left under {prefix}.")
            return Conflict(what, faults=[Fault("/issued_on", "numbers-spent", what)])


def abandonment(outcome: Abandoned) -> VerifyError:
    """The error for a copy that could not be finished because something changed while it was on its way."""
    match outcome.cause:
        case "agency":
            return AgencyBlocked()
        case "key":
            what = Words(
                "签名密钥已更换或失效，请用同一幂等键重试。",
                "The signing key was replaced meanwhile; send the same request with the same key again.",
            )
            return BadKey(what, hint="verify key list")
        case _:
            what = Words(
                "证书状态已改变，未能完成。", "The certificate changed meanwhile; nothing was issued."
            )
            return Conflict(what)


def recorded(outcome: Prepared | Refusal) -> Prepared | VerifyError:
    """The recorded number, or the error."""
    return outcome if isinstance(outcome, Prepared) else refusal(outcome)
