"""From rows to entries: what is read from the store, rendered, and what several entries have in common."""

import datetime as dt
from collections.abc import Mapping

import msgspec

from verify.certificate.identity import Identity, parse_identity
from verify.certificate.record import Certificate, Face, Status
from verify.errors import Words
from verify.lookup.answer import (
    Agency,
    FullEntry,
    Middle,
    NumberEntry,
    effective,
    full_entry,
    number_entry,
    render_middle,
)
from verify.lookup.near import Window
from verify.proof.sealing import DataKeys
from verify.store.contract import Row
from verify.store.personal import finder_tags, unseal_personal

CHINA = dt.timezone(dt.timedelta(hours=8))
"""China Standard Time: the date by which a birth date may not lie in the future."""

_decode_face = msgspec.json.Decoder(Face).decode
_STATUS = {status.value: status for status in Status}
_MIDDLE_BYTES = 300
"""What a shared middle takes beside its text and its face. Measured, rounded up."""


def read_identity(id_type: str, id_number: str, at: dt.datetime) -> Identity:
    """The document as look-ups read it, at an aware instant. Raises Invalid."""
    today = at.astimezone(CHINA).date()
    return parse_identity(id_type, id_number, today, pointer="/id_number", type_pointer="/id_type")


class Entries:
    """Makes entries; keeps agencies' names and the middles that many certificates share."""

    def __init__(
        self, window: Window, data_keys: DataKeys, limit_bytes: int, *, revoked_public: bool
    ) -> None:
        """Keep at most about `limit_bytes` of middles; those in use by entries stay with them."""
        self._window = window
        self._keys = data_keys
        self._limit = limit_bytes
        self._hides = frozenset() if revoked_public else frozenset({Status.REVOKED})
        self._agencies: dict[str, Agency] = {}
        self._middles: dict[Status, dict[str, Middle]] = {status: {} for status in Status}
        self._bytes = 0

    def knows(self, code: str) -> bool:
        """Whether the agency's name is known and no event has ended it."""
        agency = self._agencies.get(code)
        return agency is not None and agency.live

    def take_agencies(self, names: Mapping[str, Words], seq: int) -> Mapping[str, Agency]:
        """All agencies by code, with those just read at `seq`; kept when nothing newer is known of them."""
        if not names:
            return self._agencies
        fresh = {}
        for code, name in names.items():
            # One that lives stays: entries that hold it must end with it, and two reads may bring the same name.
            if self.knows(code):
                continue
            agency = fresh[code] = Agency(code, name)
            agency.live = self._window.admits(f"agency:{code}", seq)
            if agency.live:
                self._agencies[code] = agency
        return self._agencies | fresh if fresh else self._agencies

    def end_agency(self, code: str) -> None:
        """An event about the agency: every entry that shows its name ends."""
        # The dead one stays in its place: a read under way may still need its name.
        if code in self._agencies:
            self._agencies[code].live = False

    def clear(self) -> None:
        """Everything ends."""
        self._clear_middles()
        for agency in self._agencies.values():
            agency.live = False

    def for_number(self, row: Row, agencies: Mapping[str, Agency], seq: int, at: int) -> NumberEntry | None:
        """The entry of one row of `read_faces`; None when the public may not see it.

        `at`: the instant for which a suspension's end is judged, microseconds since 1970 UTC.
        """
        number, face, state, revision, since, reason, until, agency = row
        status, since, reason, until, ends = effective(_STATUS[state], since, reason, until, at)
        if status in self._hides:
            return None
        # The batch label comes last in the stored face and is not shown: batches share their middles.
        shared = face[: face.rfind(',"batch":')]
        middle = self._middles[status].get(shared)
        if middle is None or not middle.scope.live:
            middle = self._render_middle(shared, _decode_face(face), agencies[agency], status)
        return number_entry(number, revision, status, since, reason, until, ends, seq, middle)

    def for_face(
        self, one: Certificate, agencies: Mapping[str, Agency], seq: int, at: int, now: dt.datetime
    ) -> FullEntry | None:
        """The full entry; None when the public may not see it. Raises VerifyError when its seal does not open."""
        if one.status in self._hides:
            return None
        personal = unseal_personal(self._keys, one.number, one.holder_sealed)
        identity = read_identity(personal.holder.id_type, personal.holder.id_number, now)
        tags = finder_tags(self._keys, one.number, identity, personal.holder.name)
        return full_entry(one, personal, tags, agencies[one.face.agency], at, seq)

    def _render_middle(self, shared: str, face: Face, agency: Agency, status: Status) -> Middle:
        if self._bytes > self._limit:
            self._clear_middles()
        middle = Middle(agency, render_middle(face, agency, status))
        self._middles[status][shared] = middle
        self._bytes += _MIDDLE_BYTES + len(shared) + len(middle.text)
        return middle

    def _clear_middles(self) -> None:
        for middles in self._middles.values():
            middles.clear()
        self._bytes = 0
