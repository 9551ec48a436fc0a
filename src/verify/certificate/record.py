"""The records that every room speaks of. Frozen; stored values are never renamed."""

import datetime as dt
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """Which of the two certificates it is."""

    SKILL_LEVEL = "skill_level"
    """职业技能等级证书, 22 characters, issued by a filed agency."""
    QUALIFICATION = "qualification"
    """职业资格证书, 16 digits, issued by the state."""


class Level(StrEnum):
    """Grades from low to high as the API writes them; see `level.py` for wording and coding."""

    FIVE = "5"
    FOUR = "4"
    THREE = "3"
    TWO = "2"
    ONE = "1"
    SPECIAL = "special"
    CHIEF = "chief"


class Status(StrEnum):
    """Where a certificate stands in its life; the arrows are in `status.py`."""

    PREPARED = "prepared"
    """Recorded and about to be signed. Never public."""
    VOID = "void"
    """Prepared, but could not be finished; its number is spent. Never public."""
    VALID = "valid"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    REPLACED = "replaced"
    """Superseded by a certificate with another number."""


class CopyCause(StrEnum):
    """Why a copy was made (seed001 art. 17, seed003 §3)."""

    ORIGINAL = "original"
    LOST = "lost"
    DAMAGED = "damaged"
    CORRECTED = "corrected"


class CopyState(StrEnum):
    """Where a copy stands."""

    PREPARED = "prepared"
    """Recorded and about to be signed. Never public."""
    VOID = "void"
    """Prepared, but could not be finished. Never public."""
    CURRENT = "current"
    REPLACED = "replaced"
    """A later copy took its place."""
    RECALLED = "recalled"
    """Its certificate was revoked or replaced."""


class AgencyState(StrEnum):
    """Whether an agency may issue. Earlier certificates stay as they are in every state."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


class Occupation(msgspec.Struct, frozen=True):
    """What was assessed, as the dictionary of that edition names it."""

    code: str
    """`d-dd-dd-dd`."""
    name: str
    """As printed, marks L, S and L/S stripped."""
    edition: str = "2022"
    """Edition of the occupational dictionary (大典): codes are re-used between editions."""


class Results(msgspec.Struct, frozen=True, omit_defaults=True):
    """Scores, 0 to 100; `None` where that part was not taken."""

    theory: float | None = None
    practical: float | None = None
    review: float | None = None
    """Comprehensive review, levels 2, 1 and above (seed001 art. 8)."""


class Holder(msgspec.Struct, frozen=True):
    """The person, in canonical form: U+00B7 in the name, the document number normalised."""

    name: str
    id_type: str
    """An identifier of the identity document table, e.g. `RESIDENT_ID`."""
    id_number: str


class Face(msgspec.Struct, frozen=True):
    """What a certificate says besides its number, its holder and its life. Holds no personal data."""

    kind: Kind
    agency: str
    """Agency code: the first 13 characters of its numbers, or 8 digits for the qualification kind."""
    occupation: Occupation
    work_type: str | None
    """Name under the occupation; printed as `--` when none."""
    level: Level
    issued_on: dt.date
    batch: str | None = None
    """The agency's own label of the assessment batch."""


class Copy(msgspec.Struct, frozen=True):
    """What a person holds: one printed or electronic copy of a certificate."""

    number: int
    """1, 2, 3 … under one certificate number."""
    scan_code: str
    """16 Crockford base32 characters."""
    state: CopyState
    cause: CopyCause
    kid: str
    """Id of the key that signed it."""
    issued_at: dt.datetime
    """UTC."""
    ended_at: dt.datetime | None = None
    """UTC; when it was replaced or recalled."""
    blank_serial: str | None = None
    """流水码 of the numbered blank it was printed on."""
    remark: str | None = None


class Certificate(msgspec.Struct, frozen=True):
    """One certificate as the register holds it now. The holder stays sealed."""

    number: str
    face: Face
    status: Status
    revision: int
    """1 when issued, one more with every change anyone can see."""
    seq: int
    """Ledger sequence of the last change that touched it."""
    since: dt.datetime
    """UTC; when the present status began."""
    reason: str | None
    """Code of the closed list in `reason.py`."""
    until: dt.datetime | None
    """UTC; end of a suspension. Past it the certificate counts as valid again."""
    replaced_by: str | None
    replaces: str | None
    holder_sealed: bytes
    """AEAD of the personal part, key id inside; see `proof/sealing.py`."""
    copies: tuple[Copy, ...]
    """By number, prepared and void ones left out."""


class Personal(msgspec.Struct, frozen=True):
    """The part of a certificate that is stored sealed."""

    holder: Holder
    results: Results
    salt: bytes
    """16 random bytes; makes the ledger's commitment to this certificate unguessable."""


class Agency(msgspec.Struct, frozen=True):
    """Who may issue, as filed and published."""

    code: str
    kind: Kind
    name_zh: str
    name_en: str
    state: AgencyState
    since: dt.datetime
    """UTC; when the present state began."""
    reason: str | None = None
    contact: str | None = None
    """Where an employer or holder can ask; public."""


class Filing(msgspec.Struct, frozen=True):
    """One line of an agency's filing: occupation × levels × from–to (seed001 art. 9)."""

    id: str
    agency: str
    occupation: Occupation
    levels: tuple[Level, ...]
    work_types: tuple[str, ...]
    """Allowed work types; empty means any or none."""
    from_on: dt.date
    to_on: dt.date | None
    """Inclusive; `None` while open."""
