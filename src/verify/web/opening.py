"""A dependency that may be missing at start: tried again until it opens, so that the process need not die (A3)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from verify.errors import NotReady, VerifyError, Words
from verify.telemetry import log

S = TypeVar("S")
T = TypeVar("T")

RETRY_S: Final = 1.0


class Opening(Generic[T]):
    """Holds what `open_it` gives as soon as it succeeds."""

    def __init__(self, name: str, open_it: Callable[[], Awaitable[T]]) -> None:
        """`name` stands in `/readyz` and in the log."""
        self.name = name
        self._open = open_it
        self._value: T | None = None
        self._task: asyncio.Task[None] | None = None
        self._opened = asyncio.Event()
        self.trouble: VerifyError | None = None
        """Why it is not open yet."""

    def now(self) -> T:
        """What was opened. Raises NotReady until then."""
        if self._value is None:
            raise NotReady
        return self._value

    def get(self) -> T | None:
        """What was opened, or None."""
        return self._value

    async def wait(self) -> T:
        """What was opened, as soon as it is."""
        await self._opened.wait()
        return self.now()

    async def start(self) -> None:
        """Try once, and go on trying in the background when that fails."""
        if not await self._attempt():
            self._task = asyncio.create_task(self._keep_trying(), name=f"open {self.name}")

    async def stop(self) -> T | None:
        """Stop trying; what was opened is the caller's to close."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        value, self._value = self._value, None
        return value

    async def _keep_trying(self) -> None:
        opened = False
        while not opened:
            await asyncio.sleep(RETRY_S)
            opened = await self._attempt()

    async def _attempt(self) -> bool:
        try:
            self._value = await self._open()
        except VerifyError as error:
            self._tell(error)
        except Exception as error:  # whatever is wrong with a dependency, the process stays up and says so
            self._tell(
                NotReady(Words("依赖尚不可用。", f"{type(error).__name__} while opening {self.name}."))
            )
        else:
            self.trouble = None
            self._opened.set()
            log.info("opened", what=self.name)
        return self._value is not None

    def _tell(self, error: VerifyError) -> None:
        if self.trouble is None or self.trouble.detail != error.detail:
            log.warning("cannot open yet", what=self.name, why=error.detail.en, hint=error.hint)
        self.trouble = error


class Derived(Generic[T]):
    """A part of something that may not be there yet, made once when it is."""

    def __init__(self, whole: Opening[S], part: Callable[[S], T]) -> None:
        """`part` makes it of the whole."""

        def make() -> T:
            return part(whole.now())

        self._whole: Opening[Any] = whole
        self._make = make
        self._value: T | None = None

    @property
    def trouble(self) -> VerifyError | None:
        """Why the whole is not open yet."""
        return self._whole.trouble

    def now(self) -> T:
        """The part. Raises NotReady until the whole is open."""
        if self._value is None:
            self._value = self._make()
        return self._value
