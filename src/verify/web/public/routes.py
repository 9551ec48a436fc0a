"""Every public address, as data."""

from typing import Any, Final

from verify.web.route import Answer, Body, Parameter, Route
from verify.web.schemas import ref, text

NUMBER: Final = Parameter(
    "number", "path", "Certificate number: 22 characters or 16 digits; spaces and case do not matter.",
    text(), example="Y000011000000266010000001",
)  # fmt: skip
SCAN_CODE: Final = Parameter(
    "scan_code", "path", "16 Crockford base32 characters, any case.", text(), example="0123456789ABCDEF"
)
LANGUAGE: Final = Parameter(
    "lang", "query", "`zh` or `en`; else Accept-Language.", text(enum=["zh", "en"]), required=False
)
SOLUTION: Final = Parameter(
    "Verify-Challenge-Solution", "header",
    "Past a budget: base64 of the JSON {algorithm, challenge, number, salt, signature} that solves the `challenge` of a "
    "429 problem. It counts once and for some minutes.", text(), required=False,
)  # fmt: skip
_LIMITS: Final = ("RateLimit", "RateLimit-Policy")
_PAGE: Final = Answer("A page.", "text/html", text())
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {name: text() for name in ("number", "name", "id_type", "id_number")}
    | {"ask": text(enum=["number", "person"])},
    "additionalProperties": False,
}
_UPLOAD: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"file": text(format="binary", contentMediaType="application/octet-stream")},
    "required": ["file"],
    "additionalProperties": False,
}
_EXAMPLE: Final = {"number": "Y000044010000263000001", "name": "张三"}

PUBLIC_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET", path="/", summary="The search page.", tag="pages",
        parameters=(LANGUAGE,), answers={200: _PAGE},
    ),
    Route(
        method="POST", path="/", summary="The search form: number + name, number alone, or name + ID.", tag="pages",
        parameters=(LANGUAGE,), bodies=(Body("application/x-www-form-urlencoded", _FORM, _EXAMPLE),),
        answers={200: _PAGE, 404: _PAGE, 422: _PAGE}, problems=(429, 503),
    ),
    Route(
        method="GET", path="/V/{scan_code}", summary="The verification page; JSON by Accept.", tag="pages",
        parameters=(SCAN_CODE, LANGUAGE, SOLUTION),
        answers={200: Answer("The full public face.", "application/json", ref("Answer"), also={"text/html": text()}),
                 404: Answer("A miss.", "application/json", ref("Miss"),
                             also={"text/html": text(), "application/problem+json": ref("Problem")})},
        problems=(429, 503),
    ),
    Route(
        method="GET", path="/agencies", summary="The register of agencies as a page, fifty at a time.", tag="pages",
        parameters=(LANGUAGE,
                    Parameter("q", "query", "Part of a name, or the beginning of a code.", text(), required=False),
                    Parameter("after", "query", "The code after which the page begins.", text(), required=False)),
        answers={200: _PAGE}, problems=(503,),
    ),
    Route(
        method="GET", path="/agencies/{code}", tag="pages",
        summary="One agency: what it may assess, and how to reach it about a correction.",
        parameters=(Parameter("code", "path", "13 characters or 8 digits.", text(), example="Y000044010000"),
                    LANGUAGE),
        answers={200: _PAGE}, problems=(503,),
    ),
    Route(
        method="POST", path="/checks", summary="The check form: a page with each check by name.", tag="pages",
        parameters=(LANGUAGE,), bodies=(Body("multipart/form-data", _UPLOAD),),
        answers={200: _PAGE}, problems=(429, 503),
    ),
    Route(
        method="POST", path="/api/v1/lookups", summary="Ask by number + name, by ID + name, or by scan code.",
        tag="lookups", parameters=(SOLUTION,),
        bodies=(Body("application/json", ref("LookupRequest"), _EXAMPLE),),
        answers={200: Answer("Every certificate that matches.", schema=ref("Answers"), headers=_LIMITS),
                 404: Answer("The one miss, whatever missed.", schema=ref("Miss"), headers=_LIMITS)},
        problems=(429, 503),
    ),
    Route(
        method="POST", path="/api/v1/checks", summary="Check a QR picture, token or credential.", tag="lookups",
        parameters=(SOLUTION,),
        bodies=(Body("application/json", ref("CheckRequest"), {"token": "01234567890"}),
                Body("multipart/form-data", _UPLOAD)),
        answers={200: Answer("Each check by name, and one verdict.", schema=ref("Report"))},
        problems=(429, 503),
    ),
    Route(
        method="GET", path="/api/v1/agencies", summary="The public register of agencies.", tag="register",
        answers={200: Answer("All agencies by code.", schema=ref("Agencies"))}, problems=(503,),
    ),
    Route(
        method="GET", path="/api/v1/agencies/{code}", summary="One agency with its filings.", tag="register",
        parameters=(Parameter("code", "path", "13 characters or 8 digits.", text(), example="Y000044010000"),),
        answers={200: Answer("The agency.", schema=ref("Agency"))}, problems=(422, 503),
    ),
    Route(
        method="GET", path="/trust.json", summary="The signed trust list.", tag="keys",
        answers={200: Answer("A JWS by the root key.", schema=ref("SignedList"))}, problems=(503,),
    ),
    Route(
        method="GET", path="/.well-known/jwks.json", summary="Public keys, retired ones included.", tag="keys",
        answers={200: Answer("A JWK set.", "application/jwk-set+json", ref("Jwks"))}, problems=(503,),
    ),
    Route(
        method="GET", path="/crl/{kid}", summary="The X.509 revocation list of one root, for PDF readers.", tag="keys",
        parameters=(Parameter("kid", "path", "Key id of the root.", text(), example="0a1b2c3d"),),
        answers={200: Answer("A list (RFC 5280), DER.", "application/pkix-crl", text(format="binary"))},
        problems=(503,),
    ),
    Route(
        method="GET", path="/packs/status.json", tag="keys",
        summary="The signed manifest of the newest status pack: which numbers are not valid, for use offline.",
        answers={200: Answer("A JWS by the root key.", schema=ref("SignedList"))}, problems=(503,),
    ),
    Route(
        method="GET", path="/packs/{name}", summary="A file that the manifest names.", tag="keys",
        parameters=(Parameter("name", "path", "SHA-256 of the file, base64url.",
                              text(pattern="^[A-Za-z0-9_-]{43}$"), example="A" * 43),),
        answers={200: Answer("A pack or delta.", "application/octet-stream", text(format="binary"))},
        problems=(503,),
    ),
    Route(
        method="GET", path="/sw.js", summary="The service worker: keeps the offline page on phones.", tag="pages",
        answers={200: Answer("A script.", "text/javascript", text())},
    ),
    Route(
        method="GET", path="/offline", summary="The page that a phone shows without network.", tag="pages",
        parameters=(LANGUAGE,), answers={200: _PAGE},
    ),
    Route(
        method="GET", path="/manifest.webmanifest", summary="How the site stands on a home screen.", tag="pages",
        answers={200: Answer("A web app manifest.", "application/manifest+json", {"type": "object"})},
    ),
    Route(
        method="GET", path="/livez", summary="The process lives.", tag="operations",
        answers={200: Answer("It does.", schema=ref("Live"))},
    ),
    Route(
        method="GET", path="/readyz", summary="The process can answer; else which dependency fails.",
        tag="operations",
        answers={200: Answer("Ready.", schema=ref("Ready")),
                 503: Answer("Not ready.", schema=ref("Ready"), headers=("Retry-After",))},
    ),
    Route(
        method="GET", path="/metrics", summary="Prometheus metrics of one worker.", tag="operations",
        answers={200: Answer("Metrics.", "text/plain", text())},
    ),
    Route(
        method="GET", path="/robots.txt", summary="Nothing here is for search engines.", tag="operations",
        answers={200: Answer("Rules.", "text/plain", text())},
    ),
    Route(
        method="GET", path="/schema/openapi.json", summary="This document.", tag="operations",
        answers={200: Answer("OpenAPI 3.1.", schema={"type": "object"})},
    ),
    Route(
        method="GET", path="/problems/{code}", summary="What a problem type means.", tag="operations",
        parameters=(Parameter("code", "path", "The last part of a problem's type.", text(), example="invalid"),),
        answers={200: Answer("The code in both languages.", schema=ref("ProblemKind"))},
    ),
)  # fmt: skip

NUMBER_ROUTE: Final = Route(
    method="GET", path="/api/v1/certificates/{number}", tag="lookups", auth="optional", parameters=(NUMBER, SOLUTION),
    summary="The answer for the number alone; with an agency's key, the owner's view.",
    answers={200: Answer("The answer, or the owner's view.", headers=_LIMITS, schema=ref("Answer")),
             404: Answer("A miss.", schema=ref("Miss"), also={"application/problem+json": ref("Problem")})},
    problems=(422, 429, 503),
)  # fmt: skip
