"""A quarter of an hour for whoever knows number, name and document: a sealed text, kept nowhere.

It reaches the certificate whose number was shown, and those that a search by name and document shows anyway. One
that its holder took out of that search is reached by its own number alone. Only a session that was ended before its
time leaves a row, until that time.
"""

import datetime as dt
from collections.abc import Callable
from typing import Final

import msgspec

from verify.certificate.name import fold_name, parse_name
from verify.certificate.number import canonical_number
from verify.errors import NotFound, Unauthenticated, Unreadable
from verify.lookup.entries import read_identity
from verify.proof.public import b64url, parse_b64url
from verify.proof.sealing import DataKeys
from verify.store.contract import Store
from verify.store.holders import count_visit, drop_ended, end_session, holdings, is_ended
from verify.store.personal import person_tag

LIFE: Final = dt.timedelta(minutes=15)
PREFIX: Final = "hs_"
SKEW: Final = dt.timedelta(minutes=1)
"""How far the clocks of nodes may be apart before one takes a session for open that another has forgotten."""
_PLACE: Final = b"holder-session/1"
"""Sessions share the cipher of cache entries; this keeps one from being taken for the other."""


class Session(msgspec.Struct, frozen=True):
    """Who is here, and until when."""

    numbers: tuple[str, ...]
    """The certificates that it reaches; first the one that was shown."""
    tag: bytes
    """The person's in the blind index."""
    until: int
    """Seconds since 1970 UTC."""
    chosen: int = 0
    """Which of them is spoken about."""

    @property
    def number(self) -> str:
        """The certificate that is spoken about."""
        return self.numbers[self.chosen]

    def choose(self, place: int) -> "Session":
        """The same session, speaking about the certificate at `place`, from 1. Raises NotFound."""
        if not 1 <= place <= len(self.numbers):
            raise NotFound
        return msgspec.structs.replace(self, chosen=place - 1)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Session).decode


class Sessions:
    """Opens sessions and reads them. Safe to call concurrently; any node reads what any node sealed."""

    def __init__(self, store: Store, *, data_keys: DataKeys, now: Callable[[], dt.datetime]) -> None:
        """`now` gives aware UTC."""
        self._store = store
        self._keys = data_keys
        self._now = now

    async def open(self, number: str, name: str, id_type: str, id_number: str) -> tuple[str, Session]:
        """A session for the holder of this certificate, and the text that carries it; the visit is counted.

        Raises Invalid for malformed fields, NotFound when the three do not belong together, whatever does not.
        """
        canonical = canonical_number(number)
        folded = fold_name(parse_name(name, pointer="/name"))
        identity = read_identity(id_type, id_number, self._now())
        person = person_tag(self._keys, identity, folded)
        tags = [person, self._keys.name_tag(canonical, folded)]
        numbers = await self._store.read(lambda: holdings(canonical, tags))
        if not numbers:
            raise NotFound
        now = self._now()
        await self._store.write(lambda: count_visit(canonical, "sign-in", now))
        session = Session(tuple(numbers), person, int((now + LIFE).timestamp()))
        return PREFIX + b64url(self._keys.seal_entry(_encode(session), _PLACE)), session

    async def read(self, text: str) -> Session:
        """The session in a text, asked of the store each time whether it was ended: sign-out counts at once on every node.

        Raises Unauthenticated for anything else and when it is over, StoreFailed when the store cannot say.
        """
        session, tag = self._open(text)
        if await self._store.read(lambda: is_ended(tag), snapshot=False):
            raise Unauthenticated
        return session

    async def end(self, text: str) -> None:
        """Sign out: the text opens nothing any more, here or elsewhere. Raises Unauthenticated for what opens nothing."""
        session = await self.read(text)
        _, tag = self._open(text)
        until = dt.datetime.fromtimestamp(session.until, dt.UTC)
        await self._store.write(lambda: end_session(tag, until))

    async def sweep(self) -> None:
        """Forget ended sessions that would be over by now anyway."""
        before = self._now() - SKEW
        await self._store.write(lambda: drop_ended(before))

    def _open(self, text: str) -> tuple[Session, bytes]:
        """What is sealed in a text, and the text's own tag."""
        try:
            sealed = parse_b64url(text.removeprefix(PREFIX))
            session = _decode(self._keys.unseal_entry(sealed, _PLACE))
        except (Unreadable, msgspec.DecodeError) as error:
            raise Unauthenticated from error
        if not text.startswith(PREFIX) or self._now().timestamp() >= session.until:
            raise Unauthenticated
        return session, self._keys.place_tag("holder-session", sealed.hex())
