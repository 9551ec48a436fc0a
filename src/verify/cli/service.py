"""Running the service: granian in ASGI mode, limits that keep slow and hostile clients from the others."""

import contextlib
import sys
from pathlib import Path

import click
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from verify.cli import errand
from verify.config import Settings
from verify.errors import NotReady, StoreFailed, VerifyError, Words
from verify.wiring import Role
from verify.wiring.house import open_store

TARGETS = {
    Role.ALL: "verify.web.app:create_app",
    Role.PUBLIC: "verify.web.app:create_public_app",
    Role.OFFICE: "verify.web.app:create_office_app",
}
HEADER_READ_MS = 10_000
"""A client that has not sent its headers by then is hung up on."""
HEADER_BYTES = 64 << 10
BACKLOG = 2048
BACKPRESSURE = 1024
"""Requests of one worker under way at a time; a slow body must not use them up."""
STOP_S = 20


def run_service(settings: Settings, role: Role, *, workers: int, host: str, port: int) -> None:
    """Serve until a signal stops it. The workers are fresh processes: they read the settings themselves.

    What is missing is told here, once, where a person sees it; the workers wait for it.
    """
    errand.run(_tell_what_is_missing(settings, role))
    server = Granian(
        TARGETS[role],
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        workers=workers,
        websockets=False,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MS, max_buffer_size=HEADER_BYTES),
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_S,
        working_dir=Path.cwd(),
    )
    click.echo(
        f"serving role {role} on http://{host}:{port} with {workers} worker(s); stop with Ctrl-C", err=True
    )
    sys.stderr.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()


async def _tell_what_is_missing(settings: Settings, role: Role) -> None:
    """A first look at the database and the passphrase. Raises BadSettings; everything else is only told."""
    try:
        store = await open_store(settings.database_url, read_only=True)
        await store.close()
        if settings.key_passphrase is None:
            raise NotReady(
                Words("未设置密钥口令。", "No key passphrase is set."), hint="set VERIFY_KEY_PASSPHRASE_FILE"
            )
    except (NotReady, StoreFailed) as error:
        _tell(error)


def _tell(error: VerifyError) -> None:
    errand.tell_error(error)
    errand.note(Words("服务仍将启动并等待其就绪。", "The service starts all the same and waits for it."))
