"""Presses for an event loop: a few threads, each with a press of its own, built when first needed."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from verify.documents.press import Press
from verify.documents.sheet import Sheet

PRESSES = 2
"""A page takes some tens of milliseconds of one core; more presses than cores only wait."""


class PressRoom:
    """Renders sheets beside the event loop. Safe to call concurrently."""

    def __init__(self, presses: int = PRESSES) -> None:
        """Room for `presses` renderings at a time; none is built yet."""
        self._threads = ThreadPoolExecutor(presses, thread_name_prefix="verify-press")
        self._own = threading.local()

    async def pdf(self, sheet: Sheet) -> bytes:
        """The sheet as PDF. Raises BadDocument."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: self._press().render_pdf(sheet))

    async def png(self, sheet: Sheet, ppi: float = 144) -> bytes:
        """The sheet as PNG. Raises BadDocument."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: self._press().render_png(sheet, ppi))

    def close(self) -> None:
        """Finish what is under way."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _press(self) -> Press:
        press: Press | None = getattr(self._own, "press", None)
        if press is None:
            press = self._own.press = Press()
        return press
