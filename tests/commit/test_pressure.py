"""A queue whose writer is held up refuses what it cannot do in time, and forgets nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redemption_server.commit.queue import CommitQueue
from redemption_server.rules.outcomes import Granted, Outcome
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused

from tests.support import catalogs
from tests.support.books import books, books_of
from tests.support.desk import Desk, open_desk, promotions, use
from tests.support.eventually import eventually
from tests.support.lock import locked

AT_ONCE_SECONDS = 0.1


class Counter:
    """A queue over a file that can be locked."""

    def __init__(self, desk: Desk, file: Path, waiting_max: int) -> None:
        self.desk = desk
        self.file = file
        self.queue = CommitQueue(
            desk.database, desk.clock, desk.ids, writers=1, waiting_max=waiting_max
        )

    async def redeem(self, identifier: str, within: float | None = None) -> Outcome:
        """The outcome of a command whose caller waits `within` seconds."""
        deadline = None if within is None else asyncio.get_running_loop().time() + within
        command = promotions(self.desk.clock.now, use(), transaction_identifier=identifier)
        return await self.queue.submit(command, deadline)

    @asynccontextmanager
    async def held(self) -> AsyncIterator["asyncio.Task[Outcome]"]:
        """Nothing can be committed meanwhile; gives the call that the writer is held up with."""
        batches = self.queue.statistics.batches
        with locked(self.file):
            first = asyncio.create_task(self.redeem("first"))

            async def is_taken() -> bool:
                return self.queue.statistics.batches > batches

            await eventually(is_taken)
            yield first

    async def refused_at_once(self, identifier: str, within: float | None = None) -> Refused:
        """The refusal of a call that is not kept waiting."""
        async with asyncio.timeout(AT_ONCE_SECONDS):
            with pytest.raises(Refused) as caught:
                await self.redeem(identifier, within)
        assert caught.value.reason is Reason.OVERLOADED
        assert not caught.value.maybe_recorded
        assert caught.value.retry_seconds >= 1
        return caught.value


@pytest.fixture
async def counter(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Counter]:
    async with open_desk(sqlite_url, tmp_path) as desk:
        promotion = catalogs.promotion(limits={"redemptions_total": 1_000})
        await desk.apply(catalogs.organization(credentials=[], promotions=[promotion]))
        file = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
        counter = Counter(desk, file, waiting_max=100)
        yield counter
        await counter.queue.close()


async def is_refused(counter: Counter, identifiers: list[str], within: float) -> bool:
    """Sends one more call; `identifiers` are those that were let in."""
    identifier = f"short-{len(identifiers)}"
    call = asyncio.create_task(counter.redeem(identifier, within))
    done, _ = await asyncio.wait([call], timeout=AT_ONCE_SECONDS)
    if not done:
        identifiers.append(identifier)
        return False
    with pytest.raises(Refused, match="deadline"):
        await call
    return True


@pytest.mark.provokes("OVERLOADED")
async def test_who_cannot_be_answered_in_time_is_refused_at_once(counter: Counter) -> None:
    let_in: list[str] = []
    async with counter.held() as first:
        # How long it will take is known only by how long it has taken.
        assert await eventually(lambda: is_refused(counter, let_in, within=0.3)) < 2
        await counter.refused_at_once("refused", within=0.3)
        patient = asyncio.create_task(counter.redeem("patient"))
        generous = asyncio.create_task(counter.redeem("generous", within=60))
        done, _ = await asyncio.wait([first, patient, generous], timeout=AT_ONCE_SECONDS)
        assert not done
    for call in (first, patient, generous):
        assert isinstance(await call, Granted)
    recorded = books_of("first", "patient", "generous", *let_in)
    assert await books(counter.desk.database) == recorded


async def test_a_full_queue_refuses_at_once_and_answers_who_is_in_it(counter: Counter) -> None:
    async with counter.held() as first:
        waiting = [asyncio.create_task(counter.redeem(f"w{n}")) for n in range(100)]
        await asyncio.sleep(0)
        for deadline in (None, 60):
            await counter.refused_at_once("refused", deadline)
    assert all(isinstance(o, Granted) for o in await asyncio.gather(first, *waiting))
    recorded = books_of("first", *(f"w{n}" for n in range(100)))
    assert await books(counter.desk.database) == recorded
    assert isinstance(await counter.redeem("refused"), Granted)


async def test_nobody_is_locked_out_after_a_writer_was_held_up(counter: Counter) -> None:
    async with counter.held() as first:
        await asyncio.wait([first], timeout=1.5)
    await first
    async with asyncio.timeout(1):
        assert isinstance(await counter.redeem("lone", within=0.2), Granted)

    async def persistent(identifier: str) -> None:
        while True:
            try:
                assert isinstance(await counter.redeem(identifier, within=0.5), Granted)
            except Refused:
                await asyncio.sleep(0.01)
            else:
                return

    async with asyncio.timeout(3):
        await asyncio.gather(*(persistent(f"p{n}") for n in range(64)))
    recorded = books_of("first", "lone", *(f"p{n}" for n in range(64)))
    assert await books(counter.desk.database) == recorded


async def test_callers_that_hang_up_neither_undo_nor_delay_anything(counter: Counter) -> None:
    async with counter.held() as first:
        calls = [asyncio.create_task(counter.redeem(f"c{n}")) for n in range(20)]
        await asyncio.sleep(0)
        for leaver in (first, *calls[::2]):
            leaver.cancel()
        await asyncio.wait([first, *calls[::2]])
    stayers = await asyncio.gather(*calls[1::2])
    assert all(isinstance(outcome, Granted) for outcome in stayers)
    assert counter.queue.statistics.batches == 2
    assert await books(counter.desk.database) == books_of("first", *(f"c{n}" for n in range(20)))
