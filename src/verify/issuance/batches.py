"""Rosters that arrive over a network: received whole or not at all, then issued in chunks by a work loop.

Rows wait sealed in the register, so that a node that dies loses nothing: any node takes up what waits.
"""

import asyncio
import contextlib
import datetime as dt
import hashlib
from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec

from verify.certificate.form import IssueRequest
from verify.errors import BadKey, Fault, KeyReused, NotFound, NotReady, StoreFailed, Words
from verify.issuance.caller import Caller, check_key
from verify.issuance.issue import CHUNK, Issuance
from verify.issuance.roster import Format, RosterRow, read_roster, without_identity
from verify.issuance.rows import RowKeys, RowResult, issue_rows
from verify.proof.sealing import DataKeys
from verify.store.batches import (
    Batch,
    KeyTaken,
    WaitingRow,
    add_rows,
    batch_rows,
    broken_uploads,
    close_upload,
    discard_batch,
    find_batch,
    finish_rows,
    open_batch,
    ready_batches,
    waiting_rows,
)
from verify.store.batches import RowResult as StoredResult
from verify.store.certificates import find_keys
from verify.store.journal import Origin

UPLOAD_LIFE = dt.timedelta(hours=24)
"""After that an upload that never ended is swept away."""
IDLE_S = 5.0
"""How often the work loop looks by itself; an upload here wakes it at once."""


class Kept(msgspec.Struct, frozen=True):
    """A row as it waits, sealed."""

    key: str
    line: int
    row_id: str
    request: IssueRequest


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a dealt-with row beside its number. Holds no personal data."""

    line: int
    row_id: str = ""
    code: str = ""
    faults: tuple[Fault, ...] = ()
    already: bool = False


_encode = msgspec.json.Encoder().encode
_kept = msgspec.json.Decoder(Kept).decode
_told = msgspec.json.Decoder(Told).decode


class Batches:
    """The desk for uploads. Safe to call concurrently; several nodes may work on one register."""

    def __init__(self, issuance: Issuance) -> None:
        """Issues through the issuing desk."""
        self._desk = issuance
        self._wake = asyncio.Event()

    async def receive(
        self,
        pieces: AsyncIterator[bytes],
        form: Format,
        key: str,
        caller: Caller,
        *,
        agency: str | None = None,
    ) -> tuple[Batch, bool]:
        """Take in one roster; returns the batch and whether it is new. Its rows are issued after the return.

        An upload that breaks off leaves nothing, and the same key starts again. The same key and bytes again
        give the same batch. `agency` names the agency for the operator. Raises KeyReused for other bytes,
        Malformed or Invalid when the roster as a whole cannot be read, TooLarge.
        """
        code = caller.agency or agency
        if code is None:
            raise NotFound(Words("请指明机构。", "Name the agency that issues."))
        known = await self._desk.store.read(lambda: find_keys(code, [check_key(key)]))
        hashing = _Hashing(pieces, self._desk.data_keys)
        if key in known:  # nothing is stored of a repeated upload; only its bytes are compared
            await hashing.drain()
            if known[key].request != hashing.digest(form):
                raise KeyReused(hint="send a new Idempotency-Key for a new roster")
            return await self.find(known[key].result, caller), False
        return await self._store(hashing, form, key, code, caller)

    async def _store(
        self, hashing: "_Hashing", form: Format, key: str, agency: str, caller: Caller
    ) -> tuple[Batch, bool]:
        desk = self._desk
        batch_id = f"b_{desk.random(12).hex()}"
        origin = Origin(caller.actor, desk.now())
        await desk.store.write(lambda: open_batch(batch_id, agency, origin))
        try:
            total, failed = await self._receive_rows(hashing, form, batch_id, agency)
            digest = hashing.digest(form)
            origin = Origin(caller.actor, desk.now(), digest)
            batch = await desk.store.write(
                lambda: close_upload(batch_id, agency, key, digest, total, failed, origin)
            )
        except BaseException:
            with contextlib.suppress(StoreFailed):
                await asyncio.shield(desk.store.write(lambda: discard_batch(batch_id)))
            raise
        if isinstance(batch, KeyTaken):
            raise KeyReused(hint="send a new Idempotency-Key for a new roster")
        self._wake.set()
        return batch, batch.id == batch_id

    async def _receive_rows(
        self, hashing: "_Hashing", form: Format, batch_id: str, agency: str
    ) -> tuple[int, int]:
        """Store the rows of an upload, sealed; returns how many, and how many cannot be read."""
        desk = self._desk
        keys = RowKeys(desk.data_keys, agency)
        total = failed = 0
        async for rows in read_roster(hashing, form):
            for at in range(0, len(rows), CHUNK):
                part = [self._waiting(batch_id, row, keys) for row in rows[at : at + CHUNK]]
                total += len(part)
                failed += sum(row.faults is not None for row in part)
                await desk.store.write(partial(add_rows, batch_id, part))
        return total, failed

    def _waiting(self, batch_id: str, row: RosterRow, keys: RowKeys) -> WaitingRow:
        if row.request is None:
            faults = tuple(without_identity(fault) for fault in row.faults)
            told = Told(row.line, row.row_id, "invalid", faults)
            return WaitingRow(row.row, None, _encode(told).decode())
        kept = Kept(keys.key(row.request), row.line, row.row_id, row.request)
        return WaitingRow(row.row, self._desk.data_keys.seal(_encode(kept), _place(batch_id, row.row)))

    # --- asking -----------------------------------------------------------------------------------------

    async def find(self, batch_id: str, caller: Caller) -> Batch:
        """How far a batch got. Raises NotFound, for another agency's too."""
        batch = await self._desk.store.read(lambda: find_batch(batch_id))
        if batch is None or batch.state == "receiving" or caller.agency not in (None, batch.agency):
            raise NotFound(Words("没有该批次。", "There is no such batch."))
        return batch

    async def results(
        self,
        batch_id: str,
        caller: Caller,
        *,
        states: Sequence[str] = ("waiting", "issued", "failed"),
        after: int = 0,
        limit: int = 1000,
    ) -> list[tuple[str, RowResult]]:
        """A page of rows in order: state (`waiting`, `issued`, `failed`) and result. Raises NotFound."""
        await self.find(batch_id, caller)
        rows = await self._desk.store.read(lambda: batch_rows(batch_id, after, states, limit))
        return [(row.state, _result(row)) for row in rows]

    # --- working ----------------------------------------------------------------------------------------

    async def work_once(self) -> int:
        """Issue one chunk of every batch that waits, oldest first; returns how many rows were dealt with.

        A batch whose agency has no usable key, or for whose key the clock is wrong, stays waiting. Raises StoreFailed.
        """
        done = 0
        for batch in await self._desk.store.read(ready_batches):
            with contextlib.suppress(BadKey, NotReady):
                done += await self._work_on(batch)
        return done

    async def _work_on(self, batch: Batch) -> int:
        desk = self._desk
        waiting = await desk.store.read(lambda: waiting_rows(batch.id, CHUNK))
        kept = [(row, _kept(desk.data_keys.unseal(sealed, _place(batch.id, row)))) for row, sealed in waiting]
        rows = [(RosterRow(row, k.line, k.request, (), k.row_id), k.key) for row, k in kept]
        results = [_stored(result) for result in await issue_rows(desk, batch.agency, rows, batch.actor)]
        await desk.store.write(lambda: finish_rows(batch.id, results))
        return len(results)

    async def work(self) -> None:
        """Deal with uploads as they come, until cancelled; failures of the store are waited out."""
        while True:
            self._wake.clear()
            done = 0
            with contextlib.suppress(StoreFailed):
                done = await self.work_once()
            if not done:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), IDLE_S)

    async def sweep(self) -> int:
        """Throw away uploads that broke off more than a day ago; returns how many."""
        before = self._desk.now() - UPLOAD_LIFE
        broken = await self._desk.store.read(lambda: broken_uploads(before))
        for batch_id in broken:
            await self._desk.store.write(partial(discard_batch, batch_id))
        return len(broken)


class _Hashing:
    """Passes pieces on and takes the digest of all of them, wherever they were cut."""

    def __init__(self, pieces: AsyncIterator[bytes], data_keys: DataKeys) -> None:
        self._pieces = pieces
        self._data_keys = data_keys
        self._hash = hashlib.sha256()

    def __aiter__(self) -> "_Hashing":
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._pieces)
        self._hash.update(piece)
        return piece

    async def drain(self) -> None:
        async for _ in self:
            pass

    def digest(self, form: Format) -> bytes:
        return self._data_keys.request_tag(b"batch\0" + form.value.encode() + b"\0" + self._hash.digest())


def _place(batch_id: str, row: int) -> bytes:
    return f"{batch_id}/{row}".encode()


def _stored(result: RowResult) -> StoredResult:
    told = Told(result.line, result.row_id, result.code, result.faults, result.already)
    state = "failed" if result.number is None else "issued"
    return StoredResult(result.row, state, result.number, _encode(told).decode())


def _result(row: StoredResult) -> RowResult:
    told = _told(row.faults) if row.faults else Told(0)
    return RowResult(
        row.row, told.line, told.row_id, row.number, already=told.already, code=told.code, faults=told.faults
    )
