"""Fixtures of the tests of storage."""

from collections.abc import AsyncIterator

import pytest

from tests.support.meeting import Meeting, meeting_at


@pytest.fixture
async def meeting(database_url: str) -> AsyncIterator[Meeting]:
    """Servers on the database that the desk of the test is at."""
    async with meeting_at(database_url) as meeting:
        yield meeting
