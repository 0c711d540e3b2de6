"""Real processes under real load: stopped, killed, started again."""

import asyncio
import itertools
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support import catalogs
from tests.support.load import Answers, for_seconds, keep_in_flight, redeem_body
from tests.support.process import Process, started
from tests.support.service import REDEMPTIONS

LIMIT = 200
CALLERS = 64


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    limited = catalogs.promotion(limits={"redemptions_total": LIMIT})
    return catalogs.write(tmp_path, catalogs.organization(promotions=[limited]))


@pytest.fixture
def unlimited_catalog(tmp_path: Path) -> Path:
    organization = catalogs.organization(promotions=[catalogs.promotion()])
    return catalogs.write(tmp_path, organization)


def recorded(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "var" / "redemption.db")) as connection:
        rows = connection.execute("SELECT transaction_identifier FROM promotion_transaction")
        return {row[0] for row in rows}


async def test_64_callers_are_granted_exactly_the_limit(tmp_path: Path, catalog: Path) -> None:
    with started("server", folder=tmp_path, catalog=str(catalog)) as process:
        port = process.port("gRPC server listens")
        answers = await keep_in_flight(port, CALLERS, lambda number: number < 5 * LIMIT)
    assert len(answers.granted) == LIMIT
    assert set(answers.refused.values()) == {"LIMIT_REACHED"}
    assert answers.count == 5 * LIMIT
    assert recorded(tmp_path) == set(answers.granted)
    with closing(sqlite3.connect(tmp_path / "var" / "redemption.db")) as connection:
        assert connection.execute("SELECT used, use_limit FROM usage").fetchall() == [
            (LIMIT, LIMIT)
        ]


async def load_until(process: Process, number: signal.Signals, port: int) -> Answers:
    """64 callers keep calling; the process gets a signal in the middle of it."""
    load = asyncio.create_task(keep_in_flight(port, CALLERS, for_seconds(30)))
    await asyncio.sleep(2)
    process.signal(number)
    return await load


async def test_a_stop_under_load_answers_every_accepted_request(
    tmp_path: Path, unlimited_catalog: Path
) -> None:
    with started("server", folder=tmp_path, catalog=str(unlimited_catalog)) as process:
        port = process.port("gRPC server listens")
        answers = await load_until(process, signal.SIGTERM, port)
        exit_code = await asyncio.to_thread(process.wait)
    assert exit_code == 0
    assert len(answers.granted) > CALLERS
    # A call that was not answered was not accepted: nothing of it is recorded.
    assert recorded(tmp_path) == set(answers.granted)


async def test_a_kill_under_load_loses_nothing_that_was_acknowledged(
    tmp_path: Path, unlimited_catalog: Path
) -> None:
    settings = {"catalog": str(unlimited_catalog)}
    with started("server", folder=tmp_path, **settings) as process:
        port = process.port("gRPC server listens")
        answers = await load_until(process, signal.SIGKILL, port)
        await asyncio.to_thread(process.wait)
    assert len(answers.granted) > CALLERS
    with started("server", folder=tmp_path, **settings) as process:
        port = process.port("gRPC server listens")
        # The same requests again: what was acknowledged is replayed, what was lost is granted.
        sent = answers.count
        again = await keep_in_flight(port, CALLERS, lambda number: number < sent)
        process.signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait) == 0
    assert len(again.granted) == sent
    assert recorded(tmp_path) == set(again.granted)
    with closing(sqlite3.connect(tmp_path / "var" / "redemption.db")) as connection:
        lines, events, last = connection.execute(
            "SELECT (SELECT count(*) FROM promotion_redemption), (SELECT count(*) FROM event), "
            "(SELECT last FROM event_sequence)"
        ).fetchone()
    assert lines == events == last == sent


async def test_a_stop_of_both_doors_under_load_answers_every_accepted_request(
    tmp_path: Path, unlimited_catalog: Path
) -> None:
    with started("up", folder=tmp_path, catalog=str(unlimited_catalog)) as process:
        process.port("gRPC server listens")
        port = process.port("HTTP gateway listens")
        granted: list[str] = []

        async def caller(client: httpx.AsyncClient, name: int) -> None:
            for number in itertools.count():
                identifier = f"{name}-{number}"
                try:
                    answer = await client.post(REDEMPTIONS, json=redeem_body(identifier))
                except httpx.TransportError:
                    return
                if answer.status_code != 200:
                    assert answer.status_code == 503
                    return
                granted.append(identifier)

        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            auth=(catalogs.KEY, catalogs.SECRET),
            limits=httpx.Limits(max_connections=16),
            timeout=30,
        ) as client:
            callers = [asyncio.create_task(caller(client, name)) for name in range(16)]
            await asyncio.sleep(2)
            process.signal(signal.SIGTERM)
            await asyncio.gather(*callers)
        assert await asyncio.to_thread(process.wait) == 0
    assert len(granted) > 100
    assert recorded(tmp_path) == set(granted)
