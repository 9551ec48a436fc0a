"""Look-ups: what came in, asked of `lookup`; for programs the finished bytes are sent on as they are."""

from typing import Final, Literal, TypeAlias

import msgspec

from verify.certificate.number import canonical_number
from verify.certificate.scan_code import parse_scan_code
from verify.certificate.status import Verdict
from verify.errors import Fault, Invalid, Unreadable, Words
from verify.lookup.answer import MESSAGES
from verify.lookup.budget import Decision
from verify.lookup.scan import Reply as Found
from verify.telemetry import tally
from verify.web.hygiene import decode_json, read_body, require_media
from verify.web.public.allowance import asker, limit_headers, spend
from verify.web.public.half import PublicDesk, PublicHalf, instant, utc_now
from verify.web.reply import Receive, Reply, Scope

Asked: TypeAlias = Literal["scan", "number", "name", "person"]

_MISS_HEAD: Final = b'{"answers":[],"verdict":"unknown","as_of":"'
_MISS_TAIL: Final = b'","message":' + msgspec.json.encode(MESSAGES[Verdict.UNKNOWN]) + b"}"


class LookupRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of three: number + name, ID type + ID number + name, or a scan code."""

    number: str | None = None
    name: str | None = None
    id_type: str | None = None
    id_number: str | None = None
    scan_code: str | None = None


def miss_body(as_of: str) -> bytes:
    """The one miss: nothing in it depends on what was asked, or on what missed (P2)."""
    return _MISS_HEAD + as_of.encode() + _MISS_TAIL


async def answer_number(half: PublicHalf, scope: Scope, text: str) -> Reply:
    """`GET /api/v1/certificates/{number}`: the answer for the number alone."""
    desk = half.opening.now()
    source = asker(scope, half.trusted_proxies)
    left = await spend(desk, scope, source)
    found = await desk.lookup.by_number(text)
    headers, lookups = half.headers.json, tally.lookups
    if left.remaining * 10 < left.quota:
        headers = [*headers, *limit_headers(left)]
    if found.answers:
        lookups["number/found"] = lookups.get("number/found", 0) + 1
        return Reply(200, headers, found.answers[0])
    _missed(desk, source, "number")
    return Reply(404, headers, miss_body(found.as_of))


async def answer_scan(half: PublicHalf, scope: Scope, text: str) -> Reply:
    """`GET /V/{scan code}` for a program. A text that cannot be a code is a miss like any other."""
    found = await scan(half, scope, text)
    if found.answers:
        return Reply(200, half.headers.json_by_accept, found.answers[0])
    return Reply(404, half.headers.json_by_accept, miss_body(found.as_of))


async def scan(half: PublicHalf, scope: Scope, text: str) -> Found:
    """Resolve a scan code, for data or page. Raises OverBudget, Unavailable."""
    desk = half.opening.now()
    source = asker(scope, half.trusted_proxies)
    try:
        code = parse_scan_code(text)
    except (Invalid, Unreadable):
        await spend(desk, scope, source)
        _missed(desk, source, "scan")
        return Found((), instant(utc_now()))
    await spend(desk, scope, source, code)
    found = await desk.lookup.by_scan_code(code)
    _count(desk, source, "scan", found)
    return found


async def answer_lookups(half: PublicHalf, scope: Scope, receive: Receive) -> Reply:
    """`POST /api/v1/lookups`: 200 with every answer, or the one miss."""
    require_media(scope, "application/json")
    body = await read_body(scope, receive, limit=half.body_limit, timeout_s=half.body_timeout_s)
    request = decode_json(body, LookupRequest)
    _, found, left = await ask(half, scope, request)
    headers = [*half.headers.json, *limit_headers(left)]
    if not found.answers:
        return Reply(404, headers, miss_body(found.as_of))
    return Reply(200, headers, b'{"answers":[' + b",".join(found.answers) + b"]}")


async def ask(
    half: PublicHalf, scope: Scope, request: LookupRequest, *, number_alone: bool = False
) -> tuple[Asked, Found, Decision]:
    """Ask what the request brings. Raises Invalid when it brings none of the three, or more than one.

    `number_alone`: a person at the form may leave the name out, and then sees nothing of the holder.
    """
    nameless = request.number is not None and request.name is None
    asked: Asked = "number" if number_alone and nameless else what_is_asked(request)
    desk = half.opening.now()
    lookup, source = desk.lookup, asker(scope, half.trusted_proxies)
    number, name = request.number or "", request.name or ""
    if asked == "scan":
        code = parse_scan_code(request.scan_code or "")
        left = await spend(desk, scope, source, code)
        found = await lookup.by_scan_code(code)
    elif asked == "name":
        left = await spend(desk, scope, source, canonical_number(number))
        found = await lookup.by_number_and_name(number, name)
    elif asked == "person":
        id_type, id_number = request.id_type or "", request.id_number or ""
        person = lookup.read_person(id_type, id_number, name)
        left = await spend(desk, scope, source, person.target)
        found = await lookup.by_read_person(person)
    else:
        left = await spend(desk, scope, source)
        found = await lookup.by_number(number)
    _count(desk, source, asked, found)
    return asked, found, left


def what_is_asked(request: LookupRequest) -> Asked:
    """Which of the three it is. Raises Invalid naming the field that is missing or too much."""
    number, name, scan_code = request.number, request.name, request.scan_code
    person = request.id_type is not None or request.id_number is not None
    ways = (number is not None) + (scan_code is not None) + person
    if ways != 1 or (scan_code is not None and name is not None):
        raise _invalid("", "one-of-three", "请只提供以下之一：编号+姓名、证件类型+证件号码+姓名、扫码编号。",
                       "Bring one of: number + name; id_type + id_number + name; scan_code.")  # fmt: skip
    if scan_code is not None:
        return "scan"
    for field in ("name",) if not person else ("name", "id_type", "id_number"):
        if getattr(request, field) is None:
            raise _invalid(f"/{field}", "missing", "缺少此字段。", "This field is missing.")
    return "person" if person else "name"


def _invalid(pointer: str, code: str, zh: str, en: str) -> Invalid:
    return Invalid(faults=(Fault(pointer, code, Words(zh, en)),))


def _count(desk: PublicDesk, source: str, asked: Asked, found: Found) -> None:
    if found.answers:
        tally.add(tally.lookups, f"{asked}/found")
    else:
        _missed(desk, source, asked)


def _missed(desk: PublicDesk, source: str, asked: Asked) -> None:
    """A miss costs more than a find: guessing is what budgets are for."""
    desk.budgets.missed(source)
    tally.add(tally.lookups, f"{asked}/miss")
