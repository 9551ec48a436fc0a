"""The check report: every check by name, then one verdict that never says more than they do.

Online, the register decides: what was signed is compared with what it holds, and the time that counts for a key
is the one the ledger recorded, not the one the signer wrote. Offline, a verified trust list can show that a
signature is authentic; whether the certificate still stands, nobody can know without asking.
"""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import TypeVar

import msgspec

from verify.certificate.record import Certificate, Copy, CopyState, Personal, Status
from verify.certificate.status import Verdict, effective_status, verdict_of
from verify.errors import (
    BadKey,
    BadSignature,
    Invalid,
    ProofFailed,
    StoreFailed,
    Unavailable,
    UnknownKey,
    Unreadable,
    VerifyError,
    Words,
)
from verify.lookup.answer import MESSAGES, Agency, full_bytes, full_entry, instant
from verify.lookup.presented import Presented, differences, parse_presented
from verify.lookup.waiting import LOST
from verify.proof.credential import verify_jws
from verify.proof.public import PublicKey
from verify.proof.receipt import (
    RECEIPT_TYPE,
    Receipt,
    ResultList,
    read_receipt,
    read_result_list,
    statement_kid,
    statement_type,
    verify_receipt,
    verify_result_list,
)
from verify.proof.sealing import DataKeys
from verify.proof.token import verify_token
from verify.proof.trust import TrustList
from verify.proof.window import Standing, standing
from verify.store.contract import Program, Store
from verify.store.employers import Kept, read_kept, read_signed_list
from verify.store.journal import to_micros
from verify.store.personal import unseal_credential, unseal_personal, unseal_token
from verify.store.reads import Proven, read_proven

T = TypeVar("T")


class Outcome(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(msgspec.Struct, frozen=True):
    """One check by its name in the contract."""

    name: str
    outcome: Outcome
    detail: Words


class Report(msgspec.Struct, frozen=True):
    """All checks in order, one verdict, and the answer where the document proved to be the register's."""

    verdict: Verdict
    message: Words
    as_of: str
    """RFC 3339, milliseconds, UTC."""
    checks: tuple[Check, ...]
    answer: bytes | None = None
    """The finished answer, which already holds verdict, message and time."""
    receipt: Mapping[str, object] | None = None
    """What a receipt said then, and what the register says of the same certificates now; offline the first alone."""
    results: Mapping[str, object] | None = None
    """What the signature of an employer's list says: whose, when, how many rows, the digest of the file."""

    def to_json(self) -> bytes:
        """The report of the contract: the answer with `checks`, or the verdict with `checks`."""
        checks = _encode(self.checks)
        if self.answer is not None:
            return b'%b,"checks":%b}' % (self.answer[:-1], checks)
        head = {"verdict": self.verdict, "as_of": self.as_of, "message": self.message, "checks": self.checks}
        told = {"receipt": self.receipt, "results": self.results}
        return _encode(head | {name: value for name, value in told.items() if value is not None})


NAMES = (
    "readable",
    "authentic",
    "issuer-known",
    "key-in-force",
    "matches-register",
    "current-copy",
    "status",
)
"""The checks, in order."""

_PROOFS = frozenset(NAMES[:5])
"""Checks of the document itself: when one fails, the register's verdict is not this document's."""
UNPROVEN = Words(
    "所提交的内容未通过核验，不能作为任何证书的证明。请以编号和姓名查询。",
    "What was brought did not pass and proves no certificate. Look it up by number and name.",
)
OFFLINE = Words("离线核验，未查询登记库。", "Checked offline; the register was not asked.")
BARE = Words("只有扫描码，没有签名可验。", "A scan code alone carries no signature.")

_encode = msgspec.json.Encoder().encode


class _Checks:
    """The report as it grows."""

    def __init__(self) -> None:
        self.by_name: dict[str, Check] = {}

    def put(self, name: str, outcome: Outcome | bool, zh: str, en: str) -> None:
        if isinstance(outcome, bool):
            outcome = Outcome.PASSED if outcome else Outcome.FAILED
        self.by_name[name] = Check(name, outcome, Words(zh, en))

    def skip_rest(self, why: Words) -> None:
        for name in NAMES:
            self.by_name.setdefault(name, Check(name, Outcome.SKIPPED, why))

    def failed(self) -> bool:
        return any(c.outcome is Outcome.FAILED and c.name in _PROOFS for c in self.by_name.values())

    def report(self, verdict: Verdict, message: Words, as_of: str, answer: bytes | None = None) -> Report:
        self.skip_rest(Words("未进行。", "Not done."))
        if self.failed():
            verdict, message, answer = Verdict.UNKNOWN, UNPROVEN, None
        return Report(verdict, message, as_of, tuple(self.by_name[name] for name in NAMES), answer)


class Checker:
    """Checks what is brought against the register, fresh every time: nothing here is cached."""

    def __init__(
        self,
        store: Store,
        *,
        data_keys: DataKeys,
        deadline_s: float,
        revoked_public: bool = True,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """As `Lookup`."""
        self._store = store
        self._keys = data_keys
        self._deadline_s = deadline_s
        self._revoked_public = revoked_public
        self._now = now

    async def check(self, text: str) -> Report:
        """The report for an address, digits, scan code, credential, receipt or signed list. Raises Unavailable; nothing else.

        Keys, certificate and what was signed are read in one snapshot of the primary.
        """
        typ = statement_type(text.strip())
        if typ is not None:
            check = self._check_receipt if typ == RECEIPT_TYPE else self._check_results
            return await check(text.strip())
        checks = _Checks()
        at = self._now()
        as_of = instant(to_micros(at))
        # 1. It can be read, or nothing more is said.
        brought = _read(text, checks)
        if brought is None:
            return checks.report(Verdict.UNKNOWN, UNPROVEN, as_of)
        # 2. One snapshot holds everything that the checks compare with.
        proven = await self._proven(brought)
        one = self._shown(proven.certificate)
        # 3. Who signed it, and is it unaltered?
        if brought.kid is not None:
            _check_signature(brought, proven.keys, checks)
        # 4. Does the register hold it, say the same, and did the key count when the ledger recorded it?
        if one is None:
            if proven.lost.any and not checks.failed():  # it may be what a restore did not bring back
                raise Unavailable(LOST)
            return _absent(brought, checks, as_of)
        copy = next(copy for copy in one.copies if copy.scan_code == brought.scan_code)
        if brought.kid is not None:
            self._check_register(brought, proven, one, copy, checks)
        else:
            for name in NAMES[1:5]:
                checks.put(name, Outcome.SKIPPED, BARE.zh, BARE.en)
        # 5. What the register says now.
        return self._finish(brought, one, copy, proven, checks, at)

    async def _check_receipt(self, text: str) -> Report:
        """A receipt: did this service give it, what did it say, and what does the register say now?"""
        checks = _Checks()
        at = self._now()
        as_of = instant(to_micros(at))
        try:
            claims, payload = read_receipt(text)
        except Unreadable as error:
            checks.put("readable", False, error.detail.zh, error.detail.en)
            return checks.report(Verdict.UNKNOWN, UNPROVEN, as_of)
        checks.put("readable", True, "可以识别。", "It can be read.")
        # 1. One snapshot: what was recorded when it was given, its key, and its certificates as they are.
        kept = await self._kept(statement_kid(text), claims)
        # 2. The operator signed it, with a key that counted when the register recorded it.
        _check_operator(partial(verify_receipt, text), kept.key, checks)
        if kept.given is not None and kept.key is not None and not checks.failed():
            _check_window(kept.key, kept.given.given_at, checks)
        # 3. A stolen key makes no receipt: the register remembers each one that was given.
        given = kept.given is not None and kept.given.digest == hashlib.sha256(payload).digest()
        if given:
            checks.put(
                "matches-register", True, "登记库有该回执的记录。", "The register recorded this receipt."
            )
        else:
            checks.put("matches-register", False, "登记库没有该回执的记录。",
                       "The register recorded no such receipt.")  # fmt: skip
        # 4. What it said then, beside what the register says now.
        now = [
            (seen.number, Verdict.UNAVAILABLE if seen.number in kept.lost.numbers else
             self._verdict_now(kept.now.get(seen.number), at))
            for seen in claims.answers
        ]  # fmt: skip
        verdicts = [verdict for _, verdict in now] or [Verdict.UNKNOWN]
        verdict = next((one for one in verdicts if one is not Verdict.VALID), Verdict.VALID)
        checks.put("status", verdict is Verdict.VALID, MESSAGES[verdict].zh, MESSAGES[verdict].en)
        told = _told(claims) | {"now": [{"number": number, "verdict": one} for number, one in now]}
        report = checks.report(verdict, MESSAGES[verdict], as_of)
        return report if checks.failed() else msgspec.structs.replace(report, receipt=told)

    async def _check_results(self, text: str) -> Report:
        """The signature of an employer's list: is it this service's, and which file of results does it name?"""
        checks = _Checks()
        as_of = instant(to_micros(self._now()))
        try:
            claims = read_result_list(text)
        except Unreadable as error:
            checks.put("readable", False, error.detail.zh, error.detail.en)
            return checks.report(Verdict.UNKNOWN, UNPROVEN, as_of)
        checks.put("readable", True, "可以识别。", "It can be read.")
        one, key = await self._read(partial(read_signed_list, statement_kid(text), claims.jti))
        _check_operator(partial(verify_result_list, text), key, checks)
        done = None if one is None else one.done_at
        if done is not None and key is not None and not checks.failed():
            _check_window(key, done, checks)
        # The register remembers which file was signed: a stolen key makes no other.
        counts = (claims.total, claims.found, claims.missed, claims.failed)
        digest = None if one is None or one.digest is None else one.digest.hex()
        same = one is not None and one.counts == counts and digest == claims.results_sha256
        if same:
            checks.put(
                "matches-register", True, "登记库有该批查验的记录。", "The register recorded this check."
            )
        else:
            checks.put("matches-register", False, "登记库没有该批查验的记录。",
                       "The register recorded no such check.")  # fmt: skip
        report = checks.report(Verdict.UNAVAILABLE, LISTED, as_of)
        return report if checks.failed() else msgspec.structs.replace(report, results=_listed(claims))

    async def _kept(self, kid: str, claims: Receipt) -> Kept:
        numbers = [seen.number for seen in claims.answers]
        return await self._read(partial(read_kept, kid, claims.jti, numbers))

    async def _read(self, program: Callable[[], Program[T]]) -> T:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._store.read(program)
        except (StoreFailed, TimeoutError) as error:
            hint = error.hint if isinstance(error, StoreFailed) else "the store did not answer in time"
            raise Unavailable(hint=hint) from error

    def _verdict_now(self, one: Certificate | None, at: dt.datetime) -> Verdict:
        shown = self._shown(one)
        return Verdict.UNKNOWN if shown is None else verdict_of(effective_status(shown, at))

    async def _proven(self, brought: Presented) -> Proven:
        kids = [brought.kid] if brought.kid is not None else []
        return await self._read(partial(read_proven, brought.scan_code, kids))

    def _shown(self, one: Certificate | None) -> Certificate | None:
        hidden = one is not None and one.status is Status.REVOKED and not self._revoked_public
        return None if hidden else one

    def _check_register(
        self, brought: Presented, proven: Proven, one: Certificate, copy: Copy, checks: _Checks
    ) -> None:
        assert brought.claims is not None and brought.kid is not None
        key = proven.keys.get(brought.kid)
        if key is not None:
            _check_window(key, copy.issued_at, checks)
        personal = _opened(self._keys, one)
        as_signed = _is_original(self._keys, one.number, brought, proven)
        if brought.kid != copy.kid:
            checks.put("matches-register", False, "签名密钥与登记的不是同一把。",
                       "It was signed with another key than the register recorded.")  # fmt: skip
            return
        differing = differences(brought.claims, one, personal)
        if not differing:
            checks.put("matches-register", True, "与登记内容一致。", "It says what the register says.")
        elif as_signed and copy.state is CopyState.REPLACED:
            checks.put("matches-register", True, "与当时核发的内容一致；此后登记内容已更正。",
                       "It is what was issued then; the register has been corrected since.")  # fmt: skip
        else:
            zh = "、".join(words.zh for words in differing)
            en = ", ".join(words.en for words in differing)
            checks.put(
                "matches-register", False, f"与登记不一致：{zh}。", f"It differs from the register: {en}."
            )

    def _finish(
        self,
        brought: Presented,
        one: Certificate,
        copy: Copy,
        proven: Proven,
        checks: _Checks,
        at: dt.datetime,
    ) -> Report:
        micros, as_of = to_micros(at), instant(to_micros(at))
        latest = one.copies[-1].number
        if copy.number == latest:
            checks.put(
                "current-copy", True, f"第{copy.number}份，为最新的一份。", f"Copy {copy.number}, the latest."
            )
        else:
            checks.put("current-copy", False, f"这是第{copy.number}份，现为第{latest}份。",
                       f"This is copy {copy.number}; copy {latest} took its place.")  # fmt: skip
        verdict = verdict_of(effective_status(one, at))
        message = MESSAGES[verdict]
        checks.put("status", verdict is Verdict.VALID, message.zh, message.en)
        entry = full_entry(
            one, _opened(self._keys, one), (b"", b""), Agency(one.face.agency, proven.agency), micros, 0
        )
        return checks.report(verdict, message, as_of, full_bytes(entry, as_of.encode(), brought.scan_code))


def _told(claims: Receipt) -> dict[str, object]:
    return {
        "id": claims.jti, "employer": claims.employer, "asked": claims.asked, "as_of": claims.as_of,
        "seq": claims.seq, "then": claims.answers,
    }  # fmt: skip


def _listed(claims: ResultList) -> dict[str, object]:
    return {
        "id": claims.jti, "employer": claims.employer, "done_at": _from_seconds(claims.iat),
        "total": claims.total, "found": claims.found, "missed": claims.missed, "failed": claims.failed,
        "results_sha256": claims.results_sha256,
    }  # fmt: skip


def _check_operator(
    verify: Callable[[Mapping[str, PublicKey]], object], key: PublicKey | None, checks: _Checks
) -> None:
    """Whether the operator's statement key signed it; an agency's, the root or a foreign key never counts."""
    try:
        verify({} if key is None else {key.kid: key})
    except UnknownKey:
        checks.put(
            "issuer-known", False, "签名密钥不是本系统运营方的。", "The key is none of this operator's."
        )
        return
    except (BadSignature, Unreadable) as error:
        checks.put("authentic", False, error.detail.zh, error.detail.en)
        return
    assert key is not None  # without it the key is unknown
    checks.put("authentic", True, "签名与内容相符。", "The signature fits the content.")
    checks.put("issuer-known", True, f"签名方：{key.owner_name.zh}。", f"Signed by {key.owner_name.en}.")


def _is_original(keys: DataKeys, number: str, brought: Presented, proven: Proven) -> bool:
    """Whether what was brought is byte for byte what was signed for this copy."""
    if proven.issued is None:
        return False
    copy, token, credential = proven.issued
    try:
        if brought.token is not None:
            return unseal_token(keys, number, copy, token) == brought.token
        return unseal_credential(keys, number, copy, credential) == brought.credential
    except (ProofFailed, Unreadable, BadKey):
        return False


def check_offline(text: str, trust: TrustList, now: dt.datetime) -> Report:
    """The report that a verified trust list allows: at best "authentic; status not checked since …".

    The verdict is `unavailable` when nothing speaks against it, `unknown` when something does; never `valid`.
    """
    typ = statement_type(text.strip())
    if typ is not None:
        return _statement_offline(text.strip(), typ, trust, now)
    checks = _Checks()
    as_of = instant(to_micros(now))
    brought = _read(text, checks)
    if brought is None:
        return checks.report(Verdict.UNKNOWN, UNPROVEN, as_of)
    if brought.claims is None or brought.kid is None:
        checks.skip_rest(BARE.join(OFFLINE))
        return checks.report(Verdict.UNAVAILABLE, BARE.join(OFFLINE), as_of)
    _check_signature(brought, trust.keys, checks)
    key = trust.keys.get(brought.kid)
    signed_at = None if brought.claims.issued_at is None else _from_seconds(brought.claims.issued_at)
    doubtful = key is not None and _check_window_offline(key, signed_at, checks)
    checks.skip_rest(OFFLINE)
    since = signed_at or trust.issued_at
    message = Words(
        f"签名真实；自{since:%Y-%m-%d %H:%M}（UTC）起的状态未核验。",
        f"Authentic; status not checked since {since:%Y-%m-%d %H:%M} UTC.",
    )
    return checks.report(Verdict.UNAVAILABLE, DOUBTFUL if doubtful else message, as_of)


def _statement_offline(text: str, typ: str, trust: TrustList, now: dt.datetime) -> Report:
    """What a trust list can say of a receipt or a signed list: that the operator said so then."""
    checks = _Checks()
    as_of = instant(to_micros(now))
    receipt: Receipt | None = None
    results: ResultList | None = None
    try:
        if typ == RECEIPT_TYPE:
            receipt, _ = read_receipt(text)
        else:
            results = read_result_list(text)
    except Unreadable as error:
        checks.put("readable", False, error.detail.zh, error.detail.en)
        return checks.report(Verdict.UNKNOWN, UNPROVEN, as_of)
    checks.put("readable", True, "可以识别。", "It can be read.")
    key = trust.keys.get(statement_kid(text))
    verify = verify_receipt if receipt is not None else verify_result_list
    _check_operator(partial(verify, text), key, checks)
    claims = receipt or results
    assert claims is not None  # one of them was read
    signed_at = _from_seconds(claims.iat)
    doubtful = key is not None and not checks.failed() and _check_window_offline(key, signed_at, checks)
    checks.skip_rest(OFFLINE)
    report = checks.report(Verdict.UNAVAILABLE, DOUBTFUL if doubtful else SAID_THEN, as_of)
    if checks.failed():
        return report
    if receipt is not None:
        return msgspec.structs.replace(report, receipt=_told(receipt) | {"now": ()})
    assert results is not None  # as above
    return msgspec.structs.replace(report, results=_listed(results))


SAID_THEN = Words(
    "签名真实：本系统当时是这样答复的。现在的状态未核验，请联网查询。",
    "Authentic: the service did say so then. The present status was not checked; ask online.",
)
LISTED = Words(
    "签名真实：文件的 SHA-256 须与下列一致。其中各证书现在的状态，请逐一查询。",
    "Authentic: the file's SHA-256 must be the one below. Ask about each certificate to learn what holds now.",
)
DOUBTFUL = Words(
    "签名密钥已泄露，离线不能区分泄露前后的签名，请联网核验。",
    "The signing key was compromised; only the register can tell what was signed before. Check online.",
)


def _read(text: str, checks: _Checks) -> Presented | None:
    try:
        brought = parse_presented(text)
    except (Unreadable, Invalid) as error:
        checks.put("readable", False, error.detail.zh, error.detail.en)
        return None
    checks.put("readable", True, "可以识别。", "It can be read.")
    return brought


def _check_signature(brought: Presented, keys: Mapping[str, PublicKey], checks: _Checks) -> None:
    key = keys.get(brought.kid or "")
    try:
        if brought.token is not None:
            verify_token(brought.token, keys)
        else:
            verify_jws(brought.credential or "", keys)
    except UnknownKey:
        checks.put(
            "issuer-known", False, "签名密钥不是本系统登记的。", "The signing key is none of this register's."
        )
        return
    except (BadSignature, Unreadable) as error:
        checks.put("authentic", False, error.detail.zh, error.detail.en)
    else:
        checks.put("authentic", True, "签名与内容相符。", "The signature fits the content.")
    assert key is not None  # an unknown key has left above
    checks.put("issuer-known", True, f"签名机构：{key.owner_name.zh}。", f"Signed by {key.owner_name.en}.")


def _check_window(key: PublicKey, recorded_at: dt.datetime, checks: _Checks) -> None:
    """The instant that counts is the ledger's: a thief of the key writes into a token what he likes."""
    match standing(key, recorded_at):
        case Standing.IN_FORCE:
            zh, en = "签发时密钥有效。", "The key was in force when this was signed."
            if key.compromised_at is not None:
                zh, en = zh + "密钥此后泄露，不影响此前的签发。", en + " The key was compromised later."
            checks.put("key-in-force", True, zh, en)
        case Standing.COMPROMISED:
            checks.put(
                "key-in-force", False, "签发时密钥已泄露。", "The key was compromised when this was signed."
            )
        case Standing.NOT_YET:
            checks.put(
                "key-in-force",
                False,
                "签发时密钥尚未启用。",
                "The key was not yet in force when this was signed.",
            )
        case Standing.ENDED:
            checks.put(
                "key-in-force", False, "签发时密钥已停用。", "The key was retired when this was signed."
            )


def _check_window_offline(key: PublicKey, signed_at: dt.datetime | None, checks: _Checks) -> bool:
    """Judged by the signer's own word, so a compromised key proves nothing; tells whether that is the case."""
    if key.compromised_at is not None and (signed_at is None or signed_at < key.compromised_at):
        checks.put("key-in-force", Outcome.SKIPPED, DOUBTFUL.zh, DOUBTFUL.en)
        return True
    if signed_at is None:
        checks.put("key-in-force", Outcome.SKIPPED, "未写明签名时间。", "It does not say when it was signed.")
    else:
        _check_window(key, signed_at, checks)
    return False


def _absent(brought: Presented, checks: _Checks, as_of: str) -> Report:
    """The register shows no such copy, whatever the reason."""
    message = MESSAGES[Verdict.UNKNOWN]
    if brought.kid is None:
        for name in NAMES[1:5]:
            checks.put(name, Outcome.SKIPPED, BARE.zh, BARE.en)
    else:
        checks.put("matches-register", False, "登记库中没有这一份。", "The register does not show this copy.")
    checks.put("status", False, message.zh, message.en)
    return checks.report(Verdict.UNKNOWN, message, as_of)


def _opened(keys: DataKeys, one: Certificate) -> Personal:
    try:
        return unseal_personal(keys, one.number, one.holder_sealed)
    except VerifyError as error:  # an altered seal is no statement about the certificate
        raise Unavailable(hint=error.hint) from error


def _from_seconds(seconds: int) -> dt.datetime | None:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (OverflowError, OSError, ValueError):
        return None
