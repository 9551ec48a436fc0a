"""Settings: one frozen struct read from `VERIFY_*` variables; an unknown name is an error that names the nearest."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from verify.errors import BadSettings, Words

PREFIX = "VERIFY_"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator can set. The defaults run."""

    database_url: str = "sqlite:///data/verify.db"
    """`sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://…`."""
    redis_url: str | None = None
    """Optional: budgets shared by all nodes, and the far cache. `redis://`, `rediss://`, `unix://`, or
    `redis+cluster://` and `rediss+cluster://`; Redis 7 or Valkey. Nothing in it is trusted or missed when lost."""
    far_cache: bool = False
    """Keep answers in Redis for the other nodes; PostgreSQL only. What it costs and saves: lookup/README.md."""
    budget_workers: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Worker processes of all nodes together. Each grants its part of a budget by itself."""
    public_url: str = "http://127.0.0.1:8000"
    """Scheme and host that QR codes and documents carry, without a path."""
    keys_dir: Path = Path("keys")
    key_passphrase: str | None = None
    """Opens the key files. `VERIFY_KEY_PASSPHRASE_FILE` names a file that holds it instead."""
    key_passphrase_file: Path | None = None
    near_cache_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 96 << 20
    """Bound of the in-process cache of one worker."""
    read_deadline_ms: Annotated[int, msgspec.Meta(ge=1)] = 2000
    """A look-up that cannot establish the present state in this time answers `unavailable`."""
    budget_per_source: Annotated[int, msgspec.Meta(ge=0)] = 600
    """Look-ups a minute from one network address (IPv4 address or IPv6 /64); 0 switches budgets off."""
    budget_per_target: Annotated[int, msgspec.Meta(ge=0)] = 120
    """Personal look-ups a minute of one number, person or scan code; 0 switches budgets off."""
    employer_rows_per_day: Annotated[int, msgspec.Meta(ge=0)] = 20_000
    """Rows of lists that one employer's key may ask about in 24 hours; 0 sets no bound."""
    webhook_loopback: bool = False
    """Let employers name webhooks of this very machine, and http for them: development and tests only."""
    trusted_proxies: int = 0
    """How many proxies in front append to X-Forwarded-For; 0 trusts the socket's address only."""
    witness: str | None = None
    """Where the head of the ledger is noted outside of the database: a file on other storage, or the http(s)
    address of `verify witness` on another host. A register that is behind it, or another one, answers nothing."""
    journal: Path | None = None
    """A file on other storage that holds every event before its change is acknowledged; office nodes only.
    `verify restore` applies it to a backup."""
    body_limit_bytes: int = 64 << 10
    batch_limit_bytes: int = 64 << 20
    body_timeout_s: float = 15.0
    """A request body that has not arrived by then is refused."""
    revoked_public: bool = True
    """Show revoked certificates as revoked (the sister systems' practice). False answers `unknown`
    (seed001 art. 24 orders deletion from the query site); the register keeps them either way."""
    templates_dir: Path | None = None
    """An agency's own forms, each with the record of its trial: `verify template check`."""
    data_font: Path | None = None
    """A 仿宋 that the operator may embed, used first for the filled data."""
    timestamp_url: str | None = None
    """A timestamp service (RFC 3161) that seals every PDF when it is first made; then it must answer."""
    timestamp_roots: Path | None = None
    """PEM file of that service's root certificates; without it no answer of the service is believed."""
    timestamp_lists: str = ""
    """Addresses of the revocation lists about that service's certificates, separated by spaces; left out: those that
    the certificates name. They go into kept files, which are renewed for decades."""
    trust_max_age_s: int = 7 * 24 * 3600
    """How long an offline verifier may rely on a trust list, and a PDF reader on a revocation list."""
    pack_every_s: Annotated[float, msgspec.Meta(ge=0)] = 900
    """How often an office node makes the signed list of numbers that are not valid; 0 makes none."""
    canary_every_s: Annotated[float, msgspec.Meta(ge=0)] = 0
    """How often each worker of an office issues and revokes a canary and asks every node for it; 0 is never."""
    canary_agency: str | None = None
    """The agency that exists for the canary alone, with a key and a filing of its own."""
    canary_urls: str = ""
    """Base addresses of the nodes that must show it, separated by spaces; of each node, not of a balancer."""
    log_level: str = "info"


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the `VERIFY_*` part of `environ`.

    Raises BadSettings for an unknown name, a value of the wrong type, or an unreadable passphrase file.
    """
    known = {PREFIX + field.upper(): field for field in Settings.__struct_fields__}
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see `verify config` for all names"
            raise BadSettings(Words(f"未知的配置项 {name}。", f"Unknown setting {name}."), hint=hint)
    values = {known[name]: value for name, value in given.items() if value != ""}
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise BadSettings(
            Words(f"配置值有误：{error}。", f"A setting has a wrong value: {error}.")
        ) from error
    return _with_passphrase(settings)


def _decode(kind: type, value: object) -> object:
    return Path(str(value)) if issubclass(kind, Path) else value


def _with_passphrase(settings: Settings) -> Settings:
    path = settings.key_passphrase_file
    if settings.key_passphrase is not None or path is None:
        return settings
    try:
        return msgspec.structs.replace(settings, key_passphrase=path.read_text("utf-8").strip())
    except OSError as error:
        what = Words(f"无法读取口令文件 {path}。", f"The passphrase file {path} cannot be read.")
        raise BadSettings(what, hint=f"chmod 600 {path}, owned by the service's user") from error
