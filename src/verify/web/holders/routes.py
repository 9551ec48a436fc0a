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

CERTIFICATE: Final = Parameter(
    "certificate", "query", "Place of the certificate in the session's `numbers`, from 1; else the first.",
    {"type": "integer", "minimum": 1, "maximum": 40}, required=False,
)  # fmt: skip

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
        ("token", "number", "numbers", "expires_at"),
        token=text("Bearer `hs_…`, for a quarter of an hour."), number=text("The one that was shown."),
        numbers={"type": "array", "items": text(), "description": "All that it reaches; `certificate` is a place here."},
        expires_at=INSTANT,
    ),
    "Share": record(
        ("id", "address", "label", "created_at", "expires_at", "withdrawn_at"),
        id=text(), address=text(format="uri"), label=text(), created_at=INSTANT, expires_at=INSTANT,
        withdrawn_at=maybe(INSTANT),
    ),
    "Shares": listed("shares", ref("Share")),
    "Ended": record(("ended",), ended=TRUTH),
    "Listed": record(("listed",), listed=TRUTH),
    "AskedAbout": listed(
        "checks",
        record(("day", "kind", "times"), day=text("In China.", format="date"), times=INTEGER,
               kind=text("Employers' checks, and what was done as the holder.",
                         enum=["list", "receipt", "sign-in", "document", "picture"])),
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
        method="DELETE", path="/api/v1/holder-sessions", tag="holders", auth="holder",
        summary="Sign out: the session ends now, on every node.",
        answers={200: Answer("It opens nothing any more.", schema=ref("Ended"))},
    ),
    Route(
        method="GET", path="/api/v1/holder/shares", summary="The links of the certificate.", tag="holders",
        auth="holder", parameters=(CERTIFICATE,),
        answers={200: Answer("Newest first.", schema=ref("Shares"))}, problems=(429,),
    ),
    Route(
        method="POST", path="/api/v1/holder/shares", summary="Make a link that ends by itself.", tag="holders",
        auth="holder", parameters=(CERTIFICATE,),
        bodies=(Body("application/json", ref("ShareRequest"), {"days": 7, "label": "应聘"}),),
        answers={201: Answer("The link.", schema=ref("Share"))}, problems=(409, 429),
    ),
    Route(
        method="POST", path="/api/v1/holder/shares/{share}/withdrawal", summary="End a link at once.",
        tag="holders", auth="holder", parameters=(_SHARE, CERTIFICATE),
        answers={200: Answer("The link.", schema=ref("Share"))}, problems=(408, 413, 429),
    ),
    Route(
        method="GET", path="/api/v1/holder/name-search", tag="holders", auth="holder", parameters=(CERTIFICATE,),
        summary="Whether a search by name and document shows the certificate.",
        answers={200: Answer("It does or not.", schema=ref("Listed"))}, problems=(429,),
    ),
    Route(
        method="PUT", path="/api/v1/holder/name-search", tag="holders", auth="holder", parameters=(CERTIFICATE,),
        summary="Show it there, or not.", bodies=(Body("application/json", ref("ListedRequest"), {"listed": False}),),
        answers={200: Answer("As it is now.", schema=ref("Listed"))}, problems=(429,),
    ),
    Route(
        method="GET", path="/api/v1/holder/checks", tag="holders", auth="holder", parameters=(CERTIFICATE,),
        summary="How often employers asked, and how often somebody came as the holder: by day and kind, never by whom.",
        answers={200: Answer("Newest first.", schema=ref("AskedAbout"))}, problems=(429,),
    ),
    Route(
        method="GET", path="/api/v1/holder/document.pdf", tag="holders", auth="holder", parameters=(CERTIFICATE,),
        summary="The signed PDF of the last copy, with the full identity number: byte for byte the agency's.",
        answers={200: Answer("The file that is kept, also when the certificate has ended since.", "application/pdf",
                             text(format="binary"))},
        problems=(409, 422, 429),
    ),
    Route(
        method="GET", path="/api/v1/holder/document.png", tag="holders", auth="holder", parameters=(CERTIFICATE,),
        summary="The picture for a phone: no identity number, no portrait.",
        answers={200: Answer("The picture.", "image/png", text(format="binary"))}, problems=(409, 422, 429),
    ),
)  # fmt: skip

_PLACE: Final = Parameter(
    "place", "path", "Place of the certificate in the session, from 1.", text(), example="1"
)
_PAGE: Final = Answer("A page.", "text/html", text())
_OVER: Final = Answer("Not signed in: the sign-in form.", "text/html", text(), headers=("WWW-Authenticate",))
_SEE: Final = Answer("Done; the page to see next.", "text/html", text(), headers=("Location",))
_MEDIA: Final = "application/x-www-form-urlencoded"


def _form(example: dict[str, str], *names: str) -> tuple[Body, ...]:
    """A form with the token of the page that it stands on."""
    fields = {name: text() for name in ("form", *names)}
    return (Body(_MEDIA, {"type": "object", "properties": fields, "additionalProperties": False}, example),)


def _page(
    method: str, path: str, summary: str, *, place: bool = True, bodies: tuple[Body, ...] = (),
    further: dict[int, Answer] | None = None, parameters: tuple[Parameter, ...] = (),
) -> Route:  # fmt: skip
    """A page behind the session's cookie."""
    first = {303: _SEE} if method == "POST" else {200: _PAGE}
    return Route(
        method=method, path=path, summary=summary, tag="pages", auth="holder-cookie",
        parameters=(*((_PLACE,) if place else ()), *parameters, _LANGUAGE), bodies=bodies,
        answers=first | {401: _OVER} | (further or {}), problems=(429, 503),
    )  # fmt: skip


def _file(path: str, media: str, summary: str) -> Route:
    return _page("GET", path, summary, further={200: Answer("The file.", media, text(format="binary"))})


HOLDER_PAGE_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET", path="/holder", tag="pages", parameters=(_LANGUAGE,), answers={200: _PAGE}, problems=(429, 503),
        summary="The holder's sign-in; for who is signed in the page of the certificate.",
    ),
    Route(
        method="POST", path="/holder", tag="pages", parameters=(_LANGUAGE,),
        summary="Sign in with number, name and document; sets a cookie for a quarter of an hour.",
        bodies=_form({"number": "Y000044010000263000001", "name": "张三"}, "number", "name", "id_type", "id_number"),
        answers={303: _SEE, 403: _PAGE, 404: _PAGE, 422: _PAGE}, problems=(429, 503),
    ),
    Route(
        method="POST", path="/holder/sign-out", tag="pages", parameters=(_LANGUAGE,), bodies=_form({}),
        summary="Forget the cookie.", answers={303: _SEE}, problems=(403, 429, 503),
    ),
    _page("GET", "/holder/{place}", "One certificate and what its holder may do."),
    _file("/holder/{place}/document.pdf", "application/pdf", "The signed PDF, with the full identity number."),
    _file("/holder/{place}/document.png", "image/png", "The picture for a phone."),
    _page("GET", "/holder/{place}/picture", "The picture on a page, to be kept by a long press."),
    _page("POST", "/holder/{place}/links", "Make a share link.", bodies=_form({"days": "7"}, "days", "label"),
          further={409: _PAGE, 422: _PAGE}),
    _page("GET", "/holder/{place}/links/{share}", "A share link with its code.", parameters=(_SHARE,)),
    _page("POST", "/holder/{place}/links/{share}/withdrawal", "End a share link.", bodies=_form({}), parameters=(_SHARE,)),
    _page("POST", "/holder/{place}/name-search", "Leave the search by name, or come back.",
          bodies=_form({"listed": "no"}, "listed")),
    _page("GET", "/holder/{place}/objections", "Own objections and how they stand."),
    _page("POST", "/holder/{place}/objections", "Object to an error.",
          bodies=_form({"matter": "name", "words": "…"}, "matter", "words"), further={409: _PAGE, 422: _PAGE}),
)  # fmt: skip
