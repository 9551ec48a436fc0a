"""A network for a test, where the machine can make one."""

from collections.abc import Iterator
from functools import cache

import pytest
from faults_network import Network, open_network, why_not

reason = cache(why_not)


@pytest.fixture
def network() -> Iterator[Network]:
    """Namespaces, or a loud word that there are none."""
    if told := reason():
        pytest.skip(f"THE PARTITION TESTS DID NOT RUN: {told}")
    with open_network() as made:
        yield made
