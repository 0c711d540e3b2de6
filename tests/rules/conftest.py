"""Fixtures of the tests of rules."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.desk import Desk, open_desk


@pytest.fixture
async def one_desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk on SQLite alone, for rules that are decided far from any database."""
    async with open_desk(sqlite_url, tmp_path) as desk:
        yield desk
