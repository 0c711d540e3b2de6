"""PostgreSQL goes away under a running service, and comes back."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redemption_server.storage.schema import migrate_url

from tests.support.books import books_at, books_of
from tests.support.both_doors import LOOKUP, both_doors
from tests.support.databases import Databases
from tests.support.eventually import eventually
from tests.support.load import redeem_body
from tests.support.own_postgres import OwnPostgres, own_postgres
from tests.support.postgres_proxy import proxied
from tests.support.service import REDEMPTIONS
from tests.support.till import (
    GRANTED,
    assert_nothing_was_granted_twice,
    busy,
)

CALLERS = 8
REFUSED = {"state_changed": "no", "retry": "safe"}


@pytest.fixture
def postgres() -> Iterator[OwnPostgres]:
    with own_postgres() as postgres:
        yield postgres


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.postgresql() as url:
        yield url


@pytest.mark.provokes("UNAVAILABLE")
async def test_a_database_that_crashes_under_load_is_missed_and_found_again(
    postgres: OwnPostgres, tmp_path: Path
) -> None:
    await migrate_url(postgres.url)
    async with both_doors(tmp_path, database_url=postgres.url) as service:

        async def refuses_lookups() -> bool:
            return (await service.http.get(LOOKUP)).status_code == 503

        async with busy(service.till, CALLERS):
            await service.till.hears(GRANTED, 50)
            await asyncio.to_thread(postgres.crash)
            await eventually(service.is_down, 4)
            await eventually(refuses_lookups, 4)
            away_at = time.monotonic()
            refused = [await service.http.get(LOOKUP)]
            refused += [await service.http.post(REDEMPTIONS, json=redeem_body("http"))]
            assert [answer.status_code for answer in refused] == [503, 503]
            assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
            assert max(answer.elapsed.total_seconds() for answer in refused) < 1
            await service.till.hears("UNAVAILABLE", 5 * CALLERS)
            back_at = time.monotonic()
            await asyncio.to_thread(postgres.start)
            assert await eventually(service.is_up) < 5
            await service.till.hears(GRANTED, 50)
        answers = service.till.answers
        meanwhile = [answer for answer in answers if away_at < answer.sent_at < back_at]
        assert len(meanwhile) >= CALLERS
        assert {answer.said for answer in meanwhile} == {"UNAVAILABLE"}
        assert all(answer.advice == REFUSED for answer in meanwhile)
        assert max(answer.seconds for answer in meanwhile) < 1
        assert (await service.http.get(LOOKUP)).json()["data"][0]["redemptionCount"] > 100
    assert_nothing_was_granted_twice(answers)
    assert await books_at(postgres.url) == books_of(*service.till.identifiers)


@pytest.mark.provokes("OVERLOADED", "DEADLINE_EXCEEDED")
async def test_a_database_that_falls_silent_under_load_holds_nobody_up_beyond_the_deadline(
    url: str, tmp_path: Path
) -> None:
    deadline = 1.0
    async with proxied(url) as proxy, both_doors(tmp_path, database_url=proxy.url) as service:
        async with busy(service.till, CALLERS, timeout=deadline):
            await service.till.hears(GRANTED, 50)
            proxy.swallow()
            silent_at = time.monotonic()
            await eventually(service.is_down)
            missed_at = time.monotonic()
            await service.till.hears("UNAVAILABLE", 50)
            back_at = time.monotonic()
            proxy.recover()
            assert await eventually(service.is_up) < 5
            await service.till.hears(GRANTED, 50)
        answers = service.till.answers
    meanwhile = [answer for answer in answers if silent_at < answer.sent_at < back_at]
    assert {answer.said for answer in meanwhile} <= {
        "DEADLINE_EXCEEDED",
        "OVERLOADED",
        "UNAVAILABLE",
    }
    # Once the database is missed, nobody waits for what cannot come.
    told = [answer.seconds for answer in meanwhile if answer.sent_at > missed_at]
    assert statistics.median(told) < 0.1
    assert max(answer.seconds for answer in meanwhile) < deadline + 0.5
    assert_nothing_was_granted_twice(answers)
    assert await books_at(url) == books_of(*service.till.identifiers)
