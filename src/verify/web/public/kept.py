"""What phones keep for when there is no network: the worker, the offline page, the manifests, the status packs."""

import asyncio
import gzip
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from verify.errors import NotFound, VerifyError
from verify.store import packs, register
from verify.telemetry import log
from verify.web.language import Lang
from verify.web.public.half import PublicHalf
from verify.web.public.published import FOR_EVER, KEYS_MAX_AGE_S, WORTH_PACKING_BYTES
from verify.web.reply import Receive, Reply, Scope, header
from verify.web.shell import (
    MANIFEST_ADDRESS,
    WORKER_ADDRESS,
    WORKER_POLICY,
    render_manifest,
    render_worker,
    root_pins,
)

OFFLINE_ADDRESS: Final = "/offline"
STATUS_ADDRESS: Final = "/packs/status.json"
PACKS: Final = "/packs/"
HELD_BYTES: Final = 64 << 20
"""Of pack files in memory; beyond it the least recently asked go."""
PINS_EVERY_S: Final = 60.0
"""How often the root on the pages is compared with the register: as long as a trust list may be kept."""

_NAME = re.compile(r"[A-Za-z0-9_-]{43}")
_LANGUAGES: Final[tuple[Lang, Lang]] = ("zh", "en")


class Kept:
    """Answers of this module; what never changes is made once."""

    def __init__(self, half: PublicHalf) -> None:
        """Render the offline pages and the worker, whose bytes change when anything that it keeps does."""
        self._half = half
        headers, assets = half.headers, half.assets
        pages = {lang: half.pages.render_offline(lang, host=half.host) for lang in _LANGUAGES}
        self._offline = {lang: Reply(200, headers.page, page) for lang, page in pages.items()}
        self._worker = Reply(200, headers.script(WORKER_POLICY), render_worker(assets, pages.values()))
        manifest_headers = headers.cached("application/manifest+json", "public, max-age=86400")
        self._manifest = Reply(200, manifest_headers, render_manifest(assets))
        self._files = PackFiles(half)

    def routes(self) -> dict[tuple[str, str], tuple[str, Callable[[Scope, Receive], Awaitable[Reply]]]]:
        """The exact addresses, as the front dispatches them: label and answerer."""

        async def offline(scope: Scope, receive: Receive) -> Reply:
            return self._offline[self._half.language(scope)]

        async def worker(scope: Scope, receive: Receive) -> Reply:
            return self._worker

        async def manifest(scope: Scope, receive: Receive) -> Reply:
            return self._manifest

        async def status(scope: Scope, receive: Receive) -> Reply:
            return await status_manifest(self._half)

        return {
            ("GET", OFFLINE_ADDRESS): ("offline", offline),
            ("GET", WORKER_ADDRESS): ("worker", worker),
            ("GET", MANIFEST_ADDRESS): ("manifest", manifest),
            ("GET", STATUS_ADDRESS): ("pack-manifest", status),
        }

    async def pack(self, scope: Scope, name: str) -> Reply:
        """`GET /packs/{sha256}`. Raises NotFound, Unavailable."""
        return await self._files.reply(scope, name)


async def status_manifest(half: PublicHalf) -> Reply:
    """`GET /packs/status.json`: the newest signed manifest. Raises NotFound while there is none, Unavailable."""
    found = await half.opening.now().store.read(packs.last_manifest)
    if found is None:
        raise NotFound
    policy = f"public, max-age={KEYS_MAX_AGE_S}"
    return Reply(200, half.headers.cached("application/json", policy), found.document)


class PackFiles:
    """Files of status packs. A name is the digest of a content, so what was read once stays right for ever."""

    def __init__(self, half: PublicHalf) -> None:
        """None is held yet."""
        self._half = half
        self._held: OrderedDict[str, tuple[Reply, Reply]] = OrderedDict()
        self._bytes = 0

    async def reply(self, scope: Scope, name: str) -> Reply:
        """The file as it is, or packed for who accepts that. Raises NotFound, Unavailable."""
        both = self._held.get(name)
        if both is None:
            both = await self._read(name)
            self._keep(name, both)
        self._held.move_to_end(name)
        plain, packed = both
        return packed if b"gzip" in (header(scope, b"accept-encoding") or b"") else plain

    async def _read(self, name: str) -> tuple[Reply, Reply]:
        if _NAME.fullmatch(name) is None:
            raise NotFound
        body = await self._half.opening.now().store.read(partial(packs.find_file, name))
        if body is None:
            raise NotFound
        headers = self._half.headers.cached("application/octet-stream", FOR_EVER)
        headers.append((b"vary", b"Accept-Encoding"))
        plain = Reply(200, headers, body)
        small = (
            await asyncio.to_thread(gzip.compress, body, 9, mtime=0)
            if len(body) >= WORTH_PACKING_BYTES
            else body
        )
        if len(small) >= len(body):
            return plain, plain
        return plain, Reply(200, [*headers, (b"content-encoding", b"gzip")], small)

    def _keep(self, name: str, both: tuple[Reply, Reply]) -> None:
        if name not in self._held:
            self._held[name] = both
            self._bytes += _size(both)
        while self._bytes > HELD_BYTES and len(self._held) > 1:
            self._bytes -= _size(self._held.popitem(last=False)[1])


def _size(both: tuple[Reply, Reply]) -> int:
    return len(both[0].body) + len(both[1].body)


async def keep_pins(half: PublicHalf, wait: Callable[[], Awaitable[object]]) -> None:
    """Let the pages carry the roots of the register, for phones that see the site for the first time.

    `wait` returns when the desk is open. A root that cannot be read now stays as it was; it is asked again.
    """
    await wait()
    while True:
        try:
            half.pages.root = root_pins(await half.opening.now().store.read(register.list_keys))
        except VerifyError as error:
            log.warning("the root keys could not be read; it is tried again", code=error.code)
        await asyncio.sleep(PINS_EVERY_S)
