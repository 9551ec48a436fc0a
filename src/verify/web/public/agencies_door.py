"""The register of agencies as pages: for whoever wants to know who may issue what, or to have a record corrected."""

from typing import Final
from urllib.parse import parse_qs

from litestar import get
from litestar.handlers import HTTPRouteHandler

from verify.certificate.agency import parse_agency_code
from verify.certificate.record import Agency
from verify.certificate.text import compact
from verify.errors import Invalid, Malformed, NotFound
from verify.store import register
from verify.web.framework import Ask, Named, Told, told
from verify.web.public.half import PublicHalf
from verify.web.public.register_door import agency_with_filings
from verify.web.reply import Reply

PAGE: Final = 50
"""Agencies on one page."""
MAX_QUERY: Final = 60


def agency_page_handlers(half: PublicHalf) -> list[HTTPRouteHandler]:
    """Routes of this module."""

    @get("/agencies")
    async def agencies(request: Ask) -> Told:
        query, after = _asked(request.scope["query_string"])
        every = await half.opening.now().store.read(register.list_agencies)
        found = [agency for agency in every if _matches(agency, query)]
        shown = [agency for agency in found if agency.code > after][: PAGE + 1]
        lang = half.language(request.scope)
        page = half.pages.render_agencies(
            lang, host=half.host, agencies=shown[:PAGE], total=len(found), query=query, more=len(shown) > PAGE
        )
        return told(Reply(200, half.headers.page, page))

    @get("/agencies/{code:str}")
    async def agency(request: Ask, code: Named) -> Told:
        try:
            parsed = str(parse_agency_code(code)[0])
        except Invalid as error:
            raise NotFound from error
        found = await half.opening.now().store.read(lambda: agency_with_filings(parsed))
        if found is None:
            raise NotFound
        lang = half.language(request.scope)
        page = half.pages.render_agency(lang, host=half.host, agency=found[0], filings=found[1])
        return told(Reply(200, half.headers.page, page))

    return [agencies, agency]


def _asked(query_string: bytes) -> tuple[str, str]:
    """What is searched for, and the code after which the page begins. Raises Malformed."""
    try:
        fields = parse_qs(query_string.decode("ascii"), errors="strict", max_num_fields=8)
    except ValueError as error:
        raise Malformed from error
    query = fields.get("q", [""])[0].strip()[:MAX_QUERY]
    if not query.isprintable():
        raise Malformed
    return query, fields.get("after", [""])[0][:MAX_QUERY]


def _matches(agency: Agency, query: str) -> bool:
    """Part of a name in any case, or the beginning of a code."""
    if not query:
        return True
    plain = query.casefold()
    return (
        plain in agency.name_zh.casefold()
        or plain in agency.name_en.casefold()
        or agency.code.startswith(compact(query))
    )
