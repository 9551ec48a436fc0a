"""Every address of the employers' door, as data."""

from typing import Any, Final

from verify.employers.messages import Outcome
from verify.web.route import Answer, Body, Parameter, Route
from verify.web.schemas import INSTANT, INTEGER, VERDICTS, maybe, record, ref, text

_CHECK: Final = Parameter("check", "path", "Id of a check.", text(), example="ec_0123456789ab")
_KEY: Final = Parameter(
    "Idempotency-Key", "header", "Makes the request safe to repeat.",
    text(minLength=1, maxLength=255, pattern="^[!-~]+$"), example="2026-11/0001",
)  # fmt: skip
_ROWS: Final = "ref,number,name\nE-1,Y000044010000263000001,张三\n"

_NUMBER: Final = Parameter("number", "path", "Certificate number.", text(), example="Y000044010000263000001")
_WEBHOOK: Final = Parameter("webhook", "path", "Id of a webhook.", text(), example="wh_0123456789ab")
_CURSOR: Final = text(
    "A `next` of the feed or the id of an event.", pattern=r"^(0|[1-9][0-9]{0,17})(\.[0-9A-Z]{1,32})?$"
)
_CHANGES: Final = (
    "copy-issued", "suspended", "suspension-ended", "reinstated", "revoked", "withdrawn", "replaced",
    "agency-suspended", "agency-cancelled", "agency-active", "key-compromised",
)  # fmt: skip

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
        receipt=text("Compact JWS, verification-receipt+jwt, by the operator's statement key."),
        answers={"type": "array", "items": ref("Answer")},
    ),
    "Subscribed": record(("added", "known", "total"), added=INTEGER, known=INTEGER, total=INTEGER),
    "Subscriptions": record(
        ("subscriptions", "next"),
        subscriptions={"type": "array", "items": record(
            ("number", "seq", "since"), number=text(), seq=INTEGER, since=INSTANT)},
        next=maybe(text("Where the next page begins.")),
    ),
    "CertificateEvent": record(
        ("id", "seq", "number", "change", "verdict", "revision", "since", "until", "reason"),
        id=text("The same event has the same id wherever and however often it is told."),
        seq={"type": "integer", "description": "Place in the ledger; events come in this order."},
        number=text(), change=text(enum=list(_CHANGES)), verdict=text(enum=list(VERDICTS)),
        revision=INTEGER, since=INSTANT, until=maybe(INSTANT),
        reason=maybe(text("Code of the closed list of reasons.")),
    ),
    "EmployerEvents": record(
        ("events", "next", "more"),
        events={"type": "array", "items": ref("CertificateEvent")},
        next=text("Ask with it next; it never skips and never repeats."),
        more={"type": "boolean", "description": "Ask again at once."},
    ),
    "Webhook": record(
        ("id", "url", "state", "created_at", "told", "failures", "failing_since", "next_try_at", "links"),
        id=text(), url=text(), state=text(enum=["unproven", "active", "parked"]), created_at=INSTANT,
        told=text("Everything up to here was answered."), failures=INTEGER, failing_since=maybe(INSTANT),
        next_try_at=maybe(INSTANT), links={"type": "object", "additionalProperties": text()},
    ),
    "Webhooks": record(("webhooks",), webhooks={"type": "array", "items": ref("Webhook")}),
    "WebhookDelivery": record(
        ("event", "at", "outcome", "status", "took_ms"),
        event=text("Id of the event, `ping` or `challenge`."), at=INSTANT,
        outcome=text(enum=[one.value for one in Outcome]), status=maybe(INTEGER), took_ms=INTEGER,
    ),
    "WebhookDeliveries": record(
        ("deliveries",), deliveries={"type": "array", "items": ref("WebhookDelivery")}
    ),
    "Removed": record(("removed",), removed=text()),
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
        summary="A JWS by the operator's statement key about a finished check; it names the NDJSON file by its SHA-256.",
        parameters=(_CHECK,), answers={200: Answer("employer-check+jwt.", "application/jose", text())},
        problems=(409,),
    ),
    Route(
        method="POST", path="/api/v1/receipts", tag="employers", auth="employer",
        summary="Ask about one certificate and get a signed receipt, for a miss too.",
        bodies=(Body("application/json", ref("Question"), {"number": "Y000044010000263000001", "name": "张三"}),),
        answers={201: Answer("Answer and receipt; as PDF the page of the receipt, sealed, with the JWS inside.",
                             schema=ref("GivenReceipt"), also={"application/pdf": text(format="binary")})},
        problems=(429,),
    ),
    Route(
        method="POST", path="/api/v1/employer-subscriptions", tag="employers", auth="employer",
        summary="Hear of changes of a certificate (number and name), or of all that a finished check found.",
        bodies=(Body("application/json", ref("SubscriptionRequest"),
                     {"number": "Y000044010000263000001", "name": "张三"}),),
        answers={201: Answer("Subscribed, all or none.", schema=ref("Subscribed"))}, problems=(404, 409, 429),
    ),
    Route(
        method="GET", path="/api/v1/employer-subscriptions", tag="employers", auth="employer",
        summary="The certificates subscribed to, in the order of numbers.",
        parameters=(Parameter("after", "query", "Numbers after this one.", text(pattern="^[0-9A-Z]{0,32}$"),
                              required=False),),
        answers={200: Answer("A page.", schema=ref("Subscriptions"))}, problems=(422,),
    ),
    Route(
        method="DELETE", path="/api/v1/employer-subscriptions/{number}", tag="employers", auth="employer",
        summary="Hear no more of a certificate.", parameters=(_NUMBER,),
        answers={200: Answer("Removed.", schema=ref("Removed"))},
    ),
    Route(
        method="GET", path="/api/v1/employer-events", tag="employers", auth="employer",
        summary="What became of the certificates subscribed to, in the order of the ledger.",
        parameters=(
            Parameter("after", "query", "Events after this; left out: from the beginning.", _CURSOR, required=False),
            Parameter("limit", "query", "At most 100.", text(pattern="^[0-9]{1,4}$"), required=False),
            Parameter("wait", "query", "Seconds to wait for something to tell, at most 20.",
                      text(pattern="^[0-9]{1,2}$"), required=False),
        ),
        answers={200: Answer("A page.", schema=ref("EmployerEvents"))}, problems=(422,),
    ),
    Route(
        method="POST", path="/api/v1/employer-webhooks", tag="employers", auth="employer",
        summary="Keep an https address; it hears of events once it has proven itself.",
        bodies=(Body("application/json", ref("WebhookRequest"), {"url": "https://hr.example.com/verify"}),),
        answers={201: Answer("Kept.", schema=ref("Webhook"), headers=("Location",))}, problems=(409,),
    ),
    Route(
        method="GET", path="/api/v1/employer-webhooks", tag="employers", auth="employer",
        summary="The employer's addresses.", answers={200: Answer("All.", schema=ref("Webhooks"))},
    ),
    Route(
        method="GET", path="/api/v1/employer-webhooks/{webhook}", tag="employers", auth="employer",
        summary="One address: its state, how far it was told, when it is tried again.", parameters=(_WEBHOOK,),
        answers={200: Answer("The address.", schema=ref("Webhook"))},
    ),
    Route(
        method="DELETE", path="/api/v1/employer-webhooks/{webhook}", tag="employers", auth="employer",
        summary="Tell nothing there any more.", parameters=(_WEBHOOK,),
        answers={200: Answer("Removed.", schema=ref("Removed"))},
    ),
    Route(
        method="POST", path="/api/v1/employer-webhooks/{webhook}/activation", tag="employers", auth="employer",
        summary="Send a challenge that the address must repeat; then deliver to it. A parked one comes back so too.",
        parameters=(_WEBHOOK,), answers={200: Answer("Active.", schema=ref("Webhook"))}, problems=(408, 409, 413, 429),
    ),
    Route(
        method="POST", path="/api/v1/employer-webhooks/{webhook}/ping", tag="employers", auth="employer",
        summary="Send a signed test that tells nothing.", parameters=(_WEBHOOK,),
        answers={200: Answer("What came of it.", schema=ref("WebhookDelivery"))}, problems=(408, 409, 413, 429),
    ),
    Route(
        method="POST", path="/api/v1/employer-webhooks/{webhook}/replay", tag="employers", auth="employer",
        summary="Deliver everything after a cursor again, in order.", parameters=(_WEBHOOK,),
        bodies=(Body("application/json", ref("ReplayRequest"), {"after": "1234"}),),
        answers={200: Answer("Active, from there on.", schema=ref("Webhook"))}, problems=(409,),
    ),
    Route(
        method="GET", path="/api/v1/employer-webhooks/{webhook}/deliveries", tag="employers", auth="employer",
        summary="The last 100 requests to the address and what came of each, newest first.",
        parameters=(_WEBHOOK,), answers={200: Answer("Newest first.", schema=ref("WebhookDeliveries"))},
    ),
)  # fmt: skip
