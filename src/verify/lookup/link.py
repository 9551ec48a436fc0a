"""The link to Redis or Valkey, one server or a cluster: whatever happens to it, the caller loses milliseconds.

Nothing that comes from there is trusted, and nothing waits for it longer than `timeout_s`. While it is broken the
link is *down*: calls return at once, and a task beside the flow tries to reach it again.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import InvalidResponse, NoScriptError

from verify.telemetry import log

T = TypeVar("T")

Client: TypeAlias = Redis | RedisCluster

TIMEOUT_S: Final = 0.02
"""Longest wait of a caller, connections included."""
CONNECT_S: Final = 2.0
"""Longest wait of the task that reconnects; nobody else waits for it."""
FAILURES: Final = 3
"""Failed calls in a row that take the link down."""
RETRY_S: Final = (0.2, 10.0)
"""First and longest pause between attempts to reconnect; it doubles while the link does not hold."""
HELD_S: Final = 10.0
"""A link that held this long starts again with the first pause."""
CONNECTIONS: Final = 4
"""Calls are batched, so few are under way at a time."""
AT_ONCE: Final = 512
"""Keys in one command: longer ones would keep the server from others."""
TAGS: Final = 64
"""Hash tags, so that the keys of one batch meet in few commands on a cluster and still spread over its masters."""

CLUSTER: Final = "redis+cluster://"
CLUSTER_TLS: Final = "rediss+cluster://"
SCHEMES: Final = ("redis://", "rediss://", "unix://", CLUSTER, CLUSTER_TLS)


class Script(NamedTuple):
    """A Lua script and its digest, as EVALSHA wants it."""

    sha: str
    text: str


def script(text: str) -> Script:
    """Make a script ready to be called by its digest (SHA-1, as the protocol has it; nothing rests on it)."""
    return Script(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), text)


class LinkFigures(msgspec.Struct):
    """Counts since the start, for metrics."""

    calls: int = 0
    failures: int = 0
    """Calls that got no answer in time, an error, or garbage."""
    breaks: int = 0
    """How often the link went down."""


def place_key(kind: bytes, digest: bytes) -> bytes:
    """A key that tells nothing: the first bits of the keyed digest choose the hash tag."""
    return b"verify:%b:{%02x}:%b" % (kind, digest[0] % TAGS, digest)


class Link:
    """One per process and event loop. `start` begins to connect; nothing here raises."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """`redis://`, `rediss://`, `unix://`, or `redis+cluster://` and `rediss+cluster://` for a cluster.

        A plain address whose server says that it belongs to a cluster is treated as one.
        """
        self._url = url
        self._timeout_s = timeout_s
        self._cluster = url.startswith((CLUSTER, CLUSTER_TLS))
        self._client: Client | None = None
        self._failed = 0
        self._pause_s = RETRY_S[0]
        self._up_since = 0.0
        self._connecting: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.figures = LinkFigures()

    @property
    def up(self) -> bool:
        """Whether it answered lately."""
        return self._client is not None

    def start(self) -> None:
        """Connect, and go on trying, beside whatever the process does. Must run in the event loop."""
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._keep_connecting(), name="redis")

    async def close(self) -> None:
        """Let go of every connection."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._client is not None:
            self._discard(self._client)
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def answers(self) -> bool:
        """Whether it answers now, in time; where it does not, the link goes down at once."""
        client = self._client
        if client is None:
            return False
        try:
            async with asyncio.timeout(self._timeout_s):
                await _greet(client)
        except Exception as error:  # as in `_send`
            self.figures.failures += 1
            self._break(client, error)
            return False
        return True

    # --- what callers ask ---------------------------------------------------------------------------------

    async def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values, in order; None for what is missing or could not be had."""
        found = dict.fromkeys(keys)
        groups = self._groups(keys)
        for group, values in zip(
            groups, await self._send([("MGET", *group) for group in groups], groups), strict=True
        ):
            if values is not None:
                found.update(
                    zip(group, (one if isinstance(one, bytes) else None for one in values), strict=True)
                )
        return [found[key] for key in keys]

    async def run(
        self, script: Script, keys: Sequence[bytes], common: Sequence[Any], own: Mapping[bytes, Sequence[Any]]
    ) -> dict[bytes, Any]:
        """Run `script` over `keys`, each with its `own` arguments after the `common` ones.

        The script returns one value for each key; what could not be had is left out.
        """
        groups = self._groups(keys)
        arguments = [[*common, *(one for key in group for one in own[key])] for group in groups]
        results = await self._send(
            [("EVALSHA", script.sha, len(g), *g, *args) for g, args in zip(groups, arguments, strict=True)],
            groups,
            lambda: [
                ("EVAL", script.text, len(g), *g, *args) for g, args in zip(groups, arguments, strict=True)
            ],
        )
        told: dict[bytes, Any] = {}
        for group, values in zip(groups, results, strict=True):
            if values is not None:
                told.update(zip(group, values, strict=True))
        return told

    def _groups(self, keys: Sequence[bytes]) -> list[list[bytes]]:
        """Keys that may stand in one command."""
        if not self._cluster:
            return [list(keys[at : at + AT_ONCE]) for at in range(0, len(keys), AT_ONCE)]
        by_tag: dict[bytes, list[bytes]] = {}
        for key in keys:
            by_tag.setdefault(key[: key.index(b"}")], []).append(key)
        return list(by_tag.values())

    async def _send(
        self,
        commands: list[tuple[Any, ...]],
        groups: list[list[bytes]],
        instead: Callable[[], list[tuple[Any, ...]]] | None = None,
    ) -> list[list[Any] | None]:
        """Each command's reply, one value for each key of its group, or None.

        `instead` is sent when a server does not know the script.
        """
        client = self._client
        if client is None or not commands:
            return [None for _ in commands]
        self.figures.calls += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                replies = await _ask(client, commands, groups)
                if instead is not None and any(isinstance(reply, NoScriptError) for reply in replies):
                    replies = await _ask(client, instead(), groups)
        except (
            Exception
        ) as error:  # a library that was sent garbage may raise anything: all of it is "no answer"
            self._failure(client, error)
            return [None for _ in commands]
        told = [_checked(reply, len(group)) for reply, group in zip(replies, groups, strict=True)]
        failed = next((reply for reply in told if isinstance(reply, Exception)), None)
        if failed is not None:
            self._failure(client, failed)
        else:
            self._failed = 0
        return [None if isinstance(reply, Exception) else reply for reply in told]

    # --- up and down --------------------------------------------------------------------------------------

    def _failure(self, client: Client, error: Exception) -> None:
        self.figures.failures += 1
        if client is self._client:
            self._failed += 1
            if self._failed >= FAILURES:
                self._break(client, error)

    def _break(self, client: Client, error: Exception) -> None:
        if client is not self._client:
            return
        self._client = None
        self.figures.breaks += 1
        held_s = asyncio.get_running_loop().time() - self._up_since
        self._pause_s = RETRY_S[0] if held_s > HELD_S else min(self._pause_s * 2, RETRY_S[1])
        log.warning("Redis does not answer: working without it", why=type(error).__name__)
        self._discard(client)
        self.start()

    async def _keep_connecting(self) -> None:
        pause_s = self._pause_s if self._up_since else 0.0
        while True:
            await asyncio.sleep(pause_s)
            try:
                async with asyncio.timeout(CONNECT_S):
                    client = await self._open()
            except Exception as error:  # as in `_send`: whatever it is, the server is not there
                log.debug("Redis cannot be reached yet", why=type(error).__name__)
                pause_s = min(max(pause_s, RETRY_S[0]) * 2, RETRY_S[1])
                continue
            self._failed = 0
            self._up_since = asyncio.get_running_loop().time()
            self._client, self._connecting = client, None
            log.info("Redis answers", cluster=self._cluster)
            return

    async def _open(self) -> Client:
        """A client with warm connections whose server answers in time."""
        client = self._make()
        try:
            if isinstance(client, RedisCluster):
                await client.initialize()
            elif await _belongs_to_cluster(client):
                self._cluster = True
                await client.aclose()
                return await self._open()
            await asyncio.gather(*(_greet(client) for _ in range(CONNECTIONS)))
            async with asyncio.timeout(self._timeout_s):
                await _greet(client)
        except BaseException:
            self._discard(client)
            raise
        return client

    def _make(self) -> Client:
        once = Retry(NoBackoff(), 0)
        common: dict[str, Any] = {
            "protocol": 2, "socket_timeout": CONNECT_S, "socket_connect_timeout": CONNECT_S, "retry": once,
            "driver_info": None,
        }  # fmt: skip
        if self._cluster:
            url = self._url.replace("+cluster", "", 1)
            return RedisCluster.from_url(url, max_connections=16 * CONNECTIONS, **common)
        pool = BlockingConnectionPool.from_url(
            self._url, max_connections=CONNECTIONS, timeout=CONNECT_S, **common
        )
        return Redis.from_pool(pool)

    def _discard(self, client: Client) -> None:
        async def close() -> None:
            with contextlib.suppress(Exception):  # it is broken already; its sockets are what matters
                await client.aclose()

        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _ask(client: Client, commands: list[tuple[Any, ...]], groups: list[list[bytes]]) -> list[Any]:
    """One round trip to each server concerned. A reply may be an exception."""
    if isinstance(client, RedisCluster):
        pipeline: Any = client.pipeline()
        for command, group in zip(commands, groups, strict=True):
            pipeline.execute_command(
                *command, target_nodes=client.get_node_from_key(group[0].decode("latin-1"))
            )
        return list(await pipeline.execute(raise_on_error=False))
    single: Any = client  # execute_command has no annotations
    if len(commands) == 1:
        return [await _outcome(single.execute_command(*commands[0]))]
    several: Any
    async with client.pipeline(transaction=False) as several:
        for command in commands:
            several.execute_command(*command)
        return list(await several.execute(raise_on_error=False))


def _checked(reply: Any, count: int) -> list[Any] | Exception:
    """The reply, if it has the shape of one."""
    if isinstance(reply, Exception) or (isinstance(reply, list) and len(reply) == count):
        return reply
    return InvalidResponse(f"a {type(reply).__name__} where {count} values belong")


async def _greet(client: Any) -> None:
    """Raises InvalidResponse unless the server, or every master, says what only one that listens can say."""
    word = secrets.token_hex(8)
    if isinstance(client, RedisCluster):
        masters = client.get_primaries()
        said = [await client.execute_command("ECHO", word, target_nodes=master) for master in masters]
    else:
        said = [await client.execute_command("ECHO", word)]
    if not said or any(one != word.encode() for one in said):
        raise InvalidResponse("no echo")


async def _outcome(reply: Awaitable[Any]) -> Any:
    """A script that the server has forgotten is an outcome, not a failure of the link."""
    try:
        return await reply
    except NoScriptError as error:
        return error


async def _belongs_to_cluster(client: Redis) -> bool:
    told = await client.info("cluster")
    return bool(told["cluster_enabled"])
