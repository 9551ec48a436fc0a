"""Agencies and their filings: checked here, written by the store's programs, each change in the ledger."""

import datetime as dt
import os
from collections.abc import Callable, Sequence

import msgspec

from verify.certificate.agency import may_set_level, parse_agency_code
from verify.certificate.level import LEVELS, parse_level
from verify.certificate.number import no_coding_fault
from verify.certificate.occupation import NO_WORK_TYPE, parse_occupation, parse_work_type
from verify.certificate.reason import REASONS, Role, Scope
from verify.certificate.record import Agency, AgencyState, Filing, Kind, Level
from verify.certificate.text import free_text, invalid
from verify.documents.glyphs import glyph_faults
from verify.errors import Fault, Invalid, NotFound, Words
from verify.store import register
from verify.store.contract import Program, Store
from verify.store.journal import Origin

MAX_NAME = 120
MAX_CONTACT = 120
_KINDS = {kind.value: kind for kind in Kind}


class FilingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a filing as the operator writes it."""

    occupation_code: str
    """`d-dd-dd-dd`."""
    occupation_name: str
    """As filed; marks L and S are stripped."""
    levels: tuple[str, ...]
    """`5` … `1`, `special`, `chief`."""
    work_types: tuple[str, ...] = ()
    """Empty: any or none. `--` in the list allows certificates without one."""
    from_on: dt.date
    to_on: dt.date | None = None
    """Inclusive."""
    edition: str = "2022"


class Agencies:
    """The desk for agencies and filings. Safe to call concurrently."""

    def __init__(
        self, store: Store, *, now: Callable[[], dt.datetime], random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Work on `store`; `now` gives aware UTC."""
        self._store = store
        self._now = now
        self._random = random

    async def add(
        self,
        code: str,
        *,
        name_zh: str,
        name_en: str = "",
        kind: str | None = None,
        contact: str | None = None,
        actor: str,
        request: bytes = b"",
    ) -> Agency:
        """Register an agency; the shape of its code shows its kind, which `kind` may only confirm.

        Raises Invalid with every fault, Conflict when the code exists.
        """
        faults: list[Fault] = []
        parsed = _code(code, kind, faults)
        zh = free_text(name_zh, "/name_zh", MAX_NAME, faults)
        en = free_text(name_en, "/name_en", MAX_NAME, faults) or ""
        where = free_text(contact, "/contact", MAX_CONTACT, faults)
        for pointer, name in (
            ("/name_zh", zh),
            ("/name_en", en),
        ):  # printed on every certificate, and in the seal
            faults += glyph_faults(pointer, name)
        if zh is None:
            what = Words("缺少机构的备案名称。", "The agency's filed name is missing.")
            faults.append(Fault("/name_zh", "name-missing", what))
        if faults or parsed is None or zh is None:
            raise invalid(*faults)
        at = self._now()
        agency = Agency(parsed[0], parsed[1], zh, en, AgencyState.ACTIVE, at, None, where)
        origin = Origin(actor, at, request)
        return await self._store.write(lambda: register.add_agency(agency, origin))

    async def suspend(self, code: str, reason: str, *, actor: str, request: bytes = b"") -> Agency:
        """Let an agency issue nothing more for now; its certificates stand. Raises Invalid, NotFound, Conflict."""
        return await self._change(code, AgencyState.SUSPENDED, reason, actor, request)

    async def cancel(self, code: str, reason: str, *, actor: str, request: bytes = b"") -> Agency:
        """End an agency's filing for good (seed002 art. 32); its certificates stand. Raises as `suspend`."""
        return await self._change(code, AgencyState.CANCELLED, reason, actor, request)

    async def reinstate(self, code: str, reason: str, *, actor: str, request: bytes = b"") -> Agency:
        """Let a suspended agency issue again. Raises as `suspend`; a cancelled agency stays cancelled."""
        return await self._change(code, AgencyState.ACTIVE, reason, actor, request)

    async def find(self, code: str) -> Agency:
        """One agency. Raises Invalid for a malformed code, NotFound."""
        parsed = str(parse_agency_code(code)[0])
        found = await self._store.read(lambda: register.find_agency(parsed))
        if found is None:
            what = Words(f"没有机构 {parsed}。", f"There is no agency {parsed}.")
            raise NotFound(what, hint="verify agency list")
        return found

    async def list_agencies(self) -> list[Agency]:
        """All agencies by code."""
        return await self._store.read(register.list_agencies)

    async def add_filing(
        self, code: str, filing: FilingRequest, *, actor: str, request: bytes = b""
    ) -> Filing:
        """File an occupation with its levels for an agency (seed001 art. 9).

        Raises Invalid with every fault: code, name, levels that this class or kind may not set, work types,
        dates the wrong way round; NotFound when there is no such agency.
        """
        agency = await self.find(code)
        made = _filing(agency, filing, self._random(6).hex())
        origin = Origin(actor, self._now(), request)
        return await self._store.write(lambda: register.add_filing(made, origin))

    async def end_filing(
        self,
        filing_id: str,
        to_on: dt.date,
        *,
        owner: str | None = None,
        actor: str,
        request: bytes = b"",
    ) -> Filing:
        """Let a filing end after `to_on`, inclusive; what was issued under it stands.

        Raises NotFound when there is none (of `owner`), Invalid when it would end before it began.
        """
        origin = Origin(actor, self._now(), request)

        def program() -> Program[Filing]:
            filing = yield from register.end_filing(filing_id, to_on, origin)
            if owner is not None and filing.agency != owner:
                what = Words(f"没有备案 {filing_id}。", f"There is no filing {filing_id}.")
                raise NotFound(what, hint="verify filing list CODE")
            if to_on < filing.from_on:
                raise invalid(_dates_fault(filing.from_on, to_on))
            return filing

        return await self._store.write(program)

    async def list_filings(self, code: str) -> list[Filing]:
        """All filings of an agency, ended ones included. Raises Invalid for a malformed code."""
        parsed = str(parse_agency_code(code)[0])
        return await self._store.read(lambda: register.list_filings(parsed))

    async def _change(self, code: str, state: AgencyState, reason: str, actor: str, request: bytes) -> Agency:
        parsed = str(parse_agency_code(code)[0])
        accepted = agency_reasons(state)
        if reason not in accepted:
            listed = ", ".join(accepted)
            what = Words(f"原因应为：{listed}。", f"The reason is one of: {listed}.")
            raise invalid(Fault("/reason", "reason", what))
        origin = Origin(actor, self._now(), request)
        return await self._store.write(lambda: register.change_agency(parsed, state, reason, origin))


def agency_reasons(state: AgencyState) -> tuple[str, ...]:
    """The reasons of the closed list that may bring an agency into `state`.

    Reviews and complaints suspend an agency as they suspend a certificate; the same reason that clears a
    certificate clears an agency.
    """
    if state is AgencyState.ACTIVE:
        return ("REVIEW_CLEARED",)
    delisting = tuple(
        reason.code
        for reason in REASONS.values()
        if reason.scope is Scope.AGENCY and Role.OPERATOR in reason.who
    )
    return delisting if state is AgencyState.CANCELLED else (*delisting, "UNDER_REVIEW", "COMPLAINT_RECEIVED")


def _code(text: str, kind: str | None, faults: list[Fault]) -> tuple[str, Kind] | None:
    try:
        code, shown = parse_agency_code(text, pointer="/code")
    except Invalid as error:
        faults.extend(error.faults)
        return None
    if kind is not None and _KINDS.get(kind) is not shown:
        what = Words(
            f"机构代码 {code} 属于 {shown}，不是 {kind}。",
            f"The code {code} is of the kind {shown}, not {kind}.",
        )
        faults.append(Fault("/kind", "kind-not-of-code", what))
    return code, shown


def _filing(agency: Agency, given: FilingRequest, filing_id: str) -> Filing:
    faults: list[Fault] = []
    occupation = None
    try:
        occupation = parse_occupation(given.occupation_code, given.occupation_name)
    except Invalid as error:
        faults.extend(error.faults)
    levels = _levels(agency, given.levels, faults)
    work_types = _work_types(given.work_types, faults)
    if given.to_on is not None and given.to_on < given.from_on:
        faults.append(_dates_fault(given.from_on, given.to_on))
    if faults or occupation is None:
        raise invalid(*faults)
    occupation = msgspec.structs.replace(occupation, edition=given.edition)
    return Filing(filing_id, agency.code, occupation, levels, work_types, given.from_on, given.to_on)


def _levels(agency: Agency, given: Sequence[str], faults: list[Fault]) -> tuple[Level, ...]:
    found: list[Level] = []
    for place, text in enumerate(given):
        pointer = f"/levels/{place}"
        try:
            level = parse_level(text, pointer=pointer)
        except Invalid as error:
            faults.extend(error.faults)
            continue
        fault = _level_fault(agency, level)
        if fault is not None:
            faults.append(msgspec.structs.replace(fault, pointer=pointer))
        found.append(level)
    if not given:
        what = Words("至少备案一个等级。", "A filing has at least one level.")
        faults.append(Fault("/levels", "levels-missing", what))
    return tuple(sorted(set(found), key=lambda level: LEVELS[level].order))


def _level_fault(agency: Agency, level: Level) -> Fault | None:
    if agency.kind is Kind.SKILL_LEVEL:
        return may_set_level(agency.code, level)
    return None if LEVELS[level].qualification else no_coding_fault(agency.kind, level)


def _work_types(given: Sequence[str], faults: list[Fault]) -> tuple[str, ...]:
    found = []
    for place, text in enumerate(given):
        try:
            found.append(parse_work_type(text) or NO_WORK_TYPE)
        except Invalid as error:
            pointer = f"/work_types/{place}"
            faults.extend(msgspec.structs.replace(fault, pointer=pointer) for fault in error.faults)
    return tuple(dict.fromkeys(found))


def _dates_fault(from_on: dt.date, to_on: dt.date) -> Fault:
    what = Words(
        f"备案结束日 {to_on} 早于开始日 {from_on}。",
        f"The filing would end on {to_on}, before it begins on {from_on}.",
    )
    return Fault("/to_on", "dates", what)
