"""Signed HTTP requests (RFC 9421) and the digest of their content (RFC 9530).

Pure: it builds what is signed and the two fields that carry it. Which components are covered is the caller's
choice; what a component's value is, the caller states, for it is the one who sends the message.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import msgspec

from verify.errors import Invalid, Words
from verify.proof.public import SIGNATURE_BYTES, Algorithm

ALGORITHMS: Final[dict[Algorithm, str]] = {"ES256": "ecdsa-p256-sha256", "Ed25519": "ed25519"}
"""JOSE name → name in the registry of RFC 9421 §6.2.2. Both sign as JOSE does: r‖s, and 64 raw bytes."""

Component = tuple[str, str]
"""Name in lower case (`@method`, `content-digest`) and its one value."""

_NAME = re.compile(r"@?[a-z0-9][a-z0-9_.-]*")
_STRING = re.compile(r"[\x20-\x7e]*")
_LABEL = re.compile(r"[a-z*][a-z0-9_.*-]*")


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """Signature parameters (RFC 9421 §2.3), written in this order; what is `None` is left out."""

    created: int
    """Seconds since 1970 UTC."""
    keyid: str
    alg: str | None = None
    """Name of `ALGORITHMS`; a receiver takes the algorithm from the key that it trusts all the same."""
    tag: str | None = None
    """What the signature is for, so that it fits nothing else."""


def content_digest(body: bytes) -> str:
    """The value of `Content-Digest` (RFC 9530 §2), SHA-256."""
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"


def signature_input(components: Sequence[Component], parameters: Parameters) -> str:
    """The covered components and the parameters: the value of one member of `Signature-Input` (§4.1)."""
    names = " ".join(f'"{_checked(_NAME, name)}"' for name, _ in components)
    text = f"({names});created={parameters.created:d};keyid={_string(parameters.keyid)}"
    if parameters.alg is not None:
        text += f";alg={_string(parameters.alg)}"
    if parameters.tag is not None:
        text += f";tag={_string(parameters.tag)}"
    return text


def signature_base(components: Sequence[Component], parameters: Parameters) -> bytes:
    """What is signed (§2.5).

    Raises Invalid for a component that is named twice, or a name or value that is no single line of ASCII: two
    different messages must never give one base.
    """
    if len({name for name, _ in components}) < len(components):
        raise _unfit()
    lines = [f'"{_checked(_NAME, name)}": {_checked(_STRING, value)}' for name, value in components]
    lines.append(f'"@signature-params": {signature_input(components, parameters)}')
    return "\n".join(lines).encode("ascii")


def signature_fields(
    label: str, components: Sequence[Component], parameters: Parameters, signature: bytes
) -> dict[str, str]:
    """The fields `Signature-Input` and `Signature` (§4). Raises Invalid for a signature of the wrong size."""
    if len(signature) != SIGNATURE_BYTES:
        raise Invalid(Words("签名长度有误。", "A signature is 64 bytes."))
    label = _checked(_LABEL, label)
    return {
        "Signature-Input": f"{label}={signature_input(components, parameters)}",
        "Signature": f"{label}=:{b64encode(signature).decode()}:",
    }


def _string(text: str) -> str:
    """A String of RFC 9651 §3.3.3."""
    escaped = _checked(_STRING, text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _checked(form: re.Pattern[str], text: str) -> str:
    if form.fullmatch(text) is None:
        raise _unfit()
    return text


def _unfit() -> Invalid:
    return Invalid(Words("报文部件不可签名。", "A component of the message cannot be signed as it is."))
