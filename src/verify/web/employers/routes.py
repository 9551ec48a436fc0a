"""Every address of the employers' door, as data."""

from typing import Any, Final

from verify.web.route import Answer, Body, Parameter, Route
from verify.web.schemas import INSTANT, INTEGER, maybe, record, ref, text

_CHECK: Final = Parameter("check", "path", "Id of a check.", text(), example="ec_0123456789ab")
_KEY: Final = Parameter(
    "Idempotency-Key", "header", "Makes the request safe to repeat.",
    text(minLength=1, maxLength=255, pattern="^[!-~]+$"), example="2026-11/0001",
)  # fmt: skip
_ROWS: Final = "ref,number,name\nE-1,Y000044010000263000001,张三\n"

EMPLOYER_COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "EmployerCheck": record(
        ("id", "state", "total", "found", "missed", "failed", "waiting", "created_at", "done_at", "links"),
        id=text(), state=text(enum=["ready", "done"]), total=INTEGER, found=INTEGER, missed=INTEGER,
        failed=INTEGER, waiting=INTEGER, created_at=INSTANT, done_at=maybe(INSTANT),
        links={"type": "object", "additionalProperties": text()},
    ),
    "EmployerResults": record(
        ("results", "next"),
        results={"type": "array", "items": record(
            ("row", "state"),
            {"ref": text(), "verdict": text(), "as_of": INSTANT,
             "answers": {"type": "array", "items": ref("Answer")},
             "errors": {"type": "array", "items": {"type": "object"}}},
            row=INTEGER, state=text(enum=["waiting", "found", "missed", "failed"]))},
        next=maybe(text("Where the next page begins.")),
    ),
    "GivenReceipt": record(
        ("id", "verdict", "as_of", "seq", "receipt", "answers"),
        id=text(), verdict=text(), as_of=INSTANT,
        seq={"type": "integer", "description": "The answer is not older than this ledger entry."},
        receipt=text("Compact JWS, verification-receipt+jwt, by the operator's root."),
        answers={"type": "array", "items": ref("Answer")},
    ),
}  # fmt: skip

EMPLOYER_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST", path="/api/v1/employer-checks", tag="employers", auth="employer",
        summary="Ask about up to 10 000 certificates at once; a bad row stops no other.", parameters=(_KEY,),
        bodies=(Body("text/csv", text(), _ROWS), Body("application/x-ndjson", text(), None)),
        answers={202: Answer("Received.", schema=ref("EmployerCheck"), headers=("Location",))},
        components=EMPLOYER_COMPONENTS,
    ),
    Route(
        method="GET", path="/api/v1/employer-checks/{check}", summary="How far a check got.", tag="employers",
        auth="employer", parameters=(_CHECK,), answers={200: Answer("Progress.", schema=ref("EmployerCheck"))},
    ),
    Route(
        method="GET", path="/api/v1/employer-checks/{check}/results", tag="employers", auth="employer",
        summary="What each row was told: pages as JSON, everything as NDJSON (once done) or CSV.",
        parameters=(_CHECK, Parameter("after", "query", "Rows after this one.", text(pattern="^[0-9]{1,9}$"),
                                      required=False)),
        answers={200: Answer("Rows in order.", schema=ref("EmployerResults"),
                             also={"application/x-ndjson": text(), "text/csv": text()})},
        problems=(409, 422),
    ),
    Route(
        method="GET", path="/api/v1/employer-checks/{check}/signature", tag="employers", auth="employer",
        summary="A JWS by the operator's root about a finished check; it names the NDJSON file by its SHA-256.",
        parameters=(_CHECK,), answers={200: Answer("employer-check+jwt.", "application/jose", text())},
        problems=(409,),
    ),
    Route(
        method="POST", path="/api/v1/receipts", tag="employers", auth="employer",
        summary="Ask about one certificate and get a signed receipt, for a miss too.",
        bodies=(Body("application/json", ref("Question"), {"number": "Y000044010000263000001", "name": "张三"}),),
        answers={201: Answer("Answer and receipt.", schema=ref("GivenReceipt"))}, problems=(429,),
    ),
)  # fmt: skip
