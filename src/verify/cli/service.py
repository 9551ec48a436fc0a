"""Running the service: what is missing is told first, then it serves until it is stopped."""

import contextlib
import os
import sys

import click

from verify.cli import errand
from verify.config import PREFIX, Settings
from verify.errors import NotReady, StoreFailed, VerifyError, Words
from verify.web.http1.serve import serve
from verify.wiring import Role
from verify.wiring.house import open_store

TARGETS = {
    Role.ALL: "verify.web.app:create_app",
    Role.PUBLIC: "verify.web.app:create_public_app",
    Role.OFFICE: "verify.web.app:create_office_app",
}


_UNSHARED = Words(
    "未设置 VERIFY_REDIS_URL：各进程互不相通，限额按 VERIFY_BUDGET_WORKERS 分给各进程，一道验证题的答案在每个进程各可用一次。",
    "VERIFY_REDIS_URL is not set: workers share nothing. Each grants its part of the budgets (VERIFY_BUDGET_WORKERS), and "
    "a solved challenge counts once in each.",
)


def run_service(settings: Settings, role: Role, *, workers: int, host: str, port: int) -> None:
    """Serve until a signal stops it. The workers are fresh processes: they read the settings themselves.

    What is missing is told here, once, where a person sees it; the workers wait for it.
    """
    errand.run(_tell_what_is_missing(settings, role))
    click.echo(
        f"serving role {role} on http://{host}:{port} with {workers} worker(s); stop with Ctrl-C", err=True
    )
    if workers > 1 and settings.redis_url is None:
        errand.note(_UNSHARED)
    sys.stderr.flush()
    # The workers read the environment: so many there are at least, and each grants its part of a budget.
    os.environ[f"{PREFIX}BUDGET_WORKERS"] = str(max(settings.budget_workers, workers))
    with contextlib.suppress(KeyboardInterrupt):
        serve(TARGETS[role], host=host, port=port, workers=workers)


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
