"""The floor: a bare application that answers every request with one constant.

    python -m loadtest.floor PORT STATUS HEADERS_AND_BODY_FILE [SERVER]

No route, no check, no database. SERVER is `granian` (ASGI, the floor of every look-up), `granian-rsgi`, `uvicorn`
(with its httptools protocol) or `verify` (the product's own connections).
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

STATUS, FILE = "FLOOR_STATUS", "FLOOR_FILE"


class Constant(msgspec.Struct, frozen=True):
    """What every request is told."""

    headers: list[tuple[str, str]]
    body: bytes


def create_app() -> Any:
    """The application, as its environment describes it."""
    constant = msgspec.json.decode(Path(os.environ[FILE]).read_bytes(), type=Constant)
    headers = [(name.encode(), value.encode()) for name, value in constant.headers]
    start = {"type": "http.response.start", "status": int(os.environ[STATUS]), "headers": headers}
    body = {"type": "http.response.body", "body": constant.body}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await _live(receive, send)
            return
        await send(start)
        await send(body)

    return app


async def _live(receive: Any, send: Any) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
        await asyncio.sleep(0)


class Rsgi:
    """The same application for granian's own interface."""

    def __init__(self) -> None:
        """As its environment describes it."""
        self._constant = msgspec.json.decode(Path(os.environ[FILE]).read_bytes(), type=Constant)
        self._status = int(os.environ[STATUS])

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """One answer."""
        protocol.response_bytes(self._status, self._constant.headers, self._constant.body)


def create_rsgi() -> Rsgi:
    """The factory that granian calls."""
    return Rsgi()


def serve(port: int, server: str = "granian") -> None:
    """Serve until a signal, with the limits that `verify serve` sets as far as the server has them."""
    if server.startswith("granian"):
        _serve_granian(port, rsgi=server.endswith("rsgi"))
    elif server == "uvicorn":
        import uvicorn

        uvicorn.run(
            "loadtest.floor:create_app", factory=True, port=port, http="httptools", loop="uvloop", ws="none",
            interface="asgi3", log_level="error", access_log=False, proxy_headers=False, server_header=False,
        )  # fmt: skip
    else:
        from verify.web.http1.serve import serve as serve_ours

        serve_ours("loadtest.floor:create_app", host="127.0.0.1", port=port)


def _serve_granian(port: int, *, rsgi: bool) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    Granian(
        "loadtest.floor:create_rsgi" if rsgi else "loadtest.floor:create_app", factory=True, address="127.0.0.1",
        port=port, interface=Interfaces.RSGI if rsgi else Interfaces.ASGI, loop=Loops.uvloop, http=HTTPModes.http1,
        workers=1, websockets=False, backlog=2048, backpressure=1024,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=64 << 10),
        log_access=False, log_level=LogLevels.warning,
    ).serve()  # fmt: skip


if __name__ == "__main__":
    os.environ[STATUS], os.environ[FILE] = sys.argv[2:4]
    serve(int(sys.argv[1]), *sys.argv[4:])
