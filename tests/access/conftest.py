"""The world of the tests that keep organisations apart."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from redemption_server.access.seal import new_key
from redemption_server.feed import feed
from sqlalchemy.ext.asyncio import create_async_engine

from tests.access.apart.answers import Door
from tests.access.apart.names import OUR_CATALOG, THEIR_CATALOG
from tests.access.apart.world import World
from tests.support import catalogs
from tests.support.databases import ENGINES, Databases
from tests.support.service import run_service


@pytest.fixture(scope="module", params=ENGINES)
def apart_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A database of each engine."""
    if request.param == "sqlite":
        yield databases.sqlite()
    else:
        with databases.postgresql() as url:
            yield url


@asynccontextmanager
async def living(url: str, folder: Path) -> AsyncIterator[World]:
    file = catalogs.write(folder, OUR_CATALOG, THEIR_CATALOG)
    # The gateway takes each of its two ways to the server once.
    in_process = url.startswith("postgresql")
    settings: dict[str, Any] = {
        "unknown_codes_per_minute": 1_000_000,
        "webhook_keys": SecretStr(new_key()),
    }
    engine = create_async_engine(url)
    try:
        async with run_service(url, file, in_process=in_process, **settings) as service:
            # Each call says for itself who sends it.
            del service.http.headers["Authorization"]
            world = World(service, engine, folder)
            await world.live_through_the_past()
            yield world
    finally:
        await engine.dispose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world(
    apart_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        # So that a watch says soon that it has told everything.
        patch.setattr(feed, "HEARTBEAT_SECONDS", 0.1)
        async with living(apart_url, tmp_path_factory.mktemp("apart")) as world:
            yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared_world: World) -> AsyncIterator[World]:
    """As at the start, for each test."""
    yield shared_world
    await shared_world.restore(await shared_world.state())


@pytest.fixture(params=["grpc", "http"])
def door(request: pytest.FixtureRequest, world: World) -> Door:
    """A way to redeem."""
    doors: dict[str, Door] = {"grpc": world.ask, "http": world.ask_http}
    return doors[request.param]
