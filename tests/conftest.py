"""Fixtures for every room."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A fresh simulated world on SQLite; see `world.py`."""
    async with World.open(tmp_path) as opened:
        yield opened
