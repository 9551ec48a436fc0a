"""Settings: one frozen struct read from `VERIFY_*` variables; an unknown name is an error that names the nearest."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_type_hints

import msgspec

from verify.errors import BadSettings, Words

PREFIX = "VERIFY_"


def _told(words: str, example: str | None = None, *, ge: int | None = None) -> msgspec.Meta:
    """What a setting is, for whoever edits the settings file; `example` for one that is not set by default."""
    return msgspec.Meta(description=words, examples=None if example is None else [example], ge=ge)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator can set. The defaults run.

    The descriptions are the comments of the settings file, so they are written for whoever edits it.
    """

    database_url: Annotated[
        str,
        _told("Where the register lies: sqlite:///relative/path, sqlite:////absolute/path or postgresql://…"),
    ] = "sqlite:///data/verify.db"
    public_url: Annotated[
        str,
        _told(
            "Scheme and host that QR codes and documents carry, without a path. Printed certificates keep it for ever:"
            " set it before issuing."
        ),
    ] = "http://127.0.0.1:8000"
    keys_dir: Annotated[Path, _told("The folder of the key files.")] = Path("keys")
    key_passphrase: Annotated[
        str | None,
        _told("Opens the key files. Better a file of its own, mode 0600, which the next setting names."),
    ] = None
    key_passphrase_file: Annotated[
        Path | None,
        _told(
            "The file whose first line opens the key files; mode 0600, better on other storage.",
            "/run/secrets/verify-passphrase",
        ),
    ] = None
    witness: Annotated[
        str | None,
        _told(
            "Where the head of the ledger is noted outside of the database: a file on other storage, or the http(s) address"
            " of `verify witness` on another host. A register that is behind it, or another one, answers nothing.",
            "/mnt/other/verify.witness",
        ),
    ] = None
    journal: Annotated[
        Path | None,
        _told(
            "A file on other storage that holds every event before its change is acknowledged; office nodes only. `verify"
            " restore` applies it to a backup, so that no revocation is taken back.",
            "/mnt/other/verify.journal",
        ),
    ] = None
    trusted_proxies: Annotated[
        int, _told("How many proxies in front append to X-Forwarded-For. 0 trusts the socket's address only.")
    ] = 0
    redis_url: Annotated[
        str | None,
        _told(
            "Optional: budgets shared by all nodes, and the far cache. redis://, rediss://, unix://, or redis+cluster:// and"
            " rediss+cluster://; Redis 7 or Valkey. Nothing in it is trusted or missed when lost.",
            "redis://127.0.0.1:6379/0",
        ),
    ] = None
    far_cache: Annotated[
        bool,
        _told(
            "Keep answers in Redis for the other nodes; PostgreSQL only. What it costs and saves: lookup/README.md."
        ),
    ] = False
    near_cache_bytes: Annotated[int, _told("Bound of the in-process cache of one worker.", ge=1 << 20)] = (
        96 << 20
    )
    read_deadline_ms: Annotated[
        int,
        _told("A look-up that cannot establish the present state in this time answers `unavailable`.", ge=1),
    ] = 2000
    budget_per_source: Annotated[
        int,
        _told(
            "Look-ups a minute from one network address (IPv4 address or IPv6 /64); 0 switches this budget off.",
            ge=0,
        ),
    ] = 600
    budget_per_target: Annotated[
        int,
        _told(
            "Personal look-ups a minute of one number, person or scan code; 0 switches this budget off.", ge=0
        ),
    ] = 120
    budget_workers: Annotated[
        int,
        _told(
            "Worker processes of all hosts together, each of which grants its part of a budget by itself. With one host leave it"
            " alone: `verify serve --workers N` tells its workers.",
            ge=1,
        ),
    ] = 1
    employer_rows_per_day: Annotated[
        int, _told("Rows of lists that one employer's key may ask about in 24 hours; 0 sets no bound.", ge=0)
    ] = 20_000
    webhook_loopback: Annotated[
        bool,
        _told(
            "Let employers name webhooks of this very machine, and http for them: development and tests only."
        ),
    ] = False
    body_limit_bytes: Annotated[int, _told("The largest request body, uploads apart.")] = 64 << 10
    batch_limit_bytes: Annotated[int, _told("The largest upload of a roster.")] = 64 << 20
    body_timeout_s: Annotated[float, _told("A request body that has not arrived by then is refused.")] = 15.0
    revoked_public: Annotated[
        bool,
        _told(
            "Show revoked certificates as revoked (the sister systems' practice). False answers `unknown` (seed001 art. 24"
            " orders deletion from the query site); the register keeps them either way."
        ),
    ] = True
    templates_dir: Annotated[
        Path | None,
        _told(
            "An agency's own forms, each with the record of its trial: `verify template check`.", "templates"
        ),
    ] = None
    data_font: Annotated[
        Path | None,
        _told(
            "A 仿宋 that the operator may embed, used first for the filled data.",
            "/usr/share/fonts/FangSong.ttf",
        ),
    ] = None
    timestamp_url: Annotated[
        str | None,
        _told(
            "A timestamp service (RFC 3161) that seals every PDF when it is first made; then it must answer.",
            "https://tsa.example.cn/",
        ),
    ] = None
    timestamp_roots: Annotated[
        Path | None,
        _told(
            "PEM file of that service's root certificates; without it no answer of the service is believed.",
            "keys/timestamp-roots.crt",
        ),
    ] = None
    timestamp_lists: Annotated[
        str,
        _told(
            "Addresses of the revocation lists about that service's certificates, separated by spaces; left out: those"
            " that the certificates name. They go into kept files, which are renewed for decades."
        ),
    ] = ""
    trust_max_age_s: Annotated[
        int,
        _told(
            "How long, in seconds, an offline verifier may rely on a trust list, and a PDF reader on a revocation list."
        ),
    ] = 7 * 24 * 3600
    pack_every_s: Annotated[
        float,
        _told(
            "How often an office node makes the signed list of numbers that are not valid; 0 makes none.",
            ge=0,
        ),
    ] = 900
    canary_every_s: Annotated[
        float,
        _told(
            "How often each worker of an office issues and revokes a canary and asks every node for it; 0 is never.",
            ge=0,
        ),
    ] = 0
    canary_agency: Annotated[
        str | None,
        _told(
            "The agency that exists for the canary alone, with a key and a filing of its own.",
            "S000099000001",
        ),
    ] = None
    canary_urls: Annotated[
        str,
        _told(
            "Base addresses of the nodes that must show it, separated by spaces; of each node, not of a balancer."
        ),
    ] = ""
    log_level: Annotated[str, _told("debug, info, warning or error.")] = "info"


class About(msgspec.Struct, frozen=True):
    """One setting, for people."""

    name: str
    """As in the environment."""
    words: str
    example: str | None


def describe_settings() -> dict[str, About]:
    """What each setting is, by the name of its field, in the order of the struct."""
    found = {}
    for field, hint in get_type_hints(Settings, include_extras=True).items():
        (meta,) = hint.__metadata__
        example = meta.examples[0] if meta.examples else None
        found[field] = About(PREFIX + field.upper(), meta.description, example)
    return found


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
        raise _wrong_value(str(error)) from error
    return _with_passphrase(settings)


def _wrong_value(error: str) -> BadSettings:
    """The same by the name that the reader has set, with what it is for."""
    why, _, field = error.removesuffix("`").partition(" - at `$.")
    about = describe_settings().get(field)
    if about is None:
        return BadSettings(Words(f"配置值有误：{error}。", f"A setting has a wrong value: {error}."))
    what = Words(f"{about.name} 的值有误：{why}。", f"{about.name} has a wrong value: {why}.")
    return BadSettings(what, hint=about.words + (f" Example: {about.example}" if about.example else ""))


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
