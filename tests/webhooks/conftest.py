"""Fixtures of the tests of webhooks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.receiver import Receiver, running_receiver
from tests.webhooks.office import Office, open_office


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    """An office on each engine."""
    async with open_office(database_url, tmp_path) as office:
        yield office


@pytest.fixture
async def one_office(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    """An office for what does not depend on the engine."""
    async with open_office(sqlite_url, tmp_path) as office:
        yield office


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that checks signatures as receivers do."""
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
async def stranger(office: Office) -> AsyncIterator[Receiver]:
    """Takes messages of the future, as time is moved here."""
    async with running_receiver(clock=office.clock) as receiver:
        yield receiver
