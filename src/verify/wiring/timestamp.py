"""The wires to a timestamp service: RFC 3161 over HTTP (section 3.4), and its revocation lists (RFC 5280)."""

from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from verify.config import Settings
from verify.errors import BadSettings, ProofFailed, Unavailable, Words
from verify.proof.timestamp import MAX_REPLY_BYTES, Post, TimestampClient, TimestampService, read_roots

TIMEOUT_S = 10.0
MAX_LIST_BYTES = 256 * 1024
"""It goes into every file; larger ones are refused."""


def open_timestamp(
    settings: Settings, random: Callable[[int], bytes]
) -> tuple[TimestampService | None, Sequence[bytes]]:
    """The timestamp service of the settings with its roots (DER); nothing where none is set.

    Raises BadSettings for an address that is none, or roots that are missing or cannot be read.
    """
    if settings.timestamp_url is None:
        return None, ()
    if urlsplit(settings.timestamp_url).scheme not in ("http", "https"):
        what = Words("VERIFY_TIMESTAMP_URL 不是网址。", "VERIFY_TIMESTAMP_URL is no http or https address.")
        raise BadSettings(what, hint="VERIFY_TIMESTAMP_URL=https://tsa.example.cn/tsr")
    try:
        if settings.timestamp_roots is None:
            raise ValueError("not set")
        roots = read_roots(settings.timestamp_roots.read_bytes())
    except (OSError, ValueError) as error:
        what = Words("VERIFY_TIMESTAMP_ROOTS 不可用。", "VERIFY_TIMESTAMP_ROOTS cannot be used.")
        raise BadSettings(what, hint="a PEM file with the timestamp service's root certificates") from error
    post = http_post(settings.timestamp_url, TIMEOUT_S)
    return TimestampClient(post, roots=roots, random=random), roots


def http_post(url: str, timeout_s: float) -> Post:
    """A `Post` to `url` that follows no redirect and takes at most `MAX_REPLY_BYTES` within `timeout_s`.

    It raises Unavailable when the service does not answer, ProofFailed when its answer is too large.
    """

    async def post(request: bytes) -> bytes:
        import aiohttp

        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        limit = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.post(url, data=request, headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status != 200 or answer.content_type != "application/timestamp-reply":
                    raise _silent()
                return await _bounded(answer.content)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _silent() from error

    return post


async def http_get(url: str) -> bytes:
    """The revocation list at `url`: one request, no redirect, at most `MAX_LIST_BYTES` within `TIMEOUT_S`.

    Raises Unavailable for every other answer. Addresses come from the settings, or from certificates that are proven to
    be the configured timestamp service's; never from what somebody brings.
    """
    import aiohttp

    limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            body = b""
            while answer.status == 200 and (piece := await answer.content.read(MAX_LIST_BYTES + 1)):
                body += piece
                if len(body) > MAX_LIST_BYTES:
                    raise _no_list()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise _no_list() from error
    if not body:
        raise _no_list()
    return body


class _Readable(Protocol):
    async def read(self, n: int = -1) -> bytes: ...


async def _bounded(content: _Readable) -> bytes:
    body = b""
    while part := await content.read(MAX_REPLY_BYTES + 1):
        body += part
        if len(body) > MAX_REPLY_BYTES:
            what = Words("时间戳应答过大。", "The timestamp answer is too large.")
            raise ProofFailed(what, hint="check the timestamp service and its root certificate")
    return body


def _no_list() -> Unavailable:
    what = Words("无法取得吊销列表。", "A revocation list could not be had.")
    return Unavailable(
        what, hint="check VERIFY_TIMESTAMP_LISTS, or the addresses in the service's certificates"
    )


def _silent() -> Unavailable:
    what = Words("时间戳服务没有应答。", "The timestamp service did not answer.")
    return Unavailable(what, hint="check the timestamp service's address")
