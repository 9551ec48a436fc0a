"""Lists of thousands of questions: taken in whole, worked off in small chunks, signed when done.

Questions lie sealed until they are answered, results until they are dropped; any node takes up what waits.
"""

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal

import msgspec

from verify.certificate.status import Verdict
from verify.employers.operator import OperatorSigner
from verify.employers.questions import Question, Row, ask, faults_of, read_list, trimmed
from verify.errors import (
    Conflict,
    Fault,
    Invalid,
    KeyReused,
    NotFound,
    ProofFailed,
    StoreFailed,
    TooMany,
    Unavailable,
    Words,
)
from verify.lookup.check import Checker
from verify.lookup.scan import Lookup
from verify.proof.receipt import RESULT_TYPE, ResultList, assemble_signed, operator_signing_input
from verify.proof.sealing import DataKeys
from verify.store.contract import Store
from verify.store.employers import (
    EmployerCheck,
    KeyTaken,
    QuotaSpent,
    SealedRow,
    check_rows,
    drop_rows,
    find_check,
    finish_questions,
    keep_digest,
    open_check,
    result_place,
    unfinished_checks,
    waiting_questions,
)
from verify.store.journal import Origin
from verify.store.register import Credential

CHUNK: Final = 40
"""Questions between two commits: some milliseconds of the process."""
AT_ONCE: Final = 8
"""Questions that wait for one look at the register together."""
PAUSE_S: Final = 0.02
"""After each chunk everybody else has his turn."""
IDLE_S: Final = 5.0
RESULT_LIFE: Final = dt.timedelta(days=30)
"""How long results can be fetched. The record that there was a check stays for ever (at least three years:
Regulations on Network Data Security Management, art. 12)."""


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one row."""

    row: int
    ref: str = ""
    verdict: str | None = None
    """None where the row could not be asked."""
    as_of: str | None = None
    answers: tuple[dict[str, Any], ...] = ()
    errors: tuple[Fault, ...] = ()


_encode = msgspec.json.Encoder().encode
_question = msgspec.json.Decoder(Question).decode
_result = msgspec.json.Decoder(Result).decode


class Lists:
    """The desk for lists. Safe to call concurrently; several nodes may work on one register."""

    def __init__(
        self,
        store: Store,
        lookup: Lookup,
        checker: Checker,
        signer: OperatorSigner,
        *,
        data_keys: DataKeys,
        public_url: str,
        now: Callable[[], dt.datetime],
        random: Callable[[int], bytes] = os.urandom,
        daily_rows: int = 20_000,
    ) -> None:
        """`daily_rows`: rows that one employer may ask about in 24 hours; 0 sets no bound.

        `public_url` without a slash at its end; `now` gives aware UTC.
        """
        self._store = store
        self._lookup = lookup
        self._checker = checker
        self._signer = signer
        self._keys = data_keys
        self._public_url = public_url
        self._now = now
        self._random = random
        self._daily_rows = daily_rows
        self._wake = asyncio.Event()

    async def receive(
        self, body: bytes, form: Literal["csv", "ndjson"], key: str, credential: Credential
    ) -> EmployerCheck:
        """Take in one list; its questions are asked after the return. The same key and bytes give the same check.

        Raises Malformed, TooLarge, KeyReused for other bytes under a key that was used, and TooMany past the
        day's rows: lists must not become the way to guess people.
        """
        rows = await asyncio.to_thread(read_list, body, form)
        now, check_id = self._now(), f"ec_{self._random(12).hex()}"
        tag = self._keys.request_tag(f"employer-check\0{form}\0".encode() + hashlib.sha256(body).digest())
        sealed = await asyncio.to_thread(self._sealed, check_id, rows)
        failed = sum(row.state == "failed" for row in sealed)
        check = EmployerCheck(check_id, credential.id, now, None, len(rows), 0, 0, failed, tag)
        origin = Origin(credential.id, now, tag)
        kept = await self._store.write(
            lambda: open_check(check, key, sealed, origin, daily_rows=self._daily_rows)
        )
        if isinstance(kept, QuotaSpent):
            raise TooMany(
                Words(
                    f"24 小时内最多查验 {self._daily_rows} 行；{kept.free_at:%Y-%m-%d %H:%M}（UTC）后可再提交。",
                    f"At most {self._daily_rows} rows in 24 hours; send this list after {kept.free_at:%Y-%m-%d %H:%M} UTC.",
                )
            )
        if isinstance(kept, KeyTaken):
            raise KeyReused(hint="send a new Idempotency-Key for a new list")
        self._wake.set()
        return kept

    def _sealed(self, check_id: str, rows: list[Row]) -> list[SealedRow]:
        return [
            self._kept(check_id, "waiting", i, row)
            if isinstance(row, Question)
            else self._kept(check_id, "failed", i, Result(i, errors=row))
            for i, row in enumerate(rows, 1)
        ]

    def _kept(self, check_id: str, state: str, row: int, what: Question | Result) -> SealedRow:
        return SealedRow(row, state, self._keys.seal(_encode(what), result_place(check_id, row)))

    # --- asking -----------------------------------------------------------------------------------------

    async def find(self, check_id: str, credential: Credential) -> EmployerCheck:
        """How far a list got. Raises NotFound, for another employer's too."""
        check = await self._store.read(lambda: find_check(check_id))
        if check is None or check.employer != credential.id:
            raise NotFound(Words("没有该批查验。", "There is no such check."))
        return check

    async def results(
        self, check_id: str, credential: Credential, *, after: int = 0, limit: int = 1000
    ) -> list[tuple[str, Result | None]]:
        """A page of rows in order: state and result, None while it waits. Raises NotFound."""
        check = await self.find(check_id, credential)
        rows = await self._store.read(lambda: check_rows(check.id, after, limit))
        return [(row.state, self._opened(check.id, row)) for row in rows]

    async def whole(self, check_id: str, credential: Credential) -> tuple[EmployerCheck, bytes]:
        """The NDJSON file of all results, the same bytes each time.

        Raises NotFound, also once the results were dropped; Conflict while rows wait.
        """
        check = await self.find(check_id, credential)
        if check.done_at is None:
            raise Conflict(Words("该批查验尚未完成。", "This check is not done yet."))
        rows = await self._store.read(lambda: check_rows(check.id, 0, check.total))
        if not rows:
            raise NotFound(Words("结果已过保存期。", "The results were dropped after their time."))
        return check, await asyncio.to_thread(self._lines, check.id, rows)

    async def found_numbers(self, check_id: str, credential: Credential) -> list[str]:
        """The certificates that a finished list found. Raises NotFound, Conflict as `whole`."""
        check = await self.find(check_id, credential)
        if check.done_at is None:
            raise Conflict(Words("该批查验尚未完成。", "This check is not done yet."))
        rows = await self._store.read(lambda: check_rows(check.id, 0, check.total))
        if not rows:
            raise NotFound(Words("结果已过保存期。", "The results were dropped after their time."))
        return await asyncio.to_thread(self._numbers_in, check.id, rows)

    def _numbers_in(self, check_id: str, rows: list[SealedRow]) -> list[str]:
        results = [self._opened(check_id, row) for row in rows if row.state == "found"]
        return sorted({answer["number"] for one in results if one is not None for answer in one.answers})

    async def sign(self, check_id: str, credential: Credential) -> str:
        """The signed statement about the finished list, a compact JWS that names the file by its digest.

        The digest is kept before it is signed, so that the signature can be checked after the results are dropped.
        Raises as `whole`, and BadKey.
        """
        check, lines = await self.whole(check_id, credential)
        assert check.done_at is not None  # `whole` gives finished ones only
        digest, origin = hashlib.sha256(lines), Origin(credential.id, self._now(), check.request)
        await self._store.write(lambda: keep_digest(check.id, digest.digest(), origin))
        payload = _encode(
            ResultList(
                iss=self._public_url, jti=check.id, iat=int(check.done_at.timestamp()),
                employer=credential.name, total=check.total, found=check.found, missed=check.missed,
                failed=check.failed, results_sha256=digest.hexdigest(),
            )
        )  # fmt: skip
        message, signature = await self._signer.sign(
            lambda key: operator_signing_input(key, RESULT_TYPE, payload)
        )
        return assemble_signed(message, signature)

    def _lines(self, check_id: str, rows: list[SealedRow]) -> bytes:
        return b"".join(_encode(self._opened(check_id, row)) + b"\n" for row in rows)

    def _opened(self, check_id: str, row: SealedRow) -> Result | None:
        if row.state == "waiting":
            return None
        return _result(self._keys.unseal(row.sealed, result_place(check_id, row.row)))

    # --- working ----------------------------------------------------------------------------------------

    async def work_once(self) -> int:
        """Answer one chunk of every list that waits, oldest first; returns how many rows were dealt with.

        Rows whose state could not be established stay waiting. Raises StoreFailed, Unavailable.
        """
        done = 0
        for check in await self._store.read(unfinished_checks):
            done += await self._work_on(check)
            await asyncio.sleep(PAUSE_S)
        return done

    async def _work_on(self, check: EmployerCheck) -> int:
        waiting = await self._store.read(lambda: waiting_questions(check.id, CHUNK))
        results: list[tuple[str, Result]] = []
        for at in range(0, len(waiting), AT_ONCE):
            part = waiting[at : at + AT_ONCE]
            results += await asyncio.gather(*(self._answer(check.id, row, sealed) for row, sealed in part))
        kept = [self._kept(check.id, state, result.row, result) for state, result in results]
        tally = Counter(answer["number"] for _, result in results for answer in result.answers)
        now = self._now()
        await self._store.write(lambda: finish_questions(check, kept, tally, now))
        return len(kept)

    async def _answer(self, check_id: str, row: int, sealed: bytes) -> tuple[str, Result]:
        question = _question(self._keys.unseal(sealed, result_place(check_id, row)))
        try:
            found = await ask(question, self._lookup, self._checker)
        except (Invalid, ProofFailed) as error:
            return "failed", Result(row, question.ref, errors=faults_of(error))
        shown = tuple(trimmed(answer) for answer in found.answers)
        state = "missed" if found.verdict == Verdict.UNKNOWN else "found"
        return state, Result(row, question.ref, found.verdict, found.as_of, shown)

    async def work(self) -> None:
        """Deal with lists as they come, until cancelled; failures of the store are waited out."""
        while True:
            self._wake.clear()
            done = 0
            with contextlib.suppress(StoreFailed, Unavailable):
                done = await self.work_once()
            if not done:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), IDLE_S)

    async def sweep(self) -> None:
        """Drop results older than `RESULT_LIFE`."""
        await self._store.write(partial(drop_rows, self._now() - RESULT_LIFE))
