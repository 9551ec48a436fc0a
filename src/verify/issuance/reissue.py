"""Reissue: a further copy under the same number, or, where the number itself would lie, a new certificate.

Lost and damaged copies and most corrections keep the number. Level and year are parts of it: correcting one
of them makes a new certificate that replaces the old, linked both ways, in one commit.
"""

from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from verify.certificate.form import HolderInput, IssueRequest, OccupationInput, ResultsInput
from verify.certificate.number import canonical_number
from verify.certificate.record import (
    Certificate,
    CopyCause,
    Face,
    Filing,
    Kind,
    Personal,
    Status,
)
from verify.certificate.request import Checked, check_request
from verify.certificate.scan_code import new_scan_code
from verify.certificate.sources import GUIZHOU_LETTER
from verify.certificate.status import Move, effective_status, move
from verify.certificate.text import free_text
from verify.errors import Conflict, Fault, ForbiddenArrow, Invalid, KeyReused, NotFound, VerifyError, Words
from verify.issuance.caller import Caller, check_key
from verify.issuance.drafting import abandonment, make_draft, personal_of, photo_place, recorded
from verify.issuance.issue import CHINA, Around, Issuance, Issued, look_around, take_photo
from verify.issuance.printable import require_printable
from verify.issuance.signing import require_in_window, seal_renewal
from verify.store.certificates import (
    Abandoned,
    CopyDraft,
    CopyPrepared,
    KeyTaken,
    Known,
    NotEligible,
    Prepared,
    Renewed,
    prepare,
    prepare_copy,
)
from verify.store.journal import Origin
from verify.store.personal import business_tag, commit_personal, finder_tags, seal_personal, unseal_personal
from verify.store.reads import read_certificates

MAX_REMARK = 200
MAX_BLANK_SERIAL = 40
LOST_REMARK = "遗失补发"
"""What the remark of a lost qualification certificate says at least (seed003 §3)."""

_T = TypeVar("_T")
_body = msgspec.json.Encoder().encode


class HolderChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parts of the holder to put right; what is left out stays."""

    name: str | UnsetType = UNSET
    id_type: str | UnsetType = UNSET
    id_number: str | UnsetType = UNSET


class OccupationChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parts of the occupation to put right."""

    code: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class ResultsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores to put right."""

    theory: float | UnsetType | None = UNSET
    practical: float | UnsetType | None = UNSET
    review: float | UnsetType | None = UNSET


class Corrections(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a corrected copy changes, under the names of the issue request; null takes an optional part away."""

    holder: HolderChange = HolderChange()
    occupation: OccupationChange = OccupationChange()
    results: ResultsChange = ResultsChange()
    work_type: str | UnsetType | None = UNSET
    level: str | UnsetType = UNSET
    issued_on: str | UnsetType = UNSET
    batch: str | UnsetType | None = UNSET
    number: str | UnsetType = UNSET
    """Only with a new level or year: the number that the province gave."""
    photo: str | UnsetType = UNSET


class ReissueRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further copy that somebody asks for."""

    cause: str
    """`lost`, `damaged` or `corrected`."""
    changes: Corrections = Corrections()
    blank_serial: str | None = None
    """流水码 of the new blank."""
    remark: str | None = None


class Plan(msgspec.Struct, frozen=True):
    """A reissue in which nothing is wrong."""

    cause: CopyCause
    certificate: Certificate
    blank_serial: str | None
    remark: str | None
    checked: Checked | None = None
    """The whole corrected request; None for lost and damaged copies."""

    @property
    def new_number(self) -> bool:
        """Whether the correction lies inside the number."""
        if self.checked is None:
            return False
        old, new = self.certificate.face, self.checked.face
        return old.level is not new.level or old.issued_on.year != new.issued_on.year


class Reissues:
    """The desk for further copies. Safe to call concurrently."""

    def __init__(self, issuance: Issuance) -> None:
        """Signs and completes through the issuing desk, whose code finishes after a crash too."""
        self._desk = issuance

    async def reissue(self, number: str, request: ReissueRequest, key: str, caller: Caller) -> Issued:
        """Make copy n + 1 current and copy n replaced in one commit, or replace the certificate likewise.

        The same `key` and request again give the same copy, for ever. Raises Invalid, OutOfScope,
        AgencyBlocked, BadKey, KeyReused, NotFound (unknown or another agency's), ForbiddenArrow (its status
        allows no copy), Conflict (another reissue is under way), Duplicate.
        """
        desk = self._desk
        number = canonical_number(number)
        digest = desk.data_keys.request_tag(b"reissue\0" + number.encode() + b"\0" + _body(request))
        # 1. Found: it is the caller's; a stranger learns nothing, not even that it exists.
        certificate = await self._find(number, caller)
        agency = certificate.face.agency
        around = await desk.store.read(lambda: look_around(agency, [check_key(key)]))
        place = _earlier(around.known.get(key), digest)
        fresh = place is None
        origin = Origin(caller.actor, desk.now(), digest)
        if place is None:
            # 2. Checked: cause, changes and remark; the corrected whole by the rules of a new request.
            plan = await self._check(certificate, request, around)
            # 3. Prepared: the copy (or the new number) is recorded before anything is signed.
            if plan.new_number:
                place = await self._prepare_number(plan, key, digest, origin)
            else:
                place = await self._prepare_copy(plan, key, digest, origin, caller)
        # 4. Signed and read back. 5. Completed: the new copy current, the old one replaced, in one commit.
        finished = await desk.finish({place: digest}, {place} if fresh else set(), origin)
        answer = finished.get(place) or abandonment(Abandoned(*place, "status"))
        if isinstance(answer, VerifyError):
            raise answer
        # 6. Published.
        return answer

    async def _find(self, number: str, caller: Caller) -> Certificate:
        snapshot = await self._desk.store.read(lambda: read_certificates([number]))
        certificate = snapshot.certificates.get(number)
        if certificate is None or (caller.agency is not None and certificate.face.agency != caller.agency):
            raise NotFound(Words(f"未找到证书 {number}。", f"There is no certificate {number} here."))
        return certificate

    async def _check(self, certificate: Certificate, request: ReissueRequest, around: Around) -> Plan:
        desk = self._desk
        faults: list[Fault] = []
        cause = _read_cause(request, faults)
        blank_serial = free_text(request.blank_serial, "/blank_serial", MAX_BLANK_SERIAL, faults)
        remark = free_text(request.remark, "/remark", MAX_REMARK, faults)
        if cause is CopyCause.LOST and certificate.face.kind is Kind.QUALIFICATION:
            remark = _lost_qualification(certificate, blank_serial, remark, faults)
        if faults or cause is None:
            raise Invalid(faults[0].detail, faults=faults)
        _check_status(effective_status(certificate, desk.now()))
        plan = Plan(cause, certificate, blank_serial, remark)
        if cause is not CopyCause.CORRECTED:
            return plan
        personal = unseal_personal(desk.data_keys, certificate.number, certificate.holder_sealed)
        checked = check_request(
            _merge(certificate, personal, request),
            agency=around.agency,
            filings=(*around.filings, _as_filed(certificate.face)),
            today=desk.now().astimezone(CHINA).date(),
        )
        await require_printable(checked, around.agency, desk.stand_ins)
        plan = msgspec.structs.replace(plan, checked=checked)
        _check_number(plan, request)
        if plan.new_number:
            move(effective_status(certificate, desk.now()), Move.REPLACE)
        return plan

    async def _prepare_number(self, plan: Plan, key: str, digest: bytes, origin: Origin) -> tuple[str, int]:
        desk, checked = self._desk, plan.checked
        assert checked is not None
        agency = checked.face.agency
        signing, _ = await desk.signers.signer_for(agency)
        require_in_window(signing, origin.at)
        draft = make_draft(
            checked,
            key,
            digest,
            kid=signing.kid,
            data_keys=desk.data_keys,
            random=desk.random,
            photo=await take_photo(checked),
            replaces=plan.certificate.number,
        )
        outcomes = await desk.store.write(lambda: prepare(agency, [draft], origin))
        outcome = recorded(outcomes[0])
        if isinstance(outcome, Prepared):
            return outcome.number, 1
        raise outcome

    async def _prepare_copy(
        self, plan: Plan, key: str, digest: bytes, origin: Origin, caller: Caller
    ) -> tuple[str, int]:
        desk, certificate = self._desk, plan.certificate
        agency, number = certificate.face.agency, certificate.number
        signing, _ = await desk.signers.signer_for(agency)
        require_in_window(signing, origin.at)
        scan_code = new_scan_code(desk.random)
        renewed = self._renew(plan)
        photo = None if plan.checked is None else await take_photo(plan.checked)
        draft = CopyDraft(
            key=key,
            request=digest,
            number=number,
            agency=caller.agency,
            scan_code=scan_code,
            cause=plan.cause,
            kid=signing.kid,
            blank_serial=plan.blank_serial,
            remark=plan.remark,
            pending=None if renewed is None else seal_renewal(desk.data_keys, scan_code, renewed),
            photo_sealed=None if photo is None else desk.data_keys.seal(photo, photo_place(number)),
        )
        match await desk.store.write(lambda: prepare_copy(draft, agency, origin)):
            case CopyPrepared(number, copy, _):
                return number, copy
            case KeyTaken():
                raise KeyReused(hint="send a new Idempotency-Key for a new request")
            case NotEligible(status):
                raise _not_eligible(number, status)

    def _renew(self, plan: Plan) -> Renewed | None:
        """What a corrected copy changes in the register when it is issued."""
        desk, checked, number = self._desk, plan.checked, plan.certificate.number
        if checked is None:
            return None
        personal = personal_of(checked, desk.random)
        return Renewed(
            checked.face,
            seal_personal(desk.data_keys, number, personal),
            commit_personal(number, personal),
            finder_tags(desk.data_keys, number, checked.identity, checked.holder.name),
            business_tag(desk.data_keys, checked.face, checked.identity),
        )


# --- checks ---------------------------------------------------------------------------------------------


def _earlier(known: Known | None, digest: bytes) -> tuple[str, int] | None:
    if known is None or (known.void and known.request == digest):
        return None
    if known.request != digest:
        raise KeyReused(hint="send a new Idempotency-Key for a new request")
    number, _, copy = known.result.partition("/")
    return number, int(copy or 1)


def _read_cause(request: ReissueRequest, faults: list[Fault]) -> CopyCause | None:
    cause = {c.value: c for c in CopyCause if c is not CopyCause.ORIGINAL}.get(request.cause)
    if cause is None:
        what = Words("补发原因可用：lost、damaged、corrected。", "Accepted: lost, damaged, corrected.")
        faults.append(Fault("/cause", "cause", what))
    elif (cause is CopyCause.CORRECTED) == (request.changes == Corrections()) and not (
        # A wrong remark or blank serial is an error of the copy too; nothing else need change then.
        cause is CopyCause.CORRECTED and (request.remark or request.blank_serial)
    ):
        what = Words(
            "更正须在changes中给出要改的内容；遗失和损坏补发不改内容，须去掉changes。",
            "A correction says in changes what to put right; lost and damaged copies change nothing.",
        )
        faults.append(Fault("/changes", "changes", what))
    return cause


def _lost_qualification(
    certificate: Certificate, blank_serial: str | None, remark: str | None, faults: list[Fault]
) -> str:
    """A lost qualification certificate: old number, new blank serial, and a remark that says so."""
    old = next((c.blank_serial for c in reversed(certificate.copies) if c.blank_serial), None)
    if old is not None and blank_serial in (None, old):
        what = Words(
            f"遗失补发须使用新的流水码（原流水码{old}作废）。",
            f"A lost certificate is printed on a new blank; its serial differs from the old one, {old}.",
        )
        faults.append(Fault("/blank_serial", "new-blank-serial", what, GUIZHOU_LETTER))
    void = f"，原流水码{old}作废" if old is not None else ""
    return remark or LOST_REMARK + void


def _check_status(status: Status) -> None:
    """Copies are made of certificates that live."""
    if status not in (Status.VALID, Status.SUSPENDED):
        raise ForbiddenArrow(
            Words(f"证书状态为 {status}，不能补发。", f"A certificate that is {status} gets no further copy.")
        )


def _merge(certificate: Certificate, personal: Personal, request: ReissueRequest) -> IssueRequest:
    """The request as it would have been without the mistake."""
    face, holder, results, changes = certificate.face, personal.holder, personal.results, request.changes
    return IssueRequest(
        kind=face.kind.value,
        holder=HolderInput(
            _or(changes.holder.name, holder.name),
            _or(changes.holder.id_type, holder.id_type),
            _or(changes.holder.id_number, holder.id_number),
        ),
        occupation=OccupationInput(
            _or(changes.occupation.code, face.occupation.code),
            _or(changes.occupation.name, face.occupation.name),
        ),
        work_type=_or(changes.work_type, face.work_type),
        level=_or(changes.level, face.level.value),
        issued_on=_or(changes.issued_on, face.issued_on.isoformat()),
        results=ResultsInput(
            _or(changes.results.theory, results.theory),
            _or(changes.results.practical, results.practical),
            _or(changes.results.review, results.review),
        ),
        batch=_or(changes.batch, face.batch),
        blank_serial=request.blank_serial,
        remark=request.remark,
        number=_or(changes.number, None) or _brought(certificate, changes),
        photo=_or(changes.photo, None),
    )


def _or(given: _T | UnsetType, kept: _T) -> _T:
    return kept if isinstance(given, UnsetType) else given


def _brought(certificate: Certificate, changes: Corrections) -> str | None:
    """The number as it is, so that grades without a coding of ours pass, unless it is to change."""
    same_level = isinstance(changes.level, UnsetType) or changes.level == certificate.face.level.value
    same_year = isinstance(changes.issued_on, UnsetType) or changes.issued_on[:4] == str(
        certificate.face.issued_on.year
    )
    return certificate.number if same_level and same_year else None


def _as_filed(face: Face) -> Filing:
    """What was in scope when it was issued stays so: a name is put right after a filing has ended, too."""
    on = face.issued_on
    return Filing("as-issued", face.agency, face.occupation, (face.level,), (face.work_type or "--",), on, on)


def _check_number(plan: Plan, request: ReissueRequest) -> None:
    """A brought number belongs to a correction that needs one, and differs from the old."""
    brought = request.changes.number
    if isinstance(brought, UnsetType):
        return
    same = plan.checked is not None and plan.checked.number is not None
    if not plan.new_number or (same and canonical_number(brought) == plan.certificate.number):
        what = Words(
            "只有更正等级或年份时才需要新编号。", "A new number comes only with a corrected level or year."
        )
        raise Invalid(what, faults=[Fault("/changes/number", "number-not-needed", what)])


def _not_eligible(number: str, status: Status | None) -> VerifyError:
    if status in (None, Status.PREPARED, Status.VOID):
        return NotFound(Words(f"未找到证书 {number}。", f"There is no certificate {number} here."))
    if status in (Status.VALID, Status.SUSPENDED):
        what = Words("该证书正在补发。", "Another reissue of this certificate is under way.")
        return Conflict(what, hint="wait a moment, then look at its copies")
    return ForbiddenArrow()
