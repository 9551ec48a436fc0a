"""Every address of the holders' door, as data."""

from typing import Any, Final

from verify.web.route import Answer, Body, Parameter, Route
from verify.web.schemas import INSTANT, INTEGER, TRUTH, listed, maybe, record, ref, text

_CODE: Final = Parameter(
    "code", "path", "16 Crockford base32 characters.", text(), example="0123456789ABCDEF"
)
_SHARE: Final = Parameter("share", "path", "Id of a link.", text(), example="sh_0123456789abcdef")
_LANGUAGE: Final = Parameter(
    "lang", "query", "`zh` or `en`; else Accept-Language.", text(enum=["zh", "en"]), required=False
)

LINK_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET", path="/S/{code}", tag="pages", parameters=(_CODE, _LANGUAGE),
        summary="What a holder shared: the full public face, until the link ends; JSON by Accept.",
        answers={200: Answer("The answer, and until when it is shared.", "application/json",
                             {"type": "object"}, also={"text/html": text()}),
                 404: Answer("A miss, whatever the code.", "application/json", ref("Miss"),
                             also={"text/html": text(), "application/problem+json": ref("Problem")})},
        problems=(429, 503),
    ),
)  # fmt: skip
"""Also on nodes that serve the public alone."""

HOLDER_COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "HolderSession": record(
        ("token", "number", "expires_at"),
        token=text("Bearer `hs_…`, for a quarter of an hour."), number=text(), expires_at=INSTANT,
    ),
    "Share": record(
        ("id", "address", "label", "created_at", "expires_at", "withdrawn_at"),
        id=text(), address=text(format="uri"), label=text(), created_at=INSTANT, expires_at=INSTANT,
        withdrawn_at=maybe(INSTANT),
    ),
    "Shares": listed("shares", ref("Share")),
    "Listed": record(("listed",), listed=TRUTH),
    "AskedAbout": listed(
        "checks",
        record(("day", "kind", "employer", "times"), day=text(format="date"), kind=text(enum=["list", "receipt"]),
               employer=text("Its registered name."), times=INTEGER),
    ),
}  # fmt: skip

HOLDER_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST", path="/api/v1/holder-sessions", tag="holders",
        summary="A session for whoever brings number, name and document.",
        bodies=(Body("application/json", ref("SessionRequest"),
                     {"number": "Y000044010000263000001", "name": "张三", "id_type": "RESIDENT_ID",
                      "id_number": "990001199001010012"}),),
        answers={201: Answer("The session.", schema=ref("HolderSession")),
                 404: Answer("The one miss.", schema=ref("Miss"),
                             also={"application/problem+json": ref("Problem")})},
        problems=(429, 503), components=HOLDER_COMPONENTS,
    ),
    Route(
        method="GET", path="/api/v1/holder/shares", summary="The links of the certificate.", tag="holders",
        auth="holder", answers={200: Answer("Newest first.", schema=ref("Shares"))},
    ),
    Route(
        method="POST", path="/api/v1/holder/shares", summary="Make a link that ends by itself.", tag="holders",
        auth="holder", bodies=(Body("application/json", ref("ShareRequest"), {"days": 7, "label": "应聘"}),),
        answers={201: Answer("The link.", schema=ref("Share"))}, problems=(409,),
    ),
    Route(
        method="POST", path="/api/v1/holder/shares/{share}/withdrawal", summary="End a link at once.",
        tag="holders", auth="holder", parameters=(_SHARE,),
        answers={200: Answer("The link.", schema=ref("Share"))}, problems=(408, 413),
    ),
    Route(
        method="GET", path="/api/v1/holder/name-search", tag="holders", auth="holder",
        summary="Whether a search by name and document shows the certificate.",
        answers={200: Answer("It does or not.", schema=ref("Listed"))},
    ),
    Route(
        method="PUT", path="/api/v1/holder/name-search", tag="holders", auth="holder",
        summary="Show it there, or not.", bodies=(Body("application/json", ref("ListedRequest"), {"listed": False}),),
        answers={200: Answer("As it is now.", schema=ref("Listed"))},
    ),
    Route(
        method="GET", path="/api/v1/holder/checks", tag="holders", auth="holder",
        summary="Which employers asked, by day and kind.",
        answers={200: Answer("Newest first.", schema=ref("AskedAbout"))},
    ),
)  # fmt: skip
