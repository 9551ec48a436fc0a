"""Pictures of characters that no font has, over HTTP: an agency files them, the operator accepts or refuses."""

import base64
from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from verify.documents.evidence import EVIDENCE_LIMITS
from verify.documents.standin import LIMITS
from verify.errors import Malformed
from verify.issuance.stand_ins import Picture
from verify.web.framework import Ask, Named, Told, told
from verify.web.hygiene import check_form_text, read_body, require_media
from verify.web.multipart import Part, parse_multipart
from verify.web.office.access import admit, admit_operator, read_json, request_tag
from verify.web.office.desk import OfficeHalf, location
from verify.web.reply import header
from verify.web.route import Answer, Body, Parameter, Route
from verify.web.schemas import INSTANT, listed, maybe, record, ref, text

UPLOAD_BYTES: Final = EVIDENCE_LIMITS.max_bytes + LIMITS.max_bytes + (16 << 10)
"""Picture, evidence and the words beside them."""
_NOTHING: Final = Part("", False, b"")


class StandInDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a picture is accepted or refused."""

    reason: str


def stand_in_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/agencies/{code}/stand-ins` and below."""

    @post("/api/v1/agencies/{code:str}/stand-ins", status_code=201)
    async def file(request: Ask, code: Named) -> Told:
        caller = await admit(half, request.scope)
        require_media(request.scope, "multipart/form-data")
        body = await read_body(
            request.scope, request.receive, limit=UPLOAD_BYTES, timeout_s=half.body_timeout_s
        )
        parts = parse_multipart(header(request.scope, b"content-type") or b"", body)
        given = Picture(
            _text(parts, "character"), _data(parts, "picture"), _data(parts, "evidence"), _text(parts, "note")
        )
        tag = request_tag(caller, "POST", request.scope["path"], body)
        made = await caller.desk.stand_ins.file(code, given, caller.caller, tag)
        return told(half.json(made, 201, location(f"/api/v1/agencies/{made.agency}/stand-ins/{made.id}")))

    @get("/api/v1/agencies/{code:str}/stand-ins")
    async def list_all(request: Ask, code: Named) -> Told:
        caller = await admit(half, request.scope)
        return told(half.json({"stand_ins": await caller.desk.stand_ins.list_filings(code, caller.caller)}))

    @get("/api/v1/agencies/{code:str}/stand-ins/{stand_in:str}")
    async def show(request: Ask, code: Named, stand_in: Named) -> Told:
        caller = await admit(half, request.scope)
        filing, picture = await caller.desk.stand_ins.show(stand_in, caller.caller, agency=code)
        shown: dict[str, Any] = msgspec.to_builtins(filing)
        shown["picture"] = base64.b64encode(picture.picture).decode()
        shown["evidence"] = base64.b64encode(picture.evidence).decode()
        return told(half.json(shown))

    return [file, list_all, show, _decision(half, "acceptance"), _decision(half, "refusal")]


def _decision(half: OfficeHalf, step: str) -> HTTPRouteHandler:
    @post(f"/api/v1/agencies/{{code:str}}/stand-ins/{{stand_in:str}}/{step}", status_code=200)
    async def decide(request: Ask, code: Named, stand_in: Named) -> Told:
        caller = await admit_operator(half, request.scope)
        given, body = await read_json(half, request.scope, request.receive, StandInDecision)
        desk, tag = caller.desk.stand_ins, request_tag(caller, "POST", request.scope["path"], body)
        await desk.show(stand_in, caller.caller, agency=code)
        decided = await desk.decide(
            stand_in, accepted=step == "acceptance", reason=given.reason, caller=caller.caller, request=tag
        )
        return told(half.json(decided))

    return decide


def _text(parts: dict[str, Part], name: str) -> str:
    try:
        return check_form_text(parts.get(name, _NOTHING).data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Malformed from error


def _data(parts: dict[str, Part], name: str) -> bytes:
    return parts.get(name, _NOTHING).data


_CODE: Final = Parameter("code", "path", "Agency code.", text(), example="Y000044010000")
_ID: Final = Parameter("stand_in", "path", "Id of a stand-in.", text(), example="si_0123456789ab")
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "character": text("One character that the fonts lack, or an ideographic description sequence."),
        "picture": text("PNG of 128 pixels or more, or SVG of bare paths; black on white.", format="binary",
                        contentMediaType="application/octet-stream"),
        "evidence": text("PNG or JPEG of the document that shows the character.", format="binary",
                         contentMediaType="application/octet-stream"),
        "note": text("What the evidence is."),
    },
    "required": ["character", "picture", "evidence", "note"],
    "additionalProperties": False,
}  # fmt: skip
_FIELDS: Final[dict[str, Any]] = {
    "id": text(), "agency": text(), "character": text(), "code_points": text(),
    "state": text(enum=["waiting", "accepted", "refused"]), "note": text(), "filed_by": text(), "filed_at": INSTANT,
    "decided_by": maybe(text()), "decided_at": maybe(INSTANT),
}  # fmt: skip
_COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "StandIn": record(
        tuple(_FIELDS), {"picture": text("Base64."), "evidence": text("Base64, JPEG.")}, **_FIELDS
    ),
    "StandIns": listed("stand_ins", ref("StandIn")),
}


def _step(name: str, words: str) -> Route:
    return Route(
        method="POST", path=f"/api/v1/agencies/{{code}}/stand-ins/{{stand_in}}/{name}", summary=words,
        tag="administration", auth="operator", parameters=(_CODE, _ID),
        bodies=(Body("application/json", ref("StandInDecision"), {"reason": "compared with the household register"}),),
        answers={200: Answer("The stand-in.", schema=ref("StandIn"))}, problems=(409, 413),
    )  # fmt: skip


STAND_IN_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST", path="/api/v1/agencies/{code}/stand-ins", tag="administration", auth="any",
        summary="File the picture of a character that no font has, with evidence; the operator accepts it.",
        parameters=(_CODE,), bodies=(Body("multipart/form-data", _FORM),), components=_COMPONENTS,
        answers={201: Answer("It waits for the operator.", schema=ref("StandIn"), headers=("Location",))},
        problems=(409, 413),
    ),
    Route(
        method="GET", path="/api/v1/agencies/{code}/stand-ins", tag="administration", auth="any",
        summary="An agency's pictures of rare characters, refused ones included.", parameters=(_CODE,),
        answers={200: Answer("All, oldest first.", schema=ref("StandIns"))}, problems=(422,),
    ),
    Route(
        method="GET", path="/api/v1/agencies/{code}/stand-ins/{stand_in}", tag="administration", auth="any",
        summary="One of them, with picture and evidence.", parameters=(_CODE, _ID),
        answers={200: Answer("The stand-in.", schema=ref("StandIn"))}, problems=(422,),
    ),
    _step("acceptance", "Names with this character print from now on."),
    _step("refusal", "The picture is not used, or no more; the agency may file another."),
)  # fmt: skip
