"""What a request body must be: every hostile form is refused with the right error, and nothing else is."""

import asyncio
import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.errors import Invalid, Malformed, TooLarge, TooSlow, UnsupportedMedia, VerifyError
from verify.web.hygiene import ClientGone, check_json, check_path, decode_json, read_body, stream_body
from verify.web.language import pick_language, wants_page
from verify.web.multipart import parse_multipart
from verify.web.public.allowance import asker


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    count: int = 0


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inner: Inner
    items: list[Inner] = []


HOSTILE = {
    "duplicate keys": b'{"a":1,"a":2}',
    "duplicate keys deep inside": b'{"x":[{"a":1,"b":{"c":1,"c":1}}]}',
    "a duplicate key written as an escape": b'{"a":1,"\\u0061":2}',
    "depth 33": b"[" * 33 + b"]" * 33,
    "depth 60000": b"[" * 60_000,
    "depth of objects": b'{"a":' * 40 + b"1" + b"}" * 40,
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "invalid UTF-8": b'{"a":"\xff\xfe"}',
    "an overlong encoding": b'{"a":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "a lone surrogate as an escape": b'{"a":"\\ud800"}',
    "NUL as an escape": b'{"a":"\\u0000"}',
    "NUL as it is": b'{"a":"\x00"}',
    "an escape character in a key": b'{"\\u001b":1}',
    "DEL": b'{"a":"\x7f"}',
    "a C1 control": '{"a":"\u0085"}'.encode(),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a number of 10000 digits": b'{"a":' + b"9" * 10_000 + b"}",
    "nothing": b"",
    "half an object": b'{"a":',
    "two values": b"{} {}",
    "single quotes": b"{'a':1}",
    "a comment": b"{/* */}",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        check_json(body)


def test_depth_32_and_brackets_inside_strings_pass() -> None:
    assert check_json(b"[" * 32 + b"]" * 32) is not None
    assert check_json(json.dumps({"a": "[{" * 500 + '"\\'}).encode()) is not None


def test_plain_text_of_every_kind_passes() -> None:
    text = {"name": "买买提·艾力", "rare": "𰻝䶮", "note": "two\nlines\tand a tab", "quote": '"\\/'}
    assert check_json(json.dumps(text, ensure_ascii=False).encode()) == text
    assert check_json(json.dumps(text).encode()) == text


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs"))),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(categories=("L",))), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_whatever_json_writes_is_read_back(value: Any) -> None:
    assert check_json(json.dumps(value).encode()) == value


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_pass_or_raise_ours(body: bytes) -> None:
    with contextlib.suppress(VerifyError):
        decode_json(body, Outer)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b"{}", "/inner", "missing"),
        (b'{"inner":{"name":1}}', "/inner/name", "type"),
        (b'{"inner":{"name":"a","count":"1"}}', "/inner/count", "type"),
        (b'{"inner":{"name":"a","who":1}}', "/inner/who", "unknown-field"),
        (b'{"inner":{"name":"a"},"items":[{"name":"a"},{}]}', "/items/1/name", "missing"),
        (b'{"inner":{"name":"a"},"a/b~c":1}', "/a~1b~0c", "unknown-field"),
        (b"[]", "", "type"),
    ],
)
def test_a_field_that_does_not_fit_is_told_with_its_pointer(body: bytes, pointer: str, code: str) -> None:
    with pytest.raises(Invalid) as told:
        decode_json(body, Outer)
    (fault,) = told.value.faults
    assert (fault.code, fault.pointer.replace("...", "1")) == (code, pointer)
    assert fault.detail.zh and fault.detail.en


# --- bodies ---------------------------------------------------------------------------------------------


def _scope(**headers: str) -> dict[str, Any]:
    listed = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return {"headers": listed, "client": ("192.0.2.1", 1)}


def _receive(*messages: Any) -> Any:
    waiting = list(messages)

    async def receive() -> Any:
        if not waiting:
            await asyncio.sleep(60)
        item = waiting.pop(0)
        return (
            item
            if isinstance(item, dict)
            else {"type": "http.request", "body": item, "more_body": bool(waiting)}
        )

    return receive


async def test_a_body_in_pieces_is_put_together() -> None:
    assert await read_body(_scope(), _receive(b"ab", b"c", b""), limit=3, timeout_s=1) == b"abc"


async def test_a_body_too_large_is_refused_before_and_while_it_comes() -> None:
    with pytest.raises(TooLarge):
        await read_body(_scope(content_length="4"), _receive(b"abcd"), limit=3, timeout_s=1)
    with pytest.raises(TooLarge):
        await read_body(_scope(), _receive(b"ab", b"cd"), limit=3, timeout_s=1)


async def test_a_stalled_body_is_refused() -> None:
    stalled = {"type": "http.request", "body": b"a", "more_body": True}
    with pytest.raises(TooSlow):
        await read_body(_scope(), _receive(stalled), limit=3, timeout_s=0.05)
    with pytest.raises(TooSlow):
        async for _ in stream_body(_scope(), _receive(stalled), limit=3, timeout_s=0.05):
            pass


async def test_a_client_that_leaves_is_told_apart() -> None:
    with pytest.raises(ClientGone):
        await read_body(_scope(), _receive({"type": "http.disconnect"}), limit=3, timeout_s=1)


async def test_a_packed_body_is_refused() -> None:
    with pytest.raises(UnsupportedMedia):
        await read_body(_scope(content_encoding="gzip"), _receive(b""), limit=3, timeout_s=1)


@pytest.mark.parametrize("path", [b"/%", b"/%zz", b"/%ff", b"/%00", b"/a%0ab", b"/\xff", b"/%c0%af", b"/%7f"])
def test_an_address_that_is_no_text_is_malformed(path: bytes) -> None:
    with pytest.raises(Malformed):
        check_path(path)


def test_an_address_in_chinese_is_text() -> None:
    check_path("/车工".encode())
    check_path(b"/%E8%BD%A6%20")


# --- forms ----------------------------------------------------------------------------------------------


def test_an_upload_is_read_byte_for_byte() -> None:
    data = bytes(range(256)) * 3 + b"\r\n--other"
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        + data
        + b"\r\n--B--\r\n"
    )
    part = parse_multipart(b"multipart/form-data; boundary=B", body)["file"]
    assert part.data == data and part.is_file


@given(st.binary(max_size=300))
def test_no_upload_does_anything_but_parse_or_raise_malformed(body: bytes) -> None:
    with contextlib.suppress(Malformed):
        parse_multipart(b'multipart/form-data; boundary="B"', b"--B" + body)


# --- who and in which language --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forwarded", "proxies", "source"),
    [
        ("", 0, "192.0.2.1"),
        ("203.0.113.9", 0, "192.0.2.1"),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9", 1, "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.0.0.1", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", 1, "20010db800010002"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
        ("garbage", 1, "garbage"),
    ],
)
def test_the_source_is_what_trusted_proxies_say(forwarded: str, proxies: int, source: str) -> None:
    assert asker(_scope(**({"x_forwarded_for": forwarded} if forwarded else {})), proxies) == source


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        (None, "zh"),
        (b"", "zh"),
        (b"en", "en"),
        (b"zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (b"en-GB,en;q=0.9,zh;q=0.8", "en"),
        (b"fr, de", "zh"),
        (b"en;q=0", "zh"),
        (b"en;q=nonsense", "zh"),
        (b"en," + b"x" * 300, "zh"),
    ],
)
def test_chinese_unless_english_is_preferred(header: bytes | None, lang: str) -> None:
    assert pick_language(header) == lang
    assert pick_language(header, b"lang=en") == "en"


def test_a_browser_gets_a_page_and_a_program_gets_data() -> None:
    assert wants_page(b"text/html,application/xhtml+xml,*/*;q=0.8")
    assert not wants_page(b"application/json") and not wants_page(b"*/*") and not wants_page(None)
    assert not wants_page(b"application/json, text/html;q=0.5")
