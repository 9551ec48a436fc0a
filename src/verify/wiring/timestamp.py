"""The wire to a timestamp service: RFC 3161 over HTTP (section 3.4)."""

from typing import Protocol

from verify.errors import ProofFailed, Unavailable, Words
from verify.proof.timestamp import MAX_REPLY_BYTES, Post


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


def _silent() -> Unavailable:
    what = Words("时间戳服务没有应答。", "The timestamp service did not answer.")
    return Unavailable(what, hint="check the timestamp service's address")
