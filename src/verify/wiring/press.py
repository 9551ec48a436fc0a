"""Presses for an event loop: a few threads, each with a press of its own, built when first needed."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from verify.documents.press import Press
from verify.documents.share import render_share
from verify.documents.sheet import Sheet

T = TypeVar("T")

PRESSES = 2
"""A page takes some tens of milliseconds of one core; more presses than cores only wait."""


class PressRoom:
    """Renders sheets beside the event loop. Safe to call concurrently."""

    def __init__(
        self, presses: int = PRESSES, *, templates_dir: Path | None = None, data_font: Path | None = None
    ) -> None:
        """Room for `presses` renderings at a time; none is built yet. The paths are as for `Press`."""
        self._threads = ThreadPoolExecutor(presses, thread_name_prefix="verify-press")
        self._own = threading.local()
        self._templates_dir = templates_dir
        self._data_font = data_font

    async def work(self, job: Callable[[Press], T]) -> T:
        """Whatever `job` makes with one of the presses, in its thread. Raises what `job` raises, and BadDocument
        when the press cannot be built."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: job(self._press()))

    async def png(self, sheet: Sheet, ppi: float = 144) -> bytes:
        """The sheet as PNG. Raises BadDocument."""
        return await self.work(lambda press: press.render_png(sheet, ppi))

    async def share(self, sheet: Sheet) -> bytes:
        """The card for a phone, PNG. Raises BadDocument."""
        return await self.work(lambda press: render_share(press, sheet))

    async def close(self) -> None:
        """Finish what is under way. The loop goes on meanwhile: a page that is being signed asks it for the signature."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    def _press(self) -> Press:
        press: Press | None = getattr(self._own, "press", None)
        if press is None:
            press = self._own.press = Press(templates_dir=self._templates_dir, data_font=self._data_font)
        return press
