"""The life of a key as data: its states, the arrows between them, and when its signatures count."""

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum

from msgspec.structs import replace

from verify.errors import BadKey, ForbiddenArrow, Words
from verify.proof.public import KeyPurpose, KeyState, PublicKey


class KeyMove(StrEnum):
    """What can happen to a key."""

    ACTIVATE = "activate"
    RETIRE = "retire"
    COMPROMISE = "compromise"


class Standing(StrEnum):
    """What a key's window says of a signature made at some instant."""

    IN_FORCE = "in-force"
    NOT_YET = "not-yet"
    """Before the window, or the key was never activated."""
    ENDED = "ended"
    """After the window."""
    COMPROMISED = "compromised"
    """At or after the compromise: the signature may be a thief's."""


KEY_ARROWS: dict[tuple[KeyState, KeyMove], KeyState] = {
    (KeyState.PENDING, KeyMove.ACTIVATE): KeyState.ACTIVE,
    (KeyState.PENDING, KeyMove.RETIRE): KeyState.RETIRED,
    (KeyState.ACTIVE, KeyMove.RETIRE): KeyState.RETIRED,
    (KeyState.PENDING, KeyMove.COMPROMISE): KeyState.COMPROMISED,
    (KeyState.ACTIVE, KeyMove.COMPROMISE): KeyState.COMPROMISED,
    (KeyState.RETIRED, KeyMove.COMPROMISE): KeyState.COMPROMISED,
    (KeyState.COMPROMISED, KeyMove.COMPROMISE): KeyState.COMPROMISED,
}
"""The last arrow only brings the date of the compromise forward: it never moves later."""


def move_key(key: PublicKey, move: KeyMove, at: dt.datetime) -> PublicKey:
    """The key after `move`, effective `at` (aware UTC; for a compromise the date it began, often past).

    Raises ForbiddenArrow when the table has no such arrow or `at` lies before the window opened.
    """
    state = KEY_ARROWS.get((key.state, move))
    if state is None:
        what = Words(
            f"密钥 {key.kid} 当前状态不允许该操作。", f"Key {key.kid} is {key.state}: cannot {move}."
        )
        raise ForbiddenArrow(what)
    match move:
        case KeyMove.ACTIVATE:
            return replace(key, state=state, active_from=at)
        case KeyMove.RETIRE:
            return replace(key, state=state, active_to=_after_opening(key, at))
        case KeyMove.COMPROMISE:
            since = at if key.compromised_at is None else min(at, key.compromised_at)
            return replace(key, state=state, compromised_at=since)


def rotate(old: PublicKey, new: PublicKey, at: dt.datetime) -> tuple[PublicKey, PublicKey]:
    """Retire `old` and activate `new` at one instant. Raises ForbiddenArrow."""
    return move_key(old, KeyMove.RETIRE, at), move_key(new, KeyMove.ACTIVATE, at)


def standing(key: PublicKey, at: dt.datetime) -> Standing:
    """What the window says of a signature made `at`, aware UTC.

    Take `at` from the ledger where there is one: the time inside a token is the signer's own word, and a
    thief writes there what he likes. The opening counts from its whole second, as tokens tell time.
    """
    if key.compromised_at is not None and at >= key.compromised_at:
        return Standing.COMPROMISED
    if key.active_from is None or at < key.active_from.replace(microsecond=0):  # tokens tell whole seconds
        return Standing.NOT_YET
    if key.active_to is not None and at >= key.active_to:
        return Standing.ENDED
    return Standing.IN_FORCE


def in_force(key: PublicKey, at: dt.datetime) -> bool:
    """Whether a signature made `at` counts. Retired keys keep their window, so they verify for ever."""
    return standing(key, at) is Standing.IN_FORCE


def signing_key(keys: Iterable[PublicKey], owner: str, purpose: KeyPurpose, at: dt.datetime) -> PublicKey:
    """The key that `owner` signs with now: active, in force, the newest. Raises BadKey when there is none."""
    able = [
        key
        for key in keys
        if key.owner == owner
        and key.purpose is purpose
        and key.state is KeyState.ACTIVE
        and key.active_from is not None
        and in_force(key, at)
    ]
    if not able:
        what = Words(f"{owner} 没有可用的签名密钥。", f"{owner} has no {purpose} key in force.")
        raise BadKey(what, hint=f"verify key create {owner}, then verify key activate")
    return max(able, key=lambda key: (key.active_from, key.kid))


def _after_opening(key: PublicKey, at: dt.datetime) -> dt.datetime:
    if key.active_from is not None and at < key.active_from:
        raise ForbiddenArrow(Words("停用时间早于启用时间。", "A key cannot retire before it was activated."))
    return at
