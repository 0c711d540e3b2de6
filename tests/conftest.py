"""Fixtures for all tests."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redemption_server.prepare import DEMO_CATALOG

from tests.support import catalogs
from tests.support.connections import checked_out
from tests.support.databases import ENGINES, POSTGRES_URL_VARIABLE, Databases
from tests.support.desk import Desk, open_desk
from tests.support.service import Service, run_service


@pytest.fixture(scope="session", autouse=True)
def _scrubbed_environment() -> None:
    for name in [n for n in os.environ if n.startswith("REDEMPTION_")]:
        if name != POSTGRES_URL_VARIABLE:
            del os.environ[name]


@pytest.fixture(autouse=True, scope="module")
def _no_connection_outlives_its_module() -> Iterator[None]:
    yield
    assert not checked_out()


@pytest.fixture(autouse=True)
def _no_connection_stays_checked_out(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    marker = request.node.get_closest_marker("asyncio")
    # A service that a module shares reads by itself now and then.
    if not (marker and marker.kwargs.get("loop_scope") == "module"):
        assert not checked_out()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    databases = Databases(tmp_path_factory.mktemp("databases"))
    yield databases
    databases.close()


@pytest.fixture
def sqlite_url(databases: Databases) -> str:
    """A fresh SQLite database with the schema."""
    return databases.sqlite()


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A fresh database with the schema; a test that asks for it runs on each engine."""
    if request.param == "sqlite":
        yield databases.sqlite()
    else:
        with databases.postgresql() as url:
            yield url


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk on each engine, with the test organisation still to be applied."""
    async with open_desk(database_url, tmp_path) as desk:
        yield desk


@pytest.fixture
async def service(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Both doors over the test organisation with one promotion and one coupon series."""
    file = catalogs.write(
        tmp_path,
        catalogs.organization(promotions=[catalogs.promotion()], coupon_series=[catalogs.series()]),
    )
    async with run_service(sqlite_url, file) as service:
        yield service


@pytest.fixture
async def demo_service(sqlite_url: str) -> AsyncIterator[Service]:
    """Both doors over the demo catalog."""
    async with run_service(sqlite_url, DEMO_CATALOG, key="demo", secret="demo") as service:
        yield service
