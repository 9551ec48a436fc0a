"""How a case lies in the store: what was told, its picture and its answer, each sealed in its own place."""

import msgspec

from verify.cases.told import Answer, Told
from verify.proof.sealing import DataKeys
from verify.store.cases import Dossier, Step

_encode = msgspec.json.Encoder().encode
_told = msgspec.json.Decoder(Told).decode
_answer = msgspec.json.Decoder(Answer).decode


def seal_told(keys: DataKeys, case_id: str, told: Told) -> bytes:
    """What was told; it opens in this case only."""
    return keys.seal(_encode(told), f"{case_id}/told".encode())


def unseal_told(keys: DataKeys, case_id: str, sealed: bytes) -> Told:
    """What was told. Raises BadKey for an unknown data key, ProofFailed when it was altered or moved."""
    return _told(keys.unseal(sealed, f"{case_id}/told".encode()))


def seal_picture(keys: DataKeys, case_id: str, picture: bytes) -> bytes:
    """The picture of a report."""
    return keys.seal(picture, f"{case_id}/picture".encode())


def unseal_picture(keys: DataKeys, case_id: str, sealed: bytes) -> bytes:
    """The picture, JPEG. Raises as `unseal_told`."""
    return keys.unseal(sealed, f"{case_id}/picture".encode())


def seal_answer(keys: DataKeys, case_id: str, answer: Answer) -> bytes:
    """The answer to a case."""
    return keys.seal(_encode(answer), f"{case_id}/answer".encode())


def seal_note(keys: DataKeys, case_id: str, note: str) -> bytes:
    """Why a case was closed; for the office alone."""
    return keys.seal(note.encode(), f"{case_id}/note".encode())


def note_of(keys: DataKeys, case_id: str, step: Step) -> str:
    """What the office noted at a step; empty for none, and for an answer."""
    if step.sealed is None or step.event != "closed":
        return ""
    return keys.unseal(step.sealed, f"{case_id}/note".encode()).decode()


def answer_of(keys: DataKeys, dossier: Dossier) -> Answer | None:
    """The answer that a case got."""
    for step in dossier.steps:
        if step.event == "answered" and step.sealed is not None:
            return _answer(keys.unseal(step.sealed, f"{dossier.case.id}/answer".encode()))
    return None
