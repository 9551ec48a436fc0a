"""Running an application on `Connection`: uvicorn keeps the workers, the signals and the application's life."""

import logging
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from verify.web.http1.connection import Connection

BACKLOG: Final = 2048
STOP_S: Final = 20
"""How long requests under way may take when the server stops."""
SILENT_S: Final = 60
"""A worker that has not answered its parent for so long is replaced."""


def serve(target: str, *, host: str, port: int, workers: int = 1) -> None:
    """Serve the application that the factory `target` ("module:function") makes, until a signal stops it.

    Several workers are fresh processes with one listening socket; one that dies is replaced.
    """
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(
        target, factory=True, host=host, port=port, workers=workers, http=Connection, loop="uvloop", ws="none",
        interface="asgi3", lifespan="on", log_config=None, access_log=False, proxy_headers=False, backlog=BACKLOG,
        timeout_graceful_shutdown=STOP_S, timeout_worker_healthcheck=SILENT_S,
    )  # fmt: skip
    if workers > 1:
        Multiprocess(config, sockets=[config.bind_socket()]).run()
    else:
        uvicorn.Server(config).run()
