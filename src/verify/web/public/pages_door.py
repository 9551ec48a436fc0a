"""The pages: search form, verification page, and what a form's submission shows."""

import asyncio
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from verify.certificate.number import canonical_number
from verify.certificate.scan_code import parse_scan_code
from verify.errors import Invalid, Malformed, Unreadable, VerifyError, Words
from verify.lookup.scan import Reply as Found
from verify.store.history import Turn, read_turns
from verify.web.hygiene import check_form_text, read_body, require_media
from verify.web.language import Lang
from verify.web.public.asks import Asked, LookupRequest, ask, scan
from verify.web.public.half import PublicHalf, utc_now
from verify.web.reply import Receive, Reply, Scope
from verify.web.understanding import read_id_number, read_number

FORM: Final = "application/x-www-form-urlencoded"
_FORM_FIELDS: Final = frozenset({"ask", "number", "name", "id_type", "id_number"})
_MAX_FIELDS: Final = 16
TURNS_DEADLINE_S: Final = 0.5
"""The verdict does not wait for its past."""

_decode = msgspec.json.Decoder().decode


class SearchPages:
    """The search page, rendered once in each language, and again when the root changes."""

    def __init__(self, half: PublicHalf) -> None:
        """Nothing is rendered yet."""
        self._half = half
        self._made: dict[tuple[Lang, str], Reply] = {}

    def reply(self, lang: Lang) -> Reply:
        """`GET /`."""
        half = self._half
        key = lang, half.pages.root
        found = self._made.get(key)
        if found is None:
            self._made = {kept: reply for kept, reply in self._made.items() if kept[1] == key[1]}
            page = half.pages.render_search(lang, host=half.host)
            found = self._made[key] = Reply(200, half.headers.page, page)
        return found


async def show_scan(half: PublicHalf, scope: Scope, text: str) -> Reply:
    """`GET /V/{scan code}` for a browser."""
    found = await scan(half, scope, text)
    return await _answers(half, half.language(scope), found, "scan", scanned=_canonical(text))


def _canonical(text: str) -> str:
    try:
        return parse_scan_code(text)
    except (Invalid, Unreadable):
        return ""


async def show_search(half: PublicHalf, scope: Scope, receive: Receive) -> Reply:
    """`POST /`: the submitted form's answers, or the form again with what is wrong."""
    require_media(scope, FORM)
    body = await read_body(scope, receive, limit=half.body_limit, timeout_s=half.body_timeout_s)
    form = parse_form(body)
    lang = half.language(scope)
    try:
        asked, found, typed = await _ask(half, scope, form)
    except (Invalid, Unreadable) as error:
        return _form_again(half, lang, form, error)
    return await _answers(half, lang, found, asked, typed)


def parse_form(body: bytes) -> dict[str, str]:
    """The known fields of a urlencoded form; empty ones are left out.

    Raises Malformed for text that is not UTF-8, control characters, too many fields, or a field sent twice.
    """
    try:
        pairs = parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise Malformed from error
    form = {name: check_form_text(value) for name, value in pairs if name in _FORM_FIELDS}
    if len({name for name, _ in pairs}) != len(pairs):
        raise Malformed
    return form


class Typed(msgspec.Struct, frozen=True):
    """What a person typed, as it was understood."""

    number: str = ""
    """Canonical; empty when something else was asked for."""
    notes: tuple[Words, ...] = ()


NOTHING_TYPED: Final = Typed()


async def _ask(half: PublicHalf, scope: Scope, form: dict[str, str]) -> tuple[Asked, Found, Typed]:
    if form.get("ask") == "person":
        id_type = form.get("id_type", "")
        id_number, notes = read_id_number(id_type, form.get("id_number", ""))
        request = LookupRequest(name=form.get("name", ""), id_type=id_type, id_number=id_number)
        typed = Typed(notes=notes)
    else:
        read = read_number(form.get("number", ""))
        if read.meant == "scan":
            request, typed = LookupRequest(scan_code=read.text), Typed(notes=read.notes)
        else:
            request = LookupRequest(number=read.text, name=form.get("name"))
            typed = Typed(read.text, read.notes)
    asked, found, _ = await ask(half, scope, request, number_alone=True)
    if typed.number:  # it was one, or it would have been refused
        typed = msgspec.structs.replace(typed, number=canonical_number(typed.number))
    return asked, found, typed


def _form_again(half: PublicHalf, lang: Lang, form: dict[str, str], error: VerifyError) -> Reply:
    _, status, problem = half.problems.describe(error, lang)
    page = half.pages.render_search(lang, host=half.host, form=form, problem=problem)
    return Reply(status, half.headers.page, page)


async def _answers(
    half: PublicHalf, lang: Lang, found: Found, asked: Asked, typed: Typed = NOTHING_TYPED, scanned: str = ""
) -> Reply:
    answers: list[dict[str, Any]] = [_decode(answer) for answer in found.answers]
    turns = {} if asked == "number" else await _turns(half, answers)
    page = half.pages.render_answers(
        lang, host=half.host, answers=answers, asked=asked, checked_at=utc_now(),
        turns=turns, typed=typed.number, read_as=typed.notes, scanned=scanned,
    )  # fmt: skip
    return Reply(200 if answers else 404, half.headers.page, page)


async def _turns(half: PublicHalf, answers: list[dict[str, Any]]) -> dict[str, list[Turn]]:
    """What happened to those that changed since their issue: most did not, and cost nothing.

    The past is an addition: when the store does not answer now, the page stands without it.
    """
    changed = [answer["number"] for answer in answers if answer["revision"] > 1]
    if not changed:
        return {}
    try:
        async with asyncio.timeout(TURNS_DEADLINE_S):
            return await half.opening.now().store.read(partial(read_turns, changed), snapshot=False)
    except (VerifyError, TimeoutError):
        return {}
