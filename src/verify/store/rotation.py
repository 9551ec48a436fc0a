"""Programs that give an API key another secret: the key, its records and whoever knows its id stay.

At most two secrets count at a time, the present one and, until `old_until`, the one before.
"""

import datetime as dt

import msgspec

from verify.errors import Conflict, NotFound, Words
from verify.store.contract import Program, run
from verify.store.journal import EventKind, Origin, open_journal, to_micros
from verify.store.register import Credential, find_credential

_EXCHANGED = Words(
    "该密钥已被更换，请使用新的密钥。", "This secret was exchanged already; use the one that took its place."
)
_OVERLAPPING = Words(
    "上一个密钥仍在有效期内，须先使其失效。",
    "The secret before this one still counts; end it first, or let all old ones end at once.",
)


def rotate_credential(
    credential_id: str,
    secret_hash: bytes,
    overlap: dt.timedelta,
    origin: Origin,
    *,
    present: bytes | None = None,
    owner: str | None = None,
    role: str | None = None,
) -> Program[Credential]:
    """Give an API key another secret; the one before counts for `overlap` more, none means not at all.

    `present`: the hash of the secret that whoever asks came with, when the key itself asks. Of two who ask at the same
    moment with the same secret one is refused. `owner`, `role`: what the key has to be, when that matters.
    Raises NotFound for no such key or an ended one; Conflict when `present` is not the present one any more, or when
    the secret before still counts and is not to end at once.
    """
    credential = yield from _open_one(credential_id, owner, role)
    if present is not None and credential.secret_hash != present:
        raise Conflict(_EXCHANGED)
    until, rotations = origin.at + overlap, credential.rotations + 1
    if overlap and credential.old_until is not None and credential.old_until > origin.at:
        if credential.secret_hash:
            raise Conflict(_OVERLAPPING)
        until = credential.old_until  # a restore lost the present one: the one before goes on as it was to
    yield from run("rotate_credential", credential_id, secret_hash, to_micros(until), rotations)
    journal = yield from open_journal(origin)
    data = {"id": credential_id, "rotations": rotations, "old_until": to_micros(until)}
    journal.add(EventKind.CREDENTIAL_ROTATED, data)
    yield from journal.close()
    return (yield from find_credential(credential_id)) or credential


def end_old_secret(
    credential_id: str,
    origin: Origin,
    *,
    present: bytes | None = None,
    owner: str | None = None,
    role: str | None = None,
) -> Program[Credential]:
    """Let the secret before the present one end now; nothing happens when none counts any more. Raises as above."""
    credential = yield from _open_one(credential_id, owner, role)
    if present is not None and credential.secret_hash != present:
        raise Conflict(_EXCHANGED)
    if credential.old_until is None or credential.old_until <= origin.at:
        return credential
    yield from run("end_old_secret", credential_id, to_micros(origin.at))
    journal = yield from open_journal(origin)
    data = {"id": credential_id, "old_until": to_micros(origin.at)}
    journal.add(EventKind.CREDENTIAL_OLD_ENDED, data)
    yield from journal.close()
    return msgspec.structs.replace(credential, old_until=origin.at)


def _open_one(credential_id: str, owner: str | None, role: str | None) -> Program[Credential]:
    """The key, if it is whose it should be and was not ended."""
    credential = yield from find_credential(credential_id)
    if (
        credential is None
        or credential.revoked_at is not None
        or (owner is not None and credential.agency != owner)
        or (role is not None and credential.role != role)
    ):
        raise NotFound(Words("没有该接口密钥。", "There is no such API key."))
    return credential
