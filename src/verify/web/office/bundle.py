"""All files of a batch as one ZIP, made while it is sent: some files are in memory, whatever the batch's size.

Each file is kept when it is first made, so a download that broke off is taken up by asking again: what was made is
only read. Members are stored, not packed: PDFs are packed already.
"""

import asyncio
import csv
import io
import zipfile
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from verify.errors import BadDocument, Conflict, NotFound, VerifyError, Words
from verify.issuance.caller import Caller
from verify.issuance.papers import Paper
from verify.wiring.desks import OfficeHouse
from verify.wiring.press import PRESSES

AHEAD: Final = 2 * PRESSES
"""Files under way at once."""
PAGE_ROWS: Final = 500
LEFT_OUT: Final = "left-out.csv"
"""Names the certificates of the batch that have no file, and why; there only when there are some."""
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""The same batch gives the same bytes."""

Made = tuple[str, asyncio.Task[Paper | VerifyError]]


async def bundle(desk: OfficeHouse, batch: str, caller: Caller, template: str) -> AsyncIterator[bytes]:
    """The bytes of the ZIP, in order of the rows; rows without a number are left out.

    A certificate that may not be printed any more, or cannot be, is named in `left-out.csv`. Raises StoreFailed,
    BadKey, Unavailable in the middle: the connection then breaks, and the ZIP has no end.
    """
    out = _Pipe()
    left: list[tuple[str, Words]] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        async for number, made in _in_order(desk, batch, caller, template):
            if isinstance(made, Paper):
                archive.writestr(zipfile.ZipInfo(made.name, _EARLIEST), made.data)
            else:
                left.append((number, made.detail))
            yield out.take()
        if left:
            archive.writestr(zipfile.ZipInfo(LEFT_OUT, _EARLIEST), _table(left))
    yield out.take()


async def _in_order(
    desk: OfficeHouse, batch: str, caller: Caller, template: str
) -> AsyncIterator[tuple[str, Paper | VerifyError]]:
    """Each number with its file, `AHEAD` of them under way."""
    under_way: deque[Made] = deque()
    try:
        async for number in _numbers(desk, batch, caller):
            task = asyncio.create_task(_one(desk, number, caller, template))
            under_way.append((number, task))
            if len(under_way) >= AHEAD:
                number, task = under_way.popleft()
                yield number, await task
        while under_way:
            number, task = under_way.popleft()
            yield number, await task
    finally:  # who asked is gone: what was not begun is not made
        for _, task in under_way:
            task.cancel()
        await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)


async def _one(desk: OfficeHouse, number: str, caller: Caller, template: str) -> Paper | VerifyError:
    try:
        return await desk.papers.pdf(number, caller, template)
    except (Conflict, BadDocument, NotFound) as error:
        return error


async def _numbers(desk: OfficeHouse, batch: str, caller: Caller) -> AsyncIterator[str]:
    after, seen = 0, PAGE_ROWS
    while seen == PAGE_ROWS:
        rows = await desk.batches.results(batch, caller, states=("issued",), after=after, limit=PAGE_ROWS)
        seen = len(rows)
        for _, row in rows:
            after = row.row
            if row.number is not None:
                yield row.number


def _table(left: list[tuple[str, Words]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("number", "detail", "detail_zh"))
    writer.writerows((number, why.en, why.zh) for number, why in left)
    return "\ufeff".encode() + out.getvalue().encode()


class _Pipe(io.RawIOBase):
    """Takes what the archive writes and gives it away; it cannot go back, so sizes follow their members."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]  # RawIOBase's Buffer has no name before 3.12
        self._held += piece
        return len(piece)

    def take(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._held)
        self._held.clear()
        return data
