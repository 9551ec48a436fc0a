"""What cannot be printed is refused when it is asked for, by field, character and code point."""

from typing import Any

import pytest
from web_http_world import Server, issue_request

from verify.documents.glyphs import missing_glyphs

GLYPH = "\U00013000"
"""An Egyptian hieroglyph: no font here has it, nor HanaMin."""


def ask(server: Server, key: str, **changes: object) -> Any:
    with server.client(server.installation.agency_key) as client:
        found = client.post(
            "/api/v1/certificates", json=issue_request(7000, **changes), headers={"idempotency-key": key}
        )
    assert found.status_code == 422, found.text
    return found.json()


def test_a_remark_with_an_unprintable_character_is_refused_by_name(server: Server) -> None:
    assert missing_glyphs(GLYPH) == [GLYPH]
    problem = ask(server, "glyph-1", remark=f"备注{GLYPH}")
    (fault,) = problem["errors"]
    assert (fault["pointer"], fault["code"]) == ("/remark", "unprintable")
    assert "U+13000" in fault["detail"]


@pytest.mark.parametrize("text", ["张三丰", "买买提·艾力"])
def test_common_names_pass(text: str) -> None:
    assert missing_glyphs(text) == []
