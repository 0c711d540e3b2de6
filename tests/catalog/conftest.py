"""Fixtures of the tests of the catalog."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.desk import Desk, open_desk


@pytest.fixture
async def one_desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk on SQLite alone, for what is checked before any database is asked."""
    async with open_desk(sqlite_url, tmp_path) as desk:
        yield desk
