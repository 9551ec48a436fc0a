"""Second half of the audit: each certificate against its own events, its number, its signatures and its seal."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import msgspec

from verify.certificate.identity import parse_identity
from verify.certificate.number import cross_check, parse_number
from verify.certificate.record import Face, Kind, Status
from verify.errors import Invalid, VerifyError
from verify.office.findings import Findings
from verify.proof.credential import parse_credential, verify_jws
from verify.proof.public import KeyPurpose, PublicKey
from verify.proof.sealing import DataKeys
from verify.proof.token import verify_token
from verify.proof.window import Standing, standing
from verify.store.contract import Row
from verify.store.journal import Event, EventKind, decode_event, from_micros
from verify.store.personal import (
    commit_personal,
    finder_tags,
    unseal_credential,
    unseal_personal,
    unseal_token,
)

_FACE = msgspec.json.Decoder(Face).decode
_CHANGES = (EventKind.SUSPENDED, EventKind.REINSTATED, EventKind.REVOKED, EventKind.REPLACED)
_UNSIGNED = ("prepared", "void")
_BORN = ("status", "revision", "since", "replaces", "commitment", "agency")
_CHANGED = ("status", "revision", "since", "reason", "replaced_by")


class Line(NamedTuple):
    """One row of `certificate_page`."""

    number: str
    agency: str
    status: str
    revision: int
    seq: int
    since: int
    reason: str | None
    until: int | None
    replaced_by: str | None
    replaces: str | None
    current_copy: int
    commitment: bytes
    holder_sealed: bytes
    face: str


class CopyLine(NamedTuple):
    """One row of `copies_of`."""

    number: str
    copy: int
    scan_code: str
    cause: str
    kid: str
    issued_at: int
    state: str
    token: bytes | None
    credential: bytes | None


class CertificateAudit:
    """Takes pages of certificates and says what does not agree."""

    def __init__(
        self,
        findings: Findings,
        keys: Mapping[str, PublicKey],
        data_keys: DataKeys,
        settled: AbstractSet[tuple[str, int]] = frozenset(),
    ) -> None:
        """Report into `findings`; verify with `keys`, unseal with `data_keys`.

        `settled`: numbers and copies that a restore did not bring back and the operator has answered for.
        """
        self._settled = settled
        self._findings = findings
        self._keys = keys
        self._data_keys = data_keys
        self._wanted: dict[tuple[bytes, str], str] = {}
        self._used: dict[str, int] = {}
        self.certificates = 0
        self.copies = 0

    def take(self, rows: Sequence[Row], events: Sequence[Row], copies: Sequence[Row]) -> None:
        """Check one page with its events and copies."""
        lives: dict[str, list[Event]] = {}
        for number, body in events:
            try:
                lives.setdefault(number, []).append(decode_event(body))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # the first half has named it
        held: dict[str, list[CopyLine]] = {}
        for row in copies:
            held.setdefault(row[0], []).append(CopyLine(*row))
        for row in rows:
            line = Line(*row)
            self._certificate(line, lives.get(line.number, []), held.get(line.number, []))

    def _certificate(self, line: Line, events: list[Event], copies: list[CopyLine]) -> None:
        self.certificates += 1
        self.copies += len(copies)
        where = f"certificate {line.number}"
        try:
            face = _FACE(line.face)
        except msgspec.DecodeError:
            self._findings.add("face", where, "证书内容无法读取。", "Its face cannot be read.")
            return
        self._number(line, face, where)
        said = fold_life(events)
        if line.status == Status.VOID and (line.number, 1) in self._settled:
            return  # issued after the backup that had it prepared; it was lost, and it is told in `lost`
        said["copies"] = {
            copy: kid for copy, kid in said["copies"].items() if (line.number, copy) not in self._settled
        }
        self._life(line, said, where)
        self._copies(line, face, said, copies)
        self._holder(line, where)

    # --- holder -----------------------------------------------------------------------------------------

    def _holder(self, line: Line, where: str) -> None:
        """The seal opens, holds what the ledger committed to, and the public can find it."""
        try:
            personal = unseal_personal(self._data_keys, line.number, line.holder_sealed)
            identity = parse_identity(personal.holder.id_type, personal.holder.id_number, dt.date.max)
        except (VerifyError, msgspec.DecodeError):
            self._findings.add(
                "seal",
                where,
                "封存的持证人信息无法打开。",
                "The sealed holder does not open: altered or moved.",
            )
            return
        if commit_personal(line.number, personal) != line.commitment:
            self._findings.add(
                "commitment",
                where,
                "持证人信息与台账承诺不符。",
                "The holder is not what the ledger committed to.",
            )
        if line.status != Status.VOID:
            tags = finder_tags(self._data_keys, line.number, identity, personal.holder.name)
            self._wanted |= {(tag, line.number): where for tag in tags}

    def wanted_tags(self) -> list[bytes]:
        """The blind indexes that must lead to the certificates of the last page."""
        return list({tag for tag, _ in self._wanted})

    def take_tags(self, found: Sequence[Row]) -> None:
        """Compare with what the index really leads to."""
        there = {(tag, number) for tag, number in found}
        for (tag, number), where in self._wanted.items():
            if (tag, number) not in there:
                self._findings.add(
                    "finder", where, "索引查不到该证书。", "The blind index does not lead to it."
                )
        self._wanted.clear()

    # --- number -----------------------------------------------------------------------------------------

    def _number(self, line: Line, face: Face, where: str) -> None:
        if face.agency != line.agency:
            pairs: dict[str, tuple[object, object]] = {"agency": (line.agency, face.agency)}
            self._findings.differ("face", where, pairs)
        try:
            faults = cross_check(parse_number(line.number), face)
        except Invalid as error:
            faults = list(error.faults)
        for fault in faults:
            self._findings.add("number", where, fault.detail.zh, fault.detail.en)
        width = 6 if face.kind is Kind.SKILL_LEVEL else 5
        prefix, serial = line.number[:-width], line.number[-width:]
        if serial.isdigit():
            self._used[prefix] = max(self._used.get(prefix, 0), int(serial))

    def check_counters(self, counters: Mapping[str, int], taken: Mapping[str, int]) -> None:
        """Every counter stands behind every number used and every range that the ledger shows as taken."""
        for prefix, after in taken.items():
            used = {"next": (counters.get(prefix), after)}
            if counters.get(prefix, 0) < after:
                self._findings.differ("counter", f"counter {prefix}", used)
        for prefix, serial in self._used.items():
            if prefix in counters and counters[prefix] <= serial:
                zh = f"计数器下一号为 {counters[prefix]}，而 {serial} 已使用。"
                en = f"The counter would next give {counters[prefix]}, but {serial} is used."
                self._findings.add("counter", f"counter {prefix}", zh, en)

    # --- life -------------------------------------------------------------------------------------------

    def _life(self, line: Line, said: dict[str, Any], where: str) -> None:
        table = {
            "status": line.status,
            "revision": line.revision,
            "current_copy": line.current_copy,
            "replaced_by": line.replaced_by,
        }
        if said["status"] != Status.PREPARED:
            table["seq"] = line.seq
        if said["status"] not in _UNSIGNED:
            table |= {
                "agency": line.agency,
                "since": line.since,
                "reason": line.reason,
                "until": line.until,
                "replaces": line.replaces,
                "commitment": line.commitment.hex(),
            }
        pairs = {name: (value, said.get(name)) for name, value in table.items()}
        self._findings.differ("status-fold", where, pairs)

    # --- copies -----------------------------------------------------------------------------------------

    def _copies(self, line: Line, face: Face, said: dict[str, Any], copies: list[CopyLine]) -> None:
        issued = {one.copy: one.kid for one in copies if one.state == "issued"}
        pairs: dict[str, tuple[object, object]] = {"copies": (issued, said["copies"])}
        self._findings.differ("copies", f"certificate {line.number}", pairs)
        numbers = [one.copy for one in copies]
        if numbers != list(range(1, len(numbers) + 1)):
            where = f"certificate {line.number}"
            self._findings.add(
                "copies", where, f"份数不连续：{numbers}。", f"Its copies have a gap: {numbers}."
            )
        for one in copies:
            if one.state == "issued":
                self._signatures(line, face, one)

    def _signatures(self, line: Line, face: Face, one: CopyLine) -> None:
        where = f"copy {line.number}/{one.copy}"
        self._key(line, one, where)
        try:
            token = unseal_token(self._data_keys, line.number, one.copy, one.token or b"")
            claims = verify_token(token, self._keys)
        except VerifyError as error:  # BadKey too: a public half that is no key
            self._findings.add("token", where, error.detail.zh, error.detail.en)
        else:
            pairs: dict[str, tuple[object, object]] = {
                "number": (line.number, claims.number),
                "scan_code": (one.scan_code, claims.scan_code),
                "kid": (one.kid, claims.kid),
            }
            if one.copy == line.current_copy:
                pairs["occupation"] = (face.occupation.code, claims.occupation_code)
                pairs["level"] = (face.level, claims.level)
            self._signed("token", where, pairs)
        self._credential(line, one, where)

    def _credential(self, line: Line, one: CopyLine, where: str) -> None:
        try:
            text = unseal_credential(self._data_keys, line.number, one.copy, one.credential or b"")
            credential = parse_credential(verify_jws(text, self._keys))
        except VerifyError as error:
            self._findings.add("credential-signature", where, error.detail.zh, error.detail.en)
            return
        certificate = credential.credential_subject.certificate
        pairs: dict[str, tuple[object, object]] = {
            "number": (line.number, certificate.number),
            "copy": (one.copy, certificate.copy_number),
            "cause": (one.cause, certificate.copy_cause),
            "scan_code": (one.scan_code, certificate.scan_code),
            "agency": (line.agency, credential.issuer.code),
        }
        self._signed("credential-signature", where, pairs)

    def _signed(self, check: str, where: str, pairs: Mapping[str, tuple[object, object]]) -> None:
        for name, (table, signed) in pairs.items():
            if table != signed:
                zh = f"{name}：登记为 {table}，签名内容为 {signed}。"
                self._findings.add(
                    check, where, zh, f"{name}: the register says {table}, what was signed says {signed}."
                )

    def _key(self, line: Line, one: CopyLine, where: str) -> None:
        key = self._keys.get(one.kid)
        if key is None:
            return  # named by the signature check
        if key.owner != line.agency or key.purpose is not KeyPurpose.TOKEN:
            en = f"Key {key.kid} belongs to {key.owner}, not to the agency of the certificate."
            self._findings.add("key-owner", where, f"密钥 {key.kid} 属于 {key.owner}，不是发证机构。", en)
        at = standing(key, from_micros(one.issued_at))
        if at in (Standing.NOT_YET, Standing.ENDED):
            en = f"Key {key.kid} was not in its window when the copy was issued ({at})."
            self._findings.add("key-window", where, f"签发时密钥 {key.kid} 不在有效期内（{at}）。", en)


def fold_life(events: Iterable[Event]) -> dict[str, Any]:
    """What its events alone say of one certificate, by the names of the table's columns."""
    said: dict[str, Any] = {
        "status": Status.PREPARED,
        "revision": 0,
        "current_copy": 0,
        "replaced_by": None,
        "copies": {},
    }
    for event in events:
        data = event.data
        match event.kind:
            case EventKind.ISSUED:
                said |= {name: data.get(name) for name in _BORN}
                said |= {"current_copy": 1, "reason": None, "until": None, "seq": event.seq}
                said["copies"] = {1: data.get("kid")}
            case EventKind.COPY_ISSUED:
                said |= {"revision": data.get("revision"), "current_copy": data.get("copy"), "seq": event.seq}
                said["commitment"] = data.get("commitment")
                said["copies"][data.get("copy")] = data.get("kid")
            case EventKind.ABANDONED if data.get("copy") == 1:
                said |= {"status": Status.VOID, "seq": event.seq}
            case _ if event.kind in _CHANGES:
                said |= {name: data.get(name) for name in _CHANGED}
                said["until"] = data.get("until") if data.get("status") == Status.SUSPENDED else None
                said["seq"] = event.seq
            case _:
                pass
    return said
