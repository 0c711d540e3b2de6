"""A service that the tests of one module share: most of them change nothing in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.gateway.door import write_catalog
from tests.support.databases import Databases
from tests.support.service import Service, run_service


@pytest.fixture(scope="module")
def catalog_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("catalog"))


@pytest.fixture(
    scope="module",
    params=[pytest.param(False, id="channel"), pytest.param(True, id="in-process")],
)
def in_process(request: pytest.FixtureRequest) -> bool:
    """Which of its two ways the gateway takes to the server: each test goes both."""
    return bool(request.param)


@pytest.fixture(scope="module")
def shared_url(databases: Databases, in_process: bool) -> str:
    """A database for each of them."""
    return databases.sqlite()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(shared_url: str, catalog_file: Path, in_process: bool) -> AsyncIterator[Service]:
    """Both doors over the catalog of `door.organizations`."""
    async with run_service(
        shared_url,
        catalog_file,
        in_process=in_process,
        # Modules share it, and many of their tests look for codes that nobody has.
        unknown_codes_per_minute=1_000_000,
    ) as service:
        yield service
