"""What `/readyz` asks of the key files of an office node."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from verify.errors import BadKey, Words
from verify.office.keys import KeyFault
from verify.store.contract import Store, run

AGAIN_S: Final = 60.0
"""Keys that were bad are opened again after so long, or when a file or the register's list of keys changed."""
WAIT_S: Final = 1.0
"""Longest wait for the outcome of a check: opening a key costs 45 ms by design, and there may be hundreds. Until it
is there, the outcome before counts."""


class KeysReady:
    """Whether every active key loads, signs and verifies. The house opened, so they were good then."""

    def __init__(self, folder: Path, store: Store, check: Callable[[], Awaitable[list[KeyFault]]]) -> None:
        """`check` opens every active key of `folder`."""
        self._folder = folder
        self._store = store
        self._check = check
        self._seen: object = None
        self._fault: KeyFault | None = None
        self._checking: asyncio.Task[None] | None = None
        self._again_at = 0.0

    async def __call__(self) -> bool:
        """Raises BadKey that names the first key that cannot sign."""
        rows = await self._store.read(lambda: run("list_signing_keys"), snapshot=False)
        seen = (await asyncio.to_thread(_files, self._folder), [(row[0], row[8]) for row in rows])
        late = self._fault is not None and time.monotonic() > self._again_at
        if self._checking is None and (late or self._seen not in (None, seen)):
            self._checking = asyncio.create_task(self._look(), name="check the key files")
        self._seen = seen
        if self._checking is not None:
            await asyncio.wait([self._checking], timeout=WAIT_S)
        if self._fault is not None:
            fault = self._fault
            detail = Words(
                f"密钥 {fault.kid}（{fault.owner}）不能签名：{fault.detail.zh}",
                f"Key {fault.kid} of {fault.owner} cannot sign: {fault.detail.en}",
            )
            raise BadKey(detail, hint=fault.hint)
        return True

    async def _look(self) -> None:
        try:
            faults = await self._check()
            self._fault = faults[0] if faults else None
            self._again_at = time.monotonic() + AGAIN_S
        finally:
            self._checking = None


def _files(folder: Path) -> list[tuple[str, int, int, int, int]]:
    """What tells a changed file: its name, time, size, mode and owner."""
    try:
        found = [(path.name, path.stat()) for path in folder.glob("*.pem")]
    except OSError:
        return []
    return sorted((name, s.st_mtime_ns, s.st_size, s.st_mode, s.st_uid) for name, s in found)
