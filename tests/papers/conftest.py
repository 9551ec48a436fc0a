"""The served register of the web tests, with its own installation."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for room in ("web", "proof"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / room))

from web_http_world import Server, install, serving  # noqa: E402 - its room is put on the path above


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Both halves over a register with two agencies and a dozen certificates; budgets off."""
    with serving(install(tmp_path_factory.mktemp("papers"), body_timeout_s="10")) as running:
        yield running
