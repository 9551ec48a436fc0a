"""Every address of the office, as data."""

from typing import Any, Final

from verify.web.public.routes import NUMBER
from verify.web.route import Answer, Body, Parameter, Route
from verify.web.schemas import INSTANT, INTEGER, listed, maybe, record, ref, text

_CODE: Final = Parameter(
    "code", "path", "Agency code: 13 characters or 8 digits.", text(), example="Y000044010000"
)
_KEY: Final = Parameter(
    "Idempotency-Key", "header", "Makes the request safe to repeat; for the life of what it makes.",
    text(minLength=1, maxLength=255, pattern="^[!-~]+$"), example="2026-11-A/0001",
)  # fmt: skip
_KID: Final = Parameter("kid", "path", "Key id: 8 hex characters.", text(), example="0a1b2c3d")
_BATCH: Final = Parameter("batch", "path", "Id of a batch.", text(), example="bt_0123456789ab")
_PROPOSAL: Final = Parameter("proposal", "path", "Id of a proposal.", text(), example="rv_0123456789ab")
_TEMPLATE: Final = Parameter(
    "template", "query", "The form it is printed in; `certificate`, `portrait` or one of the operator's.",
    text(pattern="^[a-z][a-z0-9-]{0,39}$"), required=False, example="portrait",
)  # fmt: skip
_CHANGE: Final = {"note": None, "until": None}
_REQUEST: Final[dict[str, Any]] = {
    "kind": "skill_level",
    "holder": {"name": "张三", "id_type": "RESIDENT_ID", "id_number": "990001199001010012"},
    "occupation": {"code": "6-18-01-01", "name": "车工"},
    "work_type": None,
    "level": "3",
    "issued_on": "2026-11-20",
    "results": {"theory": 82, "practical": 91, "review": None},
    "batch": "2026-11-A",
    "blank_serial": None,
    "remark": None,
    "number": None,
}
_ROWS: Final = (
    "row_id,name,id_type,id_number,occupation_code,occupation_name,level,issued_on,theory,practical\n"
)
_CHANGED: Final = Answer("The new answer; every later read anywhere shows it.", schema=ref("Answer"))
_NO_BODY: Final[tuple[Body, ...]] = ()

OFFICE_COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "OfficeCertificate": {
        "type": "object",
        "description": "The owning agency's view.",
        "properties": {
            "number": text(), "scan_code": text(), "scan_url": text(format="uri"),
            "copy": {}, "token": text("The COSE_Sign1 as digits."), "credential": text("vc+jwt."),
            "answer": ref("Answer"), "links": {"type": "object", "additionalProperties": text()},
        },
        "required": ["number"],
    },
    "History": listed("events", {"type": "object"}),
    "Batch": record(
        ("id", "agency", "state", "total", "issued", "failed", "waiting", "created_at", "links"),
        id=text(), agency=text(), state=text(enum=["receiving", "ready", "done"]), total=INTEGER,
        issued=INTEGER, failed=INTEGER, waiting=INTEGER, created_at=INSTANT,
        links={"type": "object", "additionalProperties": text()},
    ),
    "BatchRows": record(
        ("rows", "next"),
        rows={"type": "array", "items": record(
            ("row", "state"), {"number": maybe(text()), "errors": {"type": "array", "items": ref("Fault")},
                               "row_id": text(), "line": INTEGER},
            row=INTEGER, state=text(enum=["waiting", "issued", "failed"]))},
        next=maybe(text("Where the next page begins.")),
    ),
    "Proposal": record(
        ("id", "agency", "reason", "state", "numbers", "proposed_by", "proposed_at"),
        {"decided_by": maybe(text()), "decided_at": maybe(INSTANT), "revoked": INTEGER},
        id=text(), agency=maybe(text()), reason=text(), state=text(enum=["waiting", "carried-out", "withdrawn"]),
        numbers={"type": "array", "items": text()}, proposed_by=text(), proposed_at=INSTANT,
    ),
    "Key": record(
        ("kid", "alg", "owner", "purpose", "state", "created_at", "jwk"),
        {"active_from": maybe(INSTANT), "active_to": maybe(INSTANT), "compromised_at": maybe(INSTANT)},
        kid=text(), alg=text(), owner=text(), purpose=text(), state=text(), created_at=INSTANT,
        jwk={"type": "object"},
    ),
    "Keys": listed("keys", ref("Key")),
    "Credential": record(
        ("id", "role", "agency", "name", "created_at", "revoked_at", "rotations", "old_until"),
        {"secret": text("Shown once.")},
        id=text(), role=text(), agency=maybe(text()), name=text(), created_at=INSTANT,
        revoked_at=maybe(INSTANT), rotations=INTEGER, old_until=maybe(INSTANT),
    ),
    "Credentials": listed("credentials", ref("Credential")),
}  # fmt: skip


def _step(step: str, reason: str, words: str) -> Route:
    return Route(
        method="POST", path=f"/api/v1/certificates/{{number}}/{step}", summary=words, tag="changes", auth="any",
        parameters=(NUMBER,), bodies=(Body("application/json", ref("ChangeRequest"), _CHANGE | {"reason": reason}),),
        answers={200: _CHANGED}, problems=(409,),
    )  # fmt: skip


def _file(name: str, media: str, words: str, *more: int) -> Route:
    return Route(
        method="GET", path=f"/api/v1/certificates/{{number}}/{name}", summary=words, tag="documents", auth="any",
        parameters=(NUMBER, _TEMPLATE), answers={200: Answer(words, media, text())}, problems=(409, 422, *more),
    )  # fmt: skip


def _agency_step(step: str, words: str) -> Route:
    return Route(
        method="POST", path=f"/api/v1/agencies/{{code}}/{step}", summary=words, tag="administration",
        auth="operator", parameters=(_CODE,),
        bodies=(Body("application/json", ref("ReasonRequest"), {"reason": "ANNUAL_INSPECTION"}),),
        answers={200: Answer("The agency.", schema=ref("Agency"))}, problems=(409,),
    )  # fmt: skip


def _key_step(step: str, words: str, *bodies: Body) -> Route:
    return Route(
        method="POST", path=f"/api/v1/agencies/{{code}}/keys/{{kid}}/{step}", summary=words, tag="administration",
        auth="operator", parameters=(_CODE, _KID), bodies=bodies,
        answers={200: Answer("The key.", schema=ref("Key"))}, problems=(409, 422),
    )  # fmt: skip


OFFICE_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST", path="/api/v1/certificates", summary="Issue one certificate.", tag="issuing", auth="agency",
        parameters=(_KEY,), bodies=(Body("application/json", ref("IssueRequest"), _REQUEST),),
        answers={200: Answer("Issued before under this key: the same body.", schema=ref("OfficeCertificate")),
                 201: Answer("Issued.", schema=ref("OfficeCertificate"), headers=("Location",))},
        problems=(409,), components=OFFICE_COMPONENTS,
    ),
    Route(
        method="POST", path="/api/v1/batches", summary="Send many requests; a bad row stops no other.",
        tag="issuing", auth="agency", parameters=(_KEY,),
        bodies=(Body("application/json", {"type": "array", "items": ref("IssueRequest")}, [_REQUEST]),
                Body("application/x-ndjson", text(), None), Body("text/csv", text(), _ROWS)),
        answers={202: Answer("Received.", schema=ref("Batch"), headers=("Location",))}, problems=(409,),
    ),
    Route(
        method="GET", path="/api/v1/batches/{batch}", summary="How far a batch got.", tag="issuing", auth="any",
        parameters=(_BATCH,), answers={200: Answer("Progress.", schema=ref("Batch"))},
    ),
    Route(
        method="GET", path="/api/v1/batches/{batch}/rows", summary="Number or error of each row.", tag="issuing",
        auth="any",
        parameters=(
            _BATCH,
            Parameter("state", "query", "Only rows in this state.",
                      text(enum=["waiting", "issued", "failed"]), required=False),
            Parameter("after", "query", "Rows after this one.", text(pattern="^[0-9]{1,9}$"), required=False),
        ),
        answers={200: Answer("Rows in order.", schema=ref("BatchRows"),
                             also={"application/x-ndjson": text(), "text/csv": text()})},
        problems=(422,),
    ),
    Route(
        method="GET", path="/api/v1/batches/{batch}/documents", tag="documents", auth="any",
        summary="The signed PDFs of a batch as one ZIP; ask again to go on after a break.",
        parameters=(_BATCH, _TEMPLATE),
        answers={200: Answer("A ZIP, stored.", "application/zip", text(format="binary"))}, problems=(422,),
    ),
    _step("suspension", "UNDER_REVIEW", "Suspend a certificate, until a date or until reinstated."),
    _step("reinstatement", "REVIEW_CLEARED", "End a suspension."),
    _step("revocation", "FORGED", "Revoke a certificate for ever."),
    Route(
        method="POST", path="/api/v1/certificates/{number}/reissues", summary="A further copy: lost, damaged, corrected.",
        tag="issuing", auth="any", parameters=(NUMBER, _KEY),
        bodies=(Body("application/json", ref("ReissueRequest"), {"cause": "lost"}),),
        answers={200: Answer("Made before under this key.", schema=ref("OfficeCertificate")),
                 201: Answer("The new copy is the current one.", schema=ref("OfficeCertificate"),
                             headers=("Location",))},
        problems=(409,),
    ),
    Route(
        method="GET", path="/api/v1/certificates/{number}/history", summary="Every event of a certificate.",
        tag="issuing", auth="any", parameters=(NUMBER,),
        answers={200: Answer("Oldest first.", schema=ref("History"))}, problems=(422,),
    ),
    _file("document.pdf", "application/pdf", "The current copy as signed PDF, the same bytes each time."),
    _file("document.png", "image/png", "The current copy as a picture."),
    _file("share.png", "image/png", "A card with the QR code, for chats on phones."),
    _file("qr.png", "image/png", "The QR code of the current copy."),
    _file("qr.svg", "image/svg+xml", "The QR code of the current copy."),
    Route(
        method="POST", path="/api/v1/revocations", summary="Propose to revoke many.", tag="changes", auth="any",
        bodies=(Body("application/json", ref("RevocationRequest"), {"reason": "FORGED", "batch": "2026-11-A"}),),
        answers={202: Answer("It waits for a second person.", schema=ref("Proposal"), headers=("Location",))},
    ),
    Route(
        method="GET", path="/api/v1/revocations/{proposal}", summary="One proposal.", tag="changes", auth="any",
        parameters=(_PROPOSAL,), answers={200: Answer("The proposal.", schema=ref("Proposal"))},
    ),
    Route(
        method="POST", path="/api/v1/revocations/{proposal}/approval", tag="changes", auth="any",
        summary="A second person approves: all of it is one commit.", parameters=(_PROPOSAL,),
        answers={200: Answer("Carried out.", schema=ref("Proposal"))}, problems=(409, 413),
    ),
    Route(
        method="POST", path="/api/v1/revocations/{proposal}/withdrawal", tag="changes", auth="any",
        summary="End a waiting proposal.", parameters=(_PROPOSAL,),
        answers={200: Answer("Withdrawn.", schema=ref("Proposal"))}, problems=(409, 413),
    ),
    Route(
        method="POST", path="/api/v1/agencies", summary="Register an agency.", tag="administration",
        auth="operator",
        bodies=(Body("application/json", ref("AgencyRequest"),
                     {"code": "S000044000456", "name_zh": "岭南技能评价中心"}),),
        answers={201: Answer("Registered.", schema=ref("Agency"), headers=("Location",))}, problems=(409,),
    ),
    _agency_step("suspension", "An agency issues nothing more for now."),
    _agency_step("cancellation", "An agency's filing ends for good."),
    _agency_step("reinstatement", "A suspended agency may issue again."),
    Route(
        method="GET", path="/api/v1/agencies/{code}/filings", summary="All filings, ended ones included.",
        tag="administration", auth="any", parameters=(_CODE,),
        answers={200: Answer("Filings.", schema=ref("Filings"))}, problems=(422,),
    ),
    Route(
        method="POST", path="/api/v1/agencies/{code}/filings", summary="File an occupation.",
        tag="administration", auth="operator", parameters=(_CODE,),
        bodies=(Body("application/json", ref("FilingRequest"),
                     {"occupation_code": "6-18-01-01", "occupation_name": "车工", "levels": ["5", "4", "3"],
                      "from_on": "2026-01-01"}),),
        answers={201: Answer("Filed.", schema=ref("Filing"))}, problems=(409,),
    ),
    Route(
        method="POST", path="/api/v1/agencies/{code}/filings/{filing}/end", summary="End a filing.",
        tag="administration", auth="operator",
        parameters=(_CODE, Parameter("filing", "path", "Id of a filing.", text(), example="0123456789ab")),
        bodies=(Body("application/json", ref("EndRequest"), {"to_on": "2026-12-31"}),),
        answers={200: Answer("The filing.", schema=ref("Filing"))},
    ),
    Route(
        method="GET", path="/api/v1/agencies/{code}/keys", summary="Public halves of an agency's keys.",
        tag="administration", auth="any", parameters=(_CODE,),
        answers={200: Answer("Keys.", schema=ref("Keys"))}, problems=(422,),
    ),
    Route(
        method="POST", path="/api/v1/agencies/{code}/keys", summary="Make a key; it is pending.",
        tag="administration", auth="operator", parameters=(_CODE,),
        bodies=(Body("application/json", ref("KeyRequest"), {"purpose": "token"}),),
        answers={201: Answer("The key.", schema=ref("Key"))}, problems=(409,),
    ),
    _key_step("activation", "The key signs from now on; the one before it is retired."),
    _key_step("retirement", "The key signs no more; what it signed stays good."),
    _key_step("compromise", "From an instant on, a signature by this key proves nothing.",
              Body("application/json", ref("CompromiseRequest"), {"since": "2026-11-20T08:00:00Z"})),
    Route(
        method="GET", path="/api/v1/agencies/{code}/credentials", summary="API keys, without their secrets.",
        tag="administration", auth="operator", parameters=(_CODE,),
        answers={200: Answer("API keys.", schema=ref("Credentials"))}, problems=(422,),
    ),
    Route(
        method="POST", path="/api/v1/agencies/{code}/credentials", summary="Make an API key; its secret is shown once.",
        tag="administration", auth="operator", parameters=(_CODE,),
        bodies=(Body("application/json", ref("CredentialRequest"), {"name": "roster system"}),),
        answers={201: Answer("The API key.", schema=ref("Credential"))},
    ),
    Route(
        method="DELETE", path="/api/v1/agencies/{code}/credentials/{credential}", summary="End an API key at once.",
        tag="administration", auth="operator",
        parameters=(_CODE, Parameter("credential", "path", "Id of an API key.", text(), example="0123456789ab")),
        answers={200: Answer("The API key.", schema=ref("Credential"))}, problems=(422,),
    ),
)  # fmt: skip
