"""A server for the tests of this room, started once."""

from collections.abc import Iterator

import pytest
from web_http_world import Server, install, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Both halves over a register with two agencies and a dozen certificates; budgets off."""
    with serving(install(tmp_path_factory.mktemp("served"))) as running:
        yield running
