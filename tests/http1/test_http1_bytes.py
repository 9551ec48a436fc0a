"""HTTP/1.1 byte by byte: what a connection takes, refuses, and writes, on real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from verify.web.headers import Made
from verify.web.http1 import connection, exchange
from verify.web.http1.connection import Connection

App = Callable[[Any, Any, Any], Awaitable[None]]
GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT = Made([(b"content-type", b"text/plain")])


class State:
    """As uvicorn keeps it."""

    def __init__(self) -> None:
        self.connections: set[Any] = set()
        self.tasks: set[asyncio.Task[None]] = set()


class Config:
    """As uvicorn gives it."""

    loaded = True

    def __init__(self, app: App) -> None:
        self.loaded_app = app


class Serving:
    """A listening server and what it knows."""

    def __init__(self, port: int, state: State) -> None:
        self.port = port
        self.state = state

    async def ask(self, *parts: bytes, end: bool = False, pause_s: float = 0.0) -> bytes:
        """Send the parts one by one, and read until the server closes or says nothing for a while."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)
            if end:
                writer.write_eof()
            return await read_quiet(reader)
        finally:
            writer.close()


async def read_quiet(reader: asyncio.StreamReader, quiet_s: float = 0.4) -> bytes:
    found = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while piece := await asyncio.wait_for(reader.read(65536), quiet_s):
            found += piece
    return found


@contextlib.asynccontextmanager
async def serving(app: App) -> AsyncIterator[Serving]:
    state = State()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(Config(app), state, {}), "127.0.0.1", 0)
    try:
        yield Serving(server.sockets[0].getsockname()[1], state)
    finally:
        server.close()
        for one in list(state.connections):
            one.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Tells method, path, query and body."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    told = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()} ".encode() + body
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    await send({"type": "http.response.body", "body": told})


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    """Answers without looking at the body."""
    await send({"type": "http.response.start", "status": 403, "headers": TEXT})
    await send({"type": "http.response.body", "body": b"no"})


def bodies(answer: bytes) -> list[bytes]:
    """The bodies of responses that tell their length."""
    found = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length")), 0
        )
        found.append(rest[:length])
        answer = rest[length:]
    return found


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async def slow_first(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/0":
            await asyncio.sleep(0.05)
        await echo(scope, receive, send)

    async with serving(slow_first) as server:
        answer = await server.ask(b"".join(GET % str(n).encode() for n in range(20)))
        assert bodies(answer) == [f"GET /{n}? ".encode() for n in range(20)]


async def test_a_request_may_come_byte_by_byte() -> None:
    request = b"POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    async with serving(echo) as server:
        answer = await server.ask(*(request[n : n + 1] for n in range(len(request))))
        assert bodies(answer) == [b"POST /a b?c=d hello"]


async def test_a_chunked_body_arrives_whole() -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    async with serving(echo) as server:
        assert bodies(await server.ask(request + GET % b"next")) == [b"POST /? abcde", b"GET /next? "]


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xe4\xb8\xad HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET relative HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_ambiguous_or_no_http_is_refused_and_the_connection_closed(request_: bytes) -> None:
    calls = []

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope["path"])
        await echo(scope, receive, send)

    async with serving(counting) as server:
        answer = await server.ask(request_ + GET % b"smuggled")
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        assert answer.count(b"HTTP/1.1") == 1 and b"connection: close" in answer
        assert "/smuggled" not in calls


async def test_a_broken_request_behind_good_ones_leaves_their_answers_whole() -> None:
    async with serving(echo) as server:
        answer = await server.ask(GET % b"1" + GET % b"2" + b"GET / HTTP/1.1\r\n\r\n")
        assert bodies(answer)[:2] == [b"GET /1? ", b"GET /2? "]
        assert b"HTTP/1.1 400 " in answer


async def test_a_body_that_breaks_in_the_middle_is_never_taken_for_a_whole_one() -> None:
    seen = []

    async def watching(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        seen.append(message["type"])

    async with serving(watching) as server:
        answer = await server.ask(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            b"zz\r\n",
            pause_s=0.05,
        )
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert seen == ["http.disconnect"]


async def test_the_head_of_a_request_is_bounded() -> None:
    async with serving(echo) as server:
        many = b"".join(b"X-%d: y\r\n" % n for n in range(connection.MAX_HEADERS + 1))
        assert (await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n")).startswith(
            b"HTTP/1.1 431 "
        )
        endless = [b"GET / HTTP/1.1\r\nHost: x\r\nX: "] + [b"a" * 8192] * 12
        assert b"HTTP/1.1 431 " in await server.ask(*endless, pause_s=0.01)
        large = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"b" * 100_000
        assert b" 431 " not in await server.ask(large + GET % b"after")


async def test_a_silent_or_trickling_client_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.2)
    monkeypatch.setattr(connection, "KEEP_ALIVE_S", 0.2)
    monkeypatch.setattr(connection._Watch, "EVERY_S", 0.05)
    async with serving(echo) as server:
        assert await server.ask(b"") == b""
        assert (await server.ask(*([b"GET / HTTP/1.1\r\n"] + [b"X: y\r\n"] * 9), pause_s=0.05)).startswith(
            b"HTTP/1.1 408"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET % b"")
        assert bodies(await read_quiet(reader, 3)) == [b"GET /? "] and reader.at_eof()  # idle: closed
        writer.close()
        assert not server.state.connections


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_S", 0.2)
    monkeypatch.setattr(connection._Watch, "EVERY_S", 0.05)
    ended = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        except ConnectionResetError:
            ended.set()
            raise

    async with serving(endless) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET % b"")
        await asyncio.wait_for(ended.wait(), 5)
        writer.close()


async def test_an_answer_before_the_body_is_seen_and_ends_the_connection() -> None:
    async with serving(deaf) as server:
        answer = await server.ask(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n",
            *[b"b" * 50_000] * 5,
            pause_s=0.01,
        )
        assert answer.startswith(b"HTTP/1.1 403 ") and b"connection: close" in answer
        assert bodies(answer) == [b"no"]


async def test_the_body_of_a_refused_request_is_not_read_for_ever() -> None:
    async with serving(deaf) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(200):
                writer.write(b"10000\r\n" + b"b" * 65536 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)
            raise AssertionError("twelve megabytes were read")


async def test_reading_ahead_is_bounded_while_the_application_does_not_ask() -> None:
    asked = asyncio.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await asked.wait()
        await echo(scope, receive, send)

    async with serving(late) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n")
        writer.write(b"b" * 4_000_000)
        await asyncio.sleep(0.2)
        (one,) = server.state.connections
        assert len(one._incoming._body) <= exchange.BODY_AHEAD + (256 << 10)
        asked.set()
        assert len((await read_quiet(reader, 2)).partition(b"\r\n\r\n")[2]) == 4_000_000 + len(b"POST /? ")
        writer.close()


async def test_a_client_that_waits_for_100_is_told_to_go_on() -> None:
    async with serving(echo) as server:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        answer = await server.ask(head, b"ab", pause_s=0.1)
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ") and answer.endswith(
            b"POST /? ab"
        )
    async with serving(deaf) as server:
        assert (await server.ask(head)).startswith(b"HTTP/1.1 403 ")


async def test_head_answers_without_body_and_with_its_length() -> None:
    async with serving(echo) as server:
        answer = await server.ask(b"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"content-length: 9\r\n" in answer and answer.endswith(b"\r\n\r\n")


async def test_http_1_0_closes_unless_it_asks_to_stay() -> None:
    async with serving(echo) as server:
        closed = await server.ask(b"GET /a HTTP/1.0\r\n\r\n" + b"GET /b HTTP/1.0\r\n\r\n")
        assert bodies(closed) == [b"GET /a? "]
        kept = await server.ask(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
        assert bodies(kept) == [b"GET /a? "] * 2 and b"connection: keep-alive" in kept


async def test_connection_close_and_upgrade_end_it_after_the_answer() -> None:
    async with serving(echo) as server:
        for extra in (
            b"Connection: close",
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA",
        ):
            asked = b"GET /a HTTP/1.1\r\nHost: x\r\n" + extra + b"\r\n\r\n"
            answer = await server.ask(asked + GET % b"b")
            assert bodies(answer) == [b"GET /a? "] and b"connection: close" in answer


async def test_a_whole_address_is_taken_as_a_proxy_would() -> None:
    async with serving(echo) as server:
        answer = await server.ask(b"GET http://x/a?b HTTP/1.1\r\nHost: x\r\n\r\n")
        assert bodies(answer) == [b"GET /a?b "]


async def test_a_stream_is_chunked_and_a_broken_stream_is_not_taken_for_a_whole_one() -> None:
    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        if scope["path"] == "/broken":
            raise ValueError
        await send({"type": "http.response.body", "body": b"de", "more_body": True})
        await send({"type": "http.response.body"})

    async with serving(stream) as server:
        assert (await server.ask(GET % b"")).endswith(b"\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert not (await server.ask(GET % b"broken")).endswith(b"0\r\n\r\n")
        old = await server.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert old.endswith(b"\r\n\r\nabcde") and b"chunked" not in old


async def test_an_application_that_fails_or_says_nothing_is_a_bland_500() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/silent":
            return
        raise ValueError("secret")

    async with serving(fails) as server:
        for path in (b"loud", b"silent"):
            answer = await server.ask(GET % path)
            assert answer.startswith(b"HTTP/1.1 500 ") and b"secret" not in answer


async def test_no_header_can_begin_another_line() -> None:
    async def split(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"location", b"/\r\nset-cookie: a=b")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with serving(split) as server:
        answer = await server.ask(GET % b"")
        assert answer.startswith(b"HTTP/1.1 500 ") and b"set-cookie" not in answer


async def test_a_half_closed_client_reads_its_answer() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.1)
        await echo(scope, receive, send)

    async with serving(slow) as server:
        assert bodies(await server.ask(GET % b"a", end=True)) == [b"GET /a? "]


async def test_a_client_that_goes_away_is_told_to_the_application() -> None:
    told = asyncio.Event()

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        told.set()

    async with serving(waiting) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET % b"")
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await asyncio.wait_for(told.wait(), 5)
        await asyncio.sleep(0.05)
        assert not server.state.connections


async def test_too_many_connections_are_refused_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECTIONS", 2)
    async with serving(echo) as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert (await server.ask(GET % b"")).startswith(b"HTTP/1.1 503 ")
        held[0][1].write(GET % b"held")
        assert bodies(await read_quiet(held[0][0])) == [b"GET /held? "]
        for _, writer in held:
            writer.close()


async def test_at_the_end_idle_connections_close_and_the_others_finish() -> None:
    going = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await going.wait()
        await echo(scope, receive, send)

    async with serving(slow) as server:
        idle, unused = await asyncio.open_connection("127.0.0.1", server.port)
        busy, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET % b"")
        await asyncio.sleep(0.05)
        for one in list(server.state.connections):
            one.shutdown()
        assert await read_quiet(idle) == b"" and idle.at_eof()
        going.set()
        answer = await read_quiet(busy)
        assert bodies(answer) == [b"GET /? "] and b"connection: close" in answer and busy.at_eof()
        unused.close()
        writer.close()
