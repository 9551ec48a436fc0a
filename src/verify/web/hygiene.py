"""What a request body must be before anybody reads it: whole, in time, small, plain, unambiguous.

The standard decoders accept duplicate keys, depth without end, NUL and lone surrogates. Here each is a 4xx.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

import msgspec

from verify.errors import Fault, Invalid, Malformed, TooLarge, TooSlow, UnsupportedMedia, Words
from verify.web.reply import Receive, Scope, header

T = TypeVar("T")

MAX_DEPTH: Final = 32
SLOWEST_BYTES_S: Final = 16 << 10
"""A streamed upload slower than this, after the first `timeout_s`, is refused."""

LET_GO_BYTES: Final = 1 << 20
LET_GO_S: Final = 1.0

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', re.DOTALL)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAK = re.compile("[\t\n\r]")
_PATH = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+|\.\.\.)\]")
_FIELD = re.compile(r"(?:unknown|required) field `([^`]*)`")


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


# --- reading --------------------------------------------------------------------------------------------


async def read_body(scope: Scope, receive: Receive, *, limit: int, timeout_s: float) -> bytes:
    """The whole body, at most `limit` bytes, within `timeout_s` seconds.

    Raises TooLarge (at once when Content-Length says so), TooSlow, UnsupportedMedia for a content coding,
    ClientGone.
    """
    await _check_framing(scope, receive, limit)
    chunks: list[bytes] = []
    size = 0
    async with _patience.limit(timeout_s):
        while True:
            chunk, more = await _next(receive)
            size += len(chunk)
            if size > limit:
                await _let_go(receive, more)
                raise _too_large(limit)
            if not more:
                return b"".join((*chunks, chunk)) if chunks else chunk
            chunks.append(chunk)


class _Wait:
    """One body that is being waited for."""

    __slots__ = ("deadline", "late", "patience", "seconds", "task")

    def __init__(self, patience: "_Patience", seconds: float) -> None:
        self.patience = patience
        self.seconds = seconds
        self.late = False

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self.task, self.deadline = task, loop.time() + self.seconds
        self.patience.begin(self, loop)

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        self.patience.waits.discard(self)
        if self.late and kind is asyncio.CancelledError and self.task.uncancel() == 0:
            raise TooSlow


class _Patience:
    """One timer for all bodies under way: a timer for each would cost more than reading it.

    A body is given up within `EVERY_S` after its deadline.
    """

    EVERY_S = 0.25

    def __init__(self) -> None:
        self.waits: set[_Wait] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def limit(self, seconds: float) -> _Wait:
        """`async with`: raises TooSlow when the block takes longer."""
        return _Wait(self, seconds)

    def begin(self, wait: _Wait, loop: asyncio.AbstractEventLoop) -> None:
        self.waits.add(wait)
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(self.EVERY_S, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for wait in [wait for wait in self.waits if wait.deadline <= now and not wait.late]:
            wait.late = True
            wait.task.cancel()
        if self.waits:
            loop.call_later(self.EVERY_S, self._look, loop)
        elif self._loop is loop:
            self._loop = None


_patience = _Patience()


async def stream_body(
    scope: Scope, receive: Receive, *, limit: int, timeout_s: float
) -> AsyncIterator[bytes]:
    """The body chunk by chunk, never more than one chunk in memory.

    Each chunk must come within `timeout_s`, and the whole at `SLOWEST_BYTES_S` on average after that.
    Raises as `read_body`.
    """
    await _check_framing(scope, receive, limit)
    clock = asyncio.get_running_loop().time
    began, size, more = clock(), 0, True
    while more:
        late = began + timeout_s + size / SLOWEST_BYTES_S
        try:
            async with asyncio.timeout(min(timeout_s, late - clock())):
                chunk, more = await _next(receive)
        except TimeoutError as error:
            raise TooSlow from error
        size += len(chunk)
        if size > limit:
            await _let_go(receive, more)
            raise _too_large(limit)
        if chunk:
            yield chunk


async def _let_go(receive: Receive, more: bool) -> None:
    """Read a little of a body that is refused: a client that still writes would never see the refusal."""
    left = LET_GO_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LET_GO_S):
            while more and left > 0:
                chunk, more = await _next(receive)
                left -= len(chunk)


async def _next(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


async def _check_framing(scope: Scope, receive: Receive, limit: int) -> None:
    coding = header(scope, b"content-encoding")
    if coding is not None and coding.strip().lower() not in (b"", b"identity"):
        raise UnsupportedMedia(Words("不接受压缩的请求内容。", "A compressed body is not accepted."))
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length[:19]) > limit:
        await _let_go(receive, int(length[:19]) <= limit + LET_GO_BYTES)
        raise _too_large(limit)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        Words(f"请求内容超过 {limit} 字节。", f"The body is larger than the {limit} bytes accepted here.")
    )


# --- content types --------------------------------------------------------------------------------------


def media_type(scope: Scope) -> str:
    """The content type without parameters, lower case; empty when none was sent."""
    value = header(scope, b"content-type") or b""
    return value.decode("latin-1").partition(";")[0].strip().lower()


def require_media(scope: Scope, *accepted: str) -> str:
    """The content type if it is one of `accepted`. Raises UnsupportedMedia, naming what would be accepted."""
    given = media_type(scope)
    if given in accepted:
        return given
    listed = ", ".join(accepted)
    raise UnsupportedMedia(
        Words(f"此处可用的内容类型：{listed}。", f"Content types accepted here: {listed}.")
    )


# --- JSON -----------------------------------------------------------------------------------------------


def check_json(body: bytes) -> Any:
    """The decoded value of strict JSON.

    Raises Malformed for invalid UTF-8 or JSON, a byte order mark, duplicate keys, nesting deeper than
    `MAX_DEPTH`, NaN and Infinity, numbers beyond reason, control characters and lone surrogates.
    """
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(body)
    try:
        text = body.decode("utf-8")
        value = _strict(text)
    except UnicodeDecodeError as error:
        raise Malformed(Words("请求内容不是 UTF-8 编码。", "The body is not valid UTF-8.")) from error
    except (ValueError, RecursionError) as error:
        raise Malformed(Words("请求内容不是有效的 JSON。", "The body is not valid JSON.")) from error
    if "\\" in text or not text.isascii() or "\x7f" in text:
        _check_strings(value)
    return value


def _strict(text: str) -> Any:
    if text.startswith("\ufeff"):
        raise ValueError("a byte order mark")
    return _decoder.decode(text)


def decode_json(body: bytes, kind: type[T]) -> T:
    """`body` as a `kind`. Raises Malformed as `check_json`; Invalid with the pointer of what does not fit."""
    check_json(body)
    return convert(msgspec.json.decode, body, kind)


def convert(decode: Any, body: Any, kind: type[T]) -> T:
    """Run a msgspec decoder and turn its refusal into Invalid or Malformed."""
    try:
        return decode(body, type=kind)  # type: ignore[no-any-return]  # the decoder's type depends on `kind`
    except msgspec.ValidationError as error:
        raise Invalid(faults=(_fault(str(error)),)) from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Malformed(Words("请求内容不是有效的 JSON。", "The body is not valid JSON.")) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Malformed(Words("JSON 对象中有重复的键。", "A JSON object has the same key twice."))
    return made


def _constant(name: str) -> None:
    raise Malformed(Words(f"JSON 中不允许 {name}。", f"{name} is not JSON."))


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _check_depth(body: bytes) -> None:
    depth = 0
    for match in _BRACKETS.finditer(body):
        if match[1]:
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed(Words("JSON 嵌套过深。", "The JSON is nested too deeply."))
        elif match[2]:
            depth -= 1


def _check_strings(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if _CONTROL.search(item):
                raise Malformed(
                    Words(
                        "文本中有控制字符或无效字符。", "A text holds control characters or lone surrogates."
                    )
                )
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def check_form_text(text: str) -> str:
    """`text` without what no field may hold. Raises Malformed."""
    _check_strings(text)
    return text


def _fault(message: str) -> Fault:
    """msgspec's sentence as a fault: its path becomes a JSON pointer (RFC 6901)."""
    path = _PATH.search(message)
    pointer = ""
    if path:
        pointer = "".join(f"/{step[1] or step[2]}" for step in _STEP.finditer(path[1]))
        message = message[: path.start()]
    field = _FIELD.search(message)
    code = "type"
    if field:
        code = "unknown-field" if "unknown field" in message else "missing"
        pointer += "/" + field[1].replace("~", "~0").replace("/", "~1")[:80]
    what = {"unknown-field": "没有这个字段。", "missing": "缺少此字段。"}.get(code, "类型或取值不符合要求。")
    return Fault(pointer, code, Words(what, message[:200] + "."))


# --- paths ----------------------------------------------------------------------------------------------


def check_path(raw_path: bytes) -> None:
    """Refuse an address that does not decode to plain text. Raises Malformed."""
    from_percent = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes((int(m[1], 16),)), raw_path)
    try:
        text = from_percent.decode("utf-8")
    except UnicodeDecodeError:
        text = "\x00"
    if b"%" in re.sub(rb"%[0-9A-Fa-f]{2}", b"", raw_path) or _CONTROL.search(text) or _BREAK.search(text):
        raise Malformed(Words("网址中有无效字符。", "The address holds characters that are not accepted."))
