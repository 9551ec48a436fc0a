"""One table from an error's code to its HTTP status, and the problem (RFC 9457) that tells it.

A malformed request is 400; one that can be read but whose fields are not acceptable is 422, each field listed.
An error that the table does not know is a bland 500 and a line in the log; nothing of it reaches the client.
"""

import math
from types import MappingProxyType
from typing import Any, Final

import msgspec

from verify import errors
from verify.errors import VerifyError, Words
from verify.telemetry import log
from verify.web.headers import HeaderLists
from verify.web.language import Lang
from verify.web.pages import Pages
from verify.web.reply import Reply

STATUS: Final = MappingProxyType(
    {
        "malformed": 400,
        "invalid": 422,
        "too-large": 413,
        "too-slow": 408,
        "unsupported-media": 415,
        "method-not-allowed": 405,
        "unauthenticated": 401,
        "forbidden": 403,
        "out-of-scope": 403,
        "agency-blocked": 403,
        "not-found": 404,
        "conflict": 409,
        "forbidden-arrow": 409,
        "duplicate": 409,
        "idempotency-key-reused": 422,
        "too-many": 429,
        "proof-failed": 422,
        "unreadable": 422,
        "bad-signature": 422,
        "unknown-key": 422,
        "bad-document": 422,
        "unavailable": 503,
        "store-failed": 503,
        "not-ready": 503,
        "bad-key": 503,
    }
)
"""Code → status. Codes never change; the metric labels and problem types carry them."""

_SAYS_NOTHING: Final = frozenset({"unavailable", "store-failed", "not-ready"})
"""Told together with the verdict `unavailable`, which is all that look-ups know then."""
RETRY_S: Final = 2
"""Retry-After of a 503: a database that restarts is back in seconds."""
INTERNAL: Final = "internal"
_INTERNAL_WORDS: Final = Words("服务内部错误，已记录。", "Something went wrong here; it has been recorded.")

_encode = msgspec.json.Encoder().encode


def error_kinds() -> dict[str, Words]:
    """Title of every code of the table, from the error's own docstring."""
    found: dict[str, Words] = {INTERNAL: _INTERNAL_WORDS}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, VerifyError) and kind.code in STATUS:
            found[kind.code] = kind().detail
    return found


class Problems:
    """Turns errors into answers, as data or as a page."""

    def __init__(self, public_url: str, host: str, headers: HeaderLists, pages: Pages) -> None:
        """`public_url` is the front of every problem type; `host` is shown on pages."""
        self._base = f"{public_url}/problems/"
        self._host = host
        self._headers = headers
        self._pages = pages
        self._titles = error_kinds()

    def reply(self, error: BaseException, lang: Lang, *, page: bool = False, here: str = "/") -> Reply:
        """The answer to a request that failed with `error`."""
        code, status, body = self.describe(error, lang)
        retry = retry_after(error, status)
        if page:
            content = self._pages.render_problem(
                lang, host=self._host, status=status, problem=body, retry_after=retry, here=here
            )
            headers = self._headers.page
        else:
            content = _encode(body)
            headers = self._headers.problem
        extra = _extra_headers(error, code, retry)
        return Reply(status, [*headers, *extra] if extra else headers, content)

    def describe(self, error: BaseException, lang: Lang) -> tuple[str, int, dict[str, Any]]:
        """Code, status and the problem object in one language."""
        code = error.code if isinstance(error, VerifyError) else INTERNAL
        status = STATUS.get(code, 500)
        if status == 500:
            code = INTERNAL
            log_failure(error)
        title = self._titles[code]
        body: dict[str, Any] = {
            "type": self._base + code,
            "title": _say(title, lang),
            "status": status,
            "code": code,
        }
        if status == 500 or not isinstance(error, VerifyError):
            return code, status, body
        if error.detail != title:
            body["detail"] = _say(error.detail, lang)
        challenge = getattr(error, "challenge", None)
        if challenge is not None:
            body["challenge"] = msgspec.to_builtins(challenge)
        if code in _SAYS_NOTHING:
            body["verdict"] = "unavailable"
        if error.faults:
            body["errors"] = [
                {"pointer": f.pointer, "code": f.code, "detail": _say(f.detail, lang)}
                | ({"source": f.source} if f.source else {})
                for f in error.faults
            ]
        return code, status, body

    def explain(self, code: str) -> bytes | None:
        """What stands at a problem's type address: the code in both languages; None for an unknown code."""
        words = self._titles.get(code)
        if words is None:
            return None
        body = {
            "type": self._base + code,
            "code": code,
            "status": STATUS.get(code, 500),
            "title": {"zh": words.zh, "en": words.en},
        }
        return _encode(body)


def retry_after(error: BaseException, status: int) -> int | None:
    """Seconds to wait, when waiting helps."""
    seconds: float | None = getattr(error, "retry_after_s", None)
    if seconds is not None:
        return max(1, math.ceil(seconds))
    return {429: 60, 503: RETRY_S}.get(status)


def _extra_headers(error: BaseException, code: str, retry: int | None) -> list[tuple[bytes, bytes]]:
    extra: list[tuple[bytes, bytes]] = []
    if retry is not None:
        extra.append((b"retry-after", str(retry).encode()))
    if code == "unauthenticated":
        extra.append((b"www-authenticate", b'Bearer realm="verify"'))
    allow = getattr(error, "allow", None)
    if allow:
        extra.append((b"allow", allow.encode()))
    extra.extend(getattr(error, "headers", ()))
    return extra


def log_failure(error: BaseException) -> None:
    """One line for the operator: where it broke. Never its message: that may quote what a person typed."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "?"
    log.error("a request failed in a way nobody foresaw", kind=type(error).__qualname__, where=where)


def _say(words: Words, lang: Lang) -> str:
    return words.zh if lang == "zh" else words.en
