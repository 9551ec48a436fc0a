"""Running an application on `Connection`: uvicorn keeps the workers, the signals and the application's life."""

import logging
import socket
import sys
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

    Several workers are fresh processes; one that dies is replaced. Ends the process with 1 and a line on standard
    error when nobody can listen there.
    """
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(
        target, factory=True, host=host, port=port, workers=workers, http=Connection, loop="uvloop", ws="none",
        interface="asgi3", lifespan="on", log_config=None, access_log=False, proxy_headers=False, backlog=BACKLOG,
        timeout_graceful_shutdown=STOP_S, timeout_worker_healthcheck=SILENT_S,
    )  # fmt: skip
    try:
        with _listen(host, port, shared=False) as probe:  # whoever else listens there must not be joined
            config.port = probe.getsockname()[1]
    except OSError as error:
        sys.exit(
            f"error: nobody can listen on {host}:{port}: {error.strerror}; choose another --port or --host"
        )
    if workers > 1:
        _Workers(config, sockets=[]).run()
    else:
        uvicorn.Server(config).run()


class _Workers(Multiprocess):
    """Each worker listens on a socket of its own, and the kernel spreads connections among them: of workers that
    share one socket, the first to wake takes all that wait there."""

    @property
    def sockets(self) -> list[socket.socket]:
        """A new one for each worker that is made; the parent's copy goes with the list."""
        return [_listen(self.config.host, self.config.port, shared=True)]

    @sockets.setter
    def sockets(self, _: list[socket.socket]) -> None:
        pass

    def keep_subprocess_alive(self) -> None:
        """As the parent's, which holds both ends of the pipe to a worker: one that was killed while it started would
        never be heard to end, and for `SILENT_S` nobody would be replaced and no signal obeyed."""
        for worker in self.processes:
            worker.child_conn.close()
        super().keep_subprocess_alive()


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket. Raises OSError."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
        bound.set_inheritable(True)
    except OSError:
        bound.close()
        raise
    return bound
