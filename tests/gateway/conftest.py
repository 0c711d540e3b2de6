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


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[pytest.param(False, id="channel"), pytest.param(True, id="in-process")],
)
async def door(
    request: pytest.FixtureRequest, databases: Databases, catalog_file: Path
) -> AsyncIterator[Service]:
    """Both doors over the catalog of `door.organizations`, on either way between them."""
    async with run_service(databases.sqlite(), catalog_file, in_process=request.param) as service:
        yield service
