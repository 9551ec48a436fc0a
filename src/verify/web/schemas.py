"""JSON Schemas (2020-12) of what the service answers; request bodies get theirs from the structs that read them."""

from types import MappingProxyType
from typing import Any, Final

from verify.web.problems import INTERNAL, STATUS

Schema = dict[str, Any]

REF: Final = "#/components/schemas/"


def ref(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": REF + name}


def text(words: str = "", **more: Any) -> Schema:
    """A string."""
    return {"type": "string", **({"description": words} if words else {}), **more}


def maybe(schema: Schema) -> Schema:
    """The schema or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(
    required: tuple[str, ...], optional: dict[str, Schema] | None = None, **properties: Schema
) -> Schema:
    """A closed object."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def listed(name: str, item: Schema) -> Schema:
    """An object with one list."""
    return record((name,), {name: {"type": "array", "items": item}})


INSTANT: Final = text("RFC 3339, UTC.", format="date-time")
DAY: Final = text(format="date")
BOTH: Final = record(("zh", "en"), zh=text(), en=text())
INTEGER: Final = {"type": "integer"}
TRUTH: Final = {"type": "boolean"}
VERDICTS: Final = ("valid", "suspended", "revoked", "replaced", "unknown", "unavailable")
CHECKS: Final = (
    "readable",
    "authentic",
    "issuer-known",
    "key-in-force",
    "matches-register",
    "current-copy",
    "status",
    "document-signature",
    "document-unchanged",
    "face-matches",
)
"""The last three are in reports on PDFs only."""

_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Parts that the asker may not see are absent, not null.",
    "properties": {
        "number": text(),
        "verdict": text(enum=list(VERDICTS)),
        "revision": INTEGER,
        "as_of": INSTANT,
        "message": BOTH,
        "certificate": {"type": "object"},
        "holder": {"type": "object"},
        "copy": {"type": "object"},
        "copies": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Every copy with state and dates, once there is more than one.",
        },
        "status": {"type": "object"},
        "replaced_by": maybe(text()),
        "replaces": maybe(text()),
    },
    "required": ["verdict"],
}

COMPONENTS: Final = MappingProxyType(
    {
        "Words": BOTH,
        "Answer": _ANSWER,
        "Answers": listed("answers", ref("Answer")),
        "Miss": record(
            ("answers", "verdict", "as_of", "message"),
            answers={"type": "array", "maxItems": 0},
            verdict={"const": "unknown"},
            as_of=INSTANT,
            message=ref("Words"),
        ),
        "Report": {
            "type": "object",
            "properties": {
                **_ANSWER["properties"],
                "receipt": {"type": "object", "description": "Of a receipt: what it said then and what holds now."},
                "results": {"type": "object", "description": "Of a signed list: rows, and the digest of its file."},
                "checks": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": text(enum=list(CHECKS)),
                            "outcome": text(enum=["passed", "failed", "skipped"]),
                            "detail": {},
                        },
                        "required": ["name", "outcome"],
                    },
                },
            },
            "required": ["checks"],
        },
        "Fault": record(
            ("pointer", "code", "detail"),
            {"source": text("The clause behind it.")},
            pointer=text("JSON pointer (RFC 6901)."),
            code=text(),
            detail=text(),
        ),
        "Problem": {
            "type": "object",
            "description": "RFC 9457; Chinese or English by Accept-Language.",
            "properties": {
                "type": text("Stable; ends in the code.", format="uri"),
                "title": text(),
                "status": INTEGER,
                "code": text(enum=[*STATUS, INTERNAL]),
                "detail": text(),
                "verdict": text("With 503: nothing is said about any certificate.", enum=["unavailable"]),
                "errors": {"type": "array", "items": ref("Fault")},
                "challenge": ref("Challenge"),
            },
            "required": ["type", "title", "status", "code"],
        },
        "Challenge": record(
            ("algorithm", "challenge", "maxnumber", "salt", "signature"),
            algorithm={"const": "SHA-256"},
            challenge=text("Hex of SHA-256(salt + number in decimal): find the number (ALTCHA v1)."),
            maxnumber=INTEGER, salt=text(), signature=text(),
        ),
        "ProblemKind": record(
            ("type", "code", "status", "title"),
            type=text(format="uri"), code=text(), status=INTEGER, title=ref("Words"),
        ),
        "Agency": record(
            ("code", "kind", "name_zh", "name_en", "state", "since"),
            {"reason": maybe(text()), "contact": maybe(text()),
             "filings": {"type": "array", "items": ref("Filing")}},
            code=text(), kind=text(enum=["skill_level", "qualification"]), name_zh=text(), name_en=text(),
            state=text(enum=["active", "suspended", "cancelled"]), since=INSTANT,
        ),
        "Agencies": listed("agencies", ref("Agency")),
        "Filing": record(
            ("id", "agency", "occupation", "levels", "work_types", "from_on", "to_on"),
            id=text(), agency=text(),
            occupation=record(("code", "name", "edition"), code=text(), name=text(), edition=text()),
            levels={"type": "array", "items": text()}, work_types={"type": "array", "items": text()},
            from_on=DAY, to_on=maybe(DAY),
        ),
        "Filings": listed("filings", ref("Filing")),
        "Live": record(("alive",), alive={"const": True}),
        "Ready": record(
            ("ready", "checks", "words"), ready=TRUTH,
            checks={"type": "object", "additionalProperties": text(example="failed: store-failed")},
            words={"type": "object", "additionalProperties": ref("Words")},
        ),
        "SignedList": {
            "type": "object", "description": "A flattened JWS (RFC 7515 §7.2.2) by the root key.",
            "properties": {"protected": text(), "payload": text(), "signature": text()},
            "required": ["protected", "payload", "signature"],
        },
        "Jwks": listed("keys", {"type": "object"}),
    }
)  # fmt: skip
