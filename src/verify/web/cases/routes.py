"""Every address of the desk, as data."""

from typing import Any, Final

from verify.web.holders.routes import CERTIFICATE
from verify.web.public.routes import LANGUAGE, SOLUTION
from verify.web.route import Answer, Body, Parameter, Route
from verify.web.schemas import DAY, INSTANT, TRUTH, listed, maybe, record, ref, text

_RECEIPT: Final = Parameter(
    "receipt", "path", "20 Crockford base32 characters; hyphens and case do not matter.", text(),
    example="0000-0000-0000-0000-0000",
)  # fmt: skip
_CASE: Final = Parameter("case", "path", "Id of a case.", text(), example="cs_0123456789abcdef0")
_PAGE: Final = Answer("A page.", "text/html", text())
_AFTER_FORM: Final = Answer("Taken in: the status page.", "text/html", text(), headers=("Location",))
_REPORT_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "matter": text(enum=["fake-certificate", "edited-certificate", "imitation-website", "other"]),
        "words": text(maxLength=2000), "address": text(maxLength=500), "code": text(maxLength=60),
        "picture": text(format="binary", contentMediaType="application/octet-stream"),
    },
    "required": ["matter"],
    "additionalProperties": False,
}  # fmt: skip
_OBJECTION_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {name: text() for name in ("matter", "words", "number", "name", "id_type", "id_number")},
    "required": ["matter"],
    "additionalProperties": False,
}


def _fields(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: text() for name in names}, "additionalProperties": False}


_ANSWERED: Final = record(
    ("outcome", "words", "number"),
    outcome=text(enum=["confirmed", "not-confirmed", "passed-on", "upheld", "refused"]), words=text(),
    number=maybe(text("The certificate that holds the correction.")),
)  # fmt: skip
_STATE: Final = text(enum=["received", "accepted", "answered", "closed"])
_KIND: Final = text(enum=["report", "objection"])
_EVENT: Final = text(enum=["received", "accepted", "assigned", "answered", "closed"])
_BY: Final = text(enum=["public", "holder", "agency", "operator", "system"])
_LISTED: Final[dict[str, Any]] = {
    "id": text(), "kind": _KIND, "matter": text(), "state": _STATE, "agency": maybe(text()),
    "number": maybe(text("The certificate, when its holder objects.")), "received_at": INSTANT,
    "due_at": maybe(INSTANT), "overdue": TRUTH,
}  # fmt: skip

CASE_COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "CaseReceipt": record(
        ("receipt", "state", "received_at", "due_at", "links"),
        receipt=text("Shown once."), state=_STATE, received_at=INSTANT, due_at=maybe(INSTANT),
        links={"type": "object", "additionalProperties": text()},
    ),
    "CaseStatus": record(
        ("kind", "matter", "state", "received_at", "due_at", "agency", "steps", "answer"),
        kind=_KIND, matter=text(), state=_STATE, received_at=INSTANT, due_at=maybe(INSTANT),
        agency=maybe(record(("code", "name_zh", "name_en"), code=text(), name_zh=text(), name_en=text())),
        steps={"type": "array", "items": record(("at", "event", "by"), at=INSTANT, event=_EVENT, by=_BY)},
        answer=maybe(_ANSWERED),
    ),
    "CaseStatuses": listed("objections", ref("CaseStatus")),
    "Cases": record(
        ("cases", "next"),
        cases={"type": "array", "items": record(tuple(_LISTED), **_LISTED)},
        next=maybe(text("Where the next page begins.")),
    ),
    "Case": record(
        (*_LISTED, "told", "steps", "answer", "links"),
        **_LISTED, told={"type": "object", "additionalProperties": text()}, answer=maybe(_ANSWERED),
        steps={"type": "array", "items": record(
            ("at", "event", "by", "actor", "note"), at=INSTANT, event=_EVENT, by=_BY, actor=text(), note=text())},
        links={"type": "object", "additionalProperties": text()},
    ),
}  # fmt: skip
_IMITATION: Final = record(
    ("domain", "readable", "seen_on", "note", "added_at"),
    domain=text("ASCII, lower case (RFC 5890)."), readable=text("With its letters as people see them."),
    seen_on=DAY, note=text(), added_at=INSTANT,
)  # fmt: skip
IMITATION_COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "Imitation": _IMITATION,
    "Imitations": record(
        ("host", "imitations"),
        host=text("The only address of this service."),
        imitations={"type": "array", "items": ref("Imitation")},
    ),
}

IMITATION_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET", path="/imitations", tag="pages", parameters=(LANGUAGE,),
        summary="Sites that are known to imitate this one, and how they work.", answers={200: _PAGE}, problems=(503,),
        components=IMITATION_COMPONENTS,
    ),
    Route(
        method="GET", path="/api/v1/imitations", tag="cases", summary="The same for programs that block addresses.",
        answers={200: Answer("Newest first.", schema=ref("Imitations"))}, problems=(503,),
    ),
)  # fmt: skip
"""Also on nodes that serve the public alone."""


def _status(path: str) -> tuple[Route, Route]:
    return (
        Route(
            method="GET", path=f"{path}/{{receipt}}", tag="pages", parameters=(_RECEIPT, LANGUAGE, SOLUTION),
            summary="How the case behind a receipt stands; JSON by Accept.",
            answers={200: Answer("It stands so.", schema=ref("CaseStatus"), also={"text/html": text()}),
                     404: Answer("The same for every other receipt.", "application/problem+json", ref("Problem"),
                                 also={"text/html": text()})},
            problems=(429, 503),
        ),
        Route(
            method="POST", path=f"{path}/status", tag="pages", parameters=(LANGUAGE,),
            summary="The same for a receipt that was typed.",
            bodies=(Body("application/x-www-form-urlencoded", _fields("receipt"),
                         {"receipt": "0000-0000-0000-0000-0000"}),),
            answers={200: _PAGE, 404: _PAGE}, problems=(429, 503),
        ),
    )  # fmt: skip


PUBLIC_CASE_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET", path="/reports", summary="The form to report a forgery.", tag="pages", parameters=(LANGUAGE,),
        answers={200: _PAGE}, components=CASE_COMPONENTS,
    ),
    Route(
        method="POST", path="/reports/form", tag="pages", parameters=(LANGUAGE,),
        summary="The same form, about the code that a verdict page brings in the body.",
        bodies=(Body("application/x-www-form-urlencoded", _fields("code"), {"code": "0123456789ABCDEF"}),),
        answers={200: _PAGE},
    ),
    Route(
        method="POST", path="/reports", summary="Report a forgery.", tag="pages", parameters=(LANGUAGE,),
        bodies=(Body("multipart/form-data", _REPORT_FORM),), answers={303: _AFTER_FORM, 422: _PAGE},
        problems=(429, 503),
    ),
    Route(
        method="POST", path="/api/v1/reports", summary="Report a forgery; nobody is asked who they are.",
        tag="cases", parameters=(SOLUTION,),
        bodies=(Body("application/json", ref("ReportRequest"),
                     {"matter": "imitation-website", "address": "http://verify.example.net/"}),
                Body("multipart/form-data", _REPORT_FORM)),
        answers={201: Answer("Taken in.", schema=ref("CaseReceipt"), headers=("Location",))}, problems=(429, 503),
    ),
    Route(
        method="GET", path="/objections", tag="pages", parameters=(LANGUAGE,), answers={200: _PAGE},
        summary="The form for a certificate that is missing or wrong.",
    ),
    Route(
        method="POST", path="/objections", summary="Say that a certificate is missing or wrong.", tag="pages",
        parameters=(LANGUAGE,),
        bodies=(Body("application/x-www-form-urlencoded", _OBJECTION_FORM,
                     {"matter": "missing", "number": "Y000044010000263000001"}),),
        answers={303: _AFTER_FORM, 422: _PAGE}, problems=(429, 503),
    ),
    Route(
        method="POST", path="/api/v1/objections", tag="cases", parameters=(SOLUTION,),
        summary="Say that a certificate is missing or wrong, by number or by name and document; nothing need be found.",
        bodies=(Body("application/json", ref("ObjectionRequest"),
                     {"matter": "missing", "number": "Y000044010000263000001"}),),
        answers={201: Answer("Taken in.", schema=ref("CaseReceipt"), headers=("Location",))}, problems=(429, 503),
    ),
    *_status("/reports"),
    *_status("/objections"),
)  # fmt: skip


def _deed(name: str, words: str, *bodies: Body, auth: Any = "any") -> Route:
    return Route(
        method="POST", path=f"/api/v1/cases/{{case}}/{name}", summary=words, tag="cases", auth=auth,
        parameters=(_CASE,), bodies=bodies, answers={200: Answer("The case.", schema=ref("Case"))},
        problems=(408, 409, 413),
    )  # fmt: skip


QUEUE_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET", path="/api/v1/cases", tag="cases", auth="any",
        summary="The queue, oldest first: what waits, or the states and kinds that are named. An agency sees its own.",
        parameters=(Parameter("state", "query", "Only cases in this state; may come several times.",
                              _STATE, required=False),
                    Parameter("kind", "query", "Only cases of this kind.", _KIND, required=False),
                    Parameter("after", "query", "Cases after this one.", text(pattern="^cs_[0-9a-f]{17}$"),
                              required=False)),
        answers={200: Answer("A page of 50.", schema=ref("Cases"))}, problems=(422,),
    ),
    Route(
        method="GET", path="/api/v1/cases/{case}", tag="cases", auth="any", parameters=(_CASE,),
        summary="One case with what was told.", answers={200: Answer("The case.", schema=ref("Case"))},
    ),
    Route(
        method="GET", path="/api/v1/cases/{case}/picture", tag="cases", auth="any", parameters=(_CASE,),
        summary="Its picture, drawn anew.", answers={200: Answer("A picture.", "image/jpeg", text(format="binary"))},
    ),
    _deed("acceptance", "Somebody looks at it now."),
    _deed("assignment", "Put it into an agency's queue.",
          Body("application/json", ref("AssignRequest"), {"agency": "S000044000456"}), auth="operator"),
    _deed("answer", "Answer it for good; whoever has the receipt can read the answer.",
          Body("application/json", ref("AnswerRequest"),
               {"outcome": "refused", "words": "原始档案与证书一致。", "number": None})),
    _deed("closure", "Put it away; an objection only after its answer.",
          Body("application/json", ref("CloseRequest"), {"note": "重复"})),
    Route(
        method="POST", path="/api/v1/imitations", tag="cases", auth="operator",
        summary="List a site that imitates this one.",
        bodies=(Body("application/json", ref("ImitationRequest"),
                     {"domain": "verify-check.example.net", "note": "要求付费", "seen_on": "2026-11-20"}),),
        answers={201: Answer("Listed.", schema=ref("Imitation"), headers=("Location",))}, problems=(409,),
    ),
    Route(
        method="DELETE", path="/api/v1/imitations/{domain}", tag="cases", auth="operator",
        summary="Take a site off the list.",
        parameters=(Parameter("domain", "path", "As listed.", text(), example="verify-check.example.net"),),
        answers={200: Answer("It was listed.", schema=ref("Imitation"))}, problems=(422,),
    ),
)  # fmt: skip

HOLDER_CASE_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST", path="/api/v1/holder/objections", tag="holders", auth="holder", parameters=(CERTIFICATE,),
        summary="Object to an error on the certificate.",
        bodies=(Body("application/json", ref("HolderObjectionRequest"),
                     {"matter": "name", "words": "“倩”应为“茜”。"}),),
        answers={201: Answer("Taken in.", schema=ref("CaseReceipt"), headers=("Location",))}, problems=(409, 429),
    ),
    Route(
        method="GET", path="/api/v1/holder/objections", tag="holders", auth="holder", parameters=(CERTIFICATE,),
        summary="What was objected to, and how it stands.",
        answers={200: Answer("Newest first.", schema=ref("CaseStatuses"))}, problems=(429,),
    ),
)  # fmt: skip

CASE_ROUTES: Final = (*PUBLIC_CASE_ROUTES, *QUEUE_ROUTES, *HOLDER_CASE_ROUTES)
"""On nodes that may write."""
