"""The floor: a bare ASGI application that answers every request with one constant, under the product's own flags.

    python -m loadtest.floor PORT STATUS HEADERS_AND_BODY_FILE

No route, no check, no database: nothing that answers over the same server in the same language can be faster.
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


def serve(port: int) -> None:
    """Serve until a signal, with every flag that `verify serve` sets."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from verify.cli.service import BACKLOG, BACKPRESSURE, HEADER_BYTES, HEADER_READ_MS

    Granian(
        "loadtest.floor:create_app", factory=True, address="127.0.0.1", port=port, interface=Interfaces.ASGI,
        loop=Loops.uvloop, http=HTTPModes.http1, workers=1, websockets=False, backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MS, max_buffer_size=HEADER_BYTES),
        log_access=False, log_level=LogLevels.warning,
    ).serve()  # fmt: skip


if __name__ == "__main__":
    os.environ[STATUS], os.environ[FILE] = sys.argv[2:4]
    serve(int(sys.argv[1]))
