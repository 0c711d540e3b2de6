"""Fixtures of the tests of commands."""

from pathlib import Path

import pytest

from tests.ops.bulk import stock
from tests.support import catalogs


@pytest.fixture
def folder(sqlite_url: str, tmp_path: Path) -> Path:
    """A folder beside a database with an organisation, a series and a promotion, both empty."""
    (tmp_path / "var").mkdir()
    Path(sqlite_url.removeprefix("sqlite+aiosqlite:///")).rename(tmp_path / "var" / "redemption.db")
    stock(tmp_path, catalogs.ORG)
    return tmp_path
