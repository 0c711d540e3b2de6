"""Whether PostgreSQL is there is known before anyone asks, and refusals take no time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redemption_server.commit.queue import CommitQueue
from redemption_server.rules.outcomes import Granted, Outcome
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.availability import State, WatchedDatabase, watched
from redemption_server.storage.database import open_database
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from structlog.testing import capture_logs

from tests.support import catalogs
from tests.support.databases import Databases
from tests.support.desk import Desk, open_desk, promotions, use
from tests.support.eventually import eventually
from tests.support.postgres_proxy import Loss, PostgresProxy, proxied
from tests.support.service import REDEMPTIONS, run_service

# These tests time what happens.
pytestmark = pytest.mark.alone
AT_ONCE_SECONDS = 0.2


class Watched:
    """A watched database behind a proxy, and a queue over it."""

    def __init__(self, database: WatchedDatabase, desk: Desk) -> None:
        self.database = database
        self.desk = desk
        self.changes: list[bool] = []
        database.on_change(self._changed)
        self.queue = CommitQueue(database, desk.clock, desk.ids, writers=1, waiting_max=100)

    async def _changed(self, up: bool) -> None:
        self.changes.append(up)

    async def redeem(self, identifier: str) -> Outcome:
        command = promotions(self.desk.clock.now, use(), transaction_identifier=identifier)
        try:
            return await self.queue.submit(command)
        except Refused as refused:
            return refused

    async def read(self) -> None:
        await self.database.read(lambda connection: connection.execute(text("SELECT 1")).one())

    async def becomes(self, state: State, seconds: float = 10) -> float:
        """Returns when it is in a state, and after how many seconds."""

        async def has_become() -> bool:
            return self.database.state is state

        return await eventually(has_become, seconds)


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.postgresql() as url:
        yield url


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[PostgresProxy]:
    async with proxied(url) as proxy:
        yield proxy


@pytest.fixture
async def service(url: str, proxy: PostgresProxy, tmp_path: Path) -> AsyncIterator[Watched]:
    """Watched, stocked, and with a connection for batches."""
    async with open_desk(url, tmp_path) as desk:
        await desk.apply(catalogs.organization(credentials=[], promotions=[catalogs.promotion()]))
        database = open_database(proxy.url)
        async with watched(database) as watched_database:
            service = Watched(watched_database, desk)
            assert isinstance(await service.redeem("first"), Granted)
            yield service
            await service.queue.close()
        await database.close()


@asynccontextmanager
async def at_once() -> AsyncIterator[None]:
    async with asyncio.timeout(AT_ONCE_SECONDS):
        yield


async def assert_refuses_all(service: Watched) -> None:
    async with at_once():
        refused = await service.redeem("while away")
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.UNAVAILABLE
    assert not refused.maybe_recorded
    async with at_once():
        with pytest.raises(Refused) as caught:
            await service.read()
    assert caught.value.reason is Reason.UNAVAILABLE


@pytest.mark.provokes("UNAVAILABLE")
async def test_an_absent_database_is_refused_at_once_until_it_is_back(
    proxy: PostgresProxy, service: Watched
) -> None:
    for _ in range(2):
        proxy.refuse()
        proxy.cut()
        # Nobody has to call for it to be missed.
        assert await service.becomes(State.AWAY) < 3
        await assert_refuses_all(service)
        await proxy.accept()
        assert await service.becomes(State.UP) < 3
        await service.read()
    assert isinstance(await service.redeem("while away"), Granted)
    assert service.changes == [False, True, False, True]


async def test_a_silent_database_is_away_within_4_seconds_until_it_is_heard_again(
    proxy: PostgresProxy, service: Watched
) -> None:
    proxy.swallow()
    try:
        await service.becomes(State.AWAY, 4.5)
        await assert_refuses_all(service)
    finally:
        proxy.recover()
    await service.becomes(State.UP, 3)
    assert isinstance(await service.redeem("while away"), Granted)


@asynccontextmanager
async def away_while_a_batch_hangs(
    proxy: PostgresProxy, service: Watched
) -> AsyncIterator["asyncio.Task[Outcome]"]:
    """The peer of one connection says nothing more, and no other connection can be had."""
    proxy.lose(Loss.STANDSTILL, statement=1)
    hanging = asyncio.create_task(service.redeem("hanging"))
    await proxy.lost.wait()
    proxy.refuse()
    proxy.cut(idle_only=True)
    await service.becomes(State.AWAY)
    try:
        yield hanging
    finally:
        proxy.resume()
        await hanging


async def test_a_batch_that_hangs_does_not_keep_calls_from_being_refused_at_once(
    proxy: PostgresProxy, service: Watched
) -> None:
    async with away_while_a_batch_hangs(proxy, service):
        await assert_refuses_all(service)


async def test_a_batch_that_ends_late_does_not_make_an_absent_database_a_present_one(
    proxy: PostgresProxy, service: Watched
) -> None:
    async with away_while_a_batch_hangs(proxy, service) as hanging:
        proxy.cut()
        assert isinstance(await hanging, Refused)
        await assert_refuses_all(service)


async def set_default(url: str, name: str, value: str) -> None:
    """Sets a default for sessions of the database that are to come."""
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        connect_args={"server_settings": {"default_transaction_read_only": "off"}},
    )
    async with engine.connect() as connection:
        database = make_url(url).database
        await connection.execute(text(f"ALTER DATABASE {database} SET {name} = {value}"))
    await engine.dispose()


async def test_a_read_only_database_is_read_until_it_can_be_written_again(
    url: str, proxy: PostgresProxy, service: Watched
) -> None:
    await set_default(url, "default_transaction_read_only", "on")
    proxy.cut()
    refused = await service.redeem("while read-only")
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.UNAVAILABLE
    assert not refused.maybe_recorded
    assert service.database.state is State.NOT_WRITABLE
    await service.read()
    await set_default(url, "default_transaction_read_only", "off")
    await service.becomes(State.UP, 5)
    await service.read()
    assert isinstance(await service.redeem("while read-only"), Granted)
    assert service.changes == [False, True]


async def test_a_lookup_is_unavailable_from_the_first_moment(
    proxy: PostgresProxy, tmp_path: Path
) -> None:
    codes = [{"id": "code", "code": "CODE"}]
    file = catalogs.write(
        tmp_path, catalogs.organization(promotions=[catalogs.promotion(codes=codes)])
    )
    lookup = f"{REDEMPTIONS}?codes=CODE&mode=DISCOUNT"
    async with run_service(proxy.url, file) as service:
        assert (await service.http.get(lookup)).status_code == 404
        proxy.refuse()
        proxy.cut()
        # Tracebacks in the form of this library's default take seconds.
        with capture_logs():
            assert (await service.http.get(lookup)).status_code == 503


@pytest.mark.parametrize(
    ("default", "used"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")]
)
async def test_commits_are_durable_whatever_the_default_of_the_database(
    url: str, default: str, used: str
) -> None:
    await set_default(url, "synchronous_commit", default)
    database = open_database(url)
    statement = text("SHOW synchronous_commit")
    assert await database.transact(lambda c: c.execute(statement).scalar()) == used
    await database.close()
