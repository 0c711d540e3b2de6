"""The queue answers every caller once, whatever befalls a batch."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redemption_server.commit.batch import Batch
from redemption_server.commit.queue import CommitQueue
from redemption_server.ids import TimeOrderedIds
from redemption_server.rules.outcomes import Granted, Outcome
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import Database
from sqlalchemy import Connection

from tests.support import catalogs
from tests.support.catalogs import ORG, OTHER_ORG
from tests.support.clock import FakeClock
from tests.support.desk import CALLER, Desk, promotions, use
from tests.support.eventually import eventually


class Gate:
    """A database that lets a transaction begin when it is told to, and may spoil it."""

    def __init__(self, database: Database, spoil: Callable[[Batch], None] | None = None) -> None:
        self._database = database
        self._spoil = spoil
        self.mixes_organizations = database.mixes_organizations
        self.repeats = database.repeats
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.works: list[Any] = []

    async def transact(self, work: Any) -> Any:
        self.works.append(work)
        self.begun.set()
        await self.open.wait()

        def spoiled(connection: Connection) -> Any:
            if self._spoil:
                self._spoil(work)
            return work(connection)

        return await self._database.transact(spoiled)

    async def read(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        return await self._database.read(work, *args, **kwargs)

    def ensure_up(self) -> None:
        self._database.ensure_up()

    def snapshot(self) -> Any:
        return self._database.snapshot()

    async def probe(self, *, write: bool) -> None:
        await self._database.probe(write=write)

    async def close(self) -> None:
        await self._database.close()


def queue_over(gate: Gate, waiting_max: int = 100, writers: int = 1) -> CommitQueue:
    return CommitQueue(
        gate, FakeClock(), TimeOrderedIds(), writers=writers, waiting_max=waiting_max
    )


async def prepare(desk: Desk) -> None:
    await desk.apply(catalogs.organization(promotions=[catalogs.promotion()]))


async def test_calls_that_arrive_during_a_commit_share_the_next_one(desk: Desk) -> None:
    await prepare(desk)
    gate = Gate(desk.database)
    queue = queue_over(gate)
    at = desk.clock.now
    first = asyncio.create_task(queue.submit(promotions(at, use(), transaction_identifier="t0")))
    await gate.begun.wait()
    others = [
        asyncio.create_task(queue.submit(promotions(at, use(), transaction_identifier=f"t{i}")))
        for i in range(1, 11)
    ]
    await asyncio.sleep(0)
    gate.open.set()
    outcomes = await asyncio.gather(first, *others)
    assert all(isinstance(outcome, Granted) for outcome in outcomes)
    assert queue.statistics.batches == 2
    await queue.close()


async def test_a_caller_that_hangs_up_undoes_and_delays_nothing(desk: Desk) -> None:
    await prepare(desk)
    gate = Gate(desk.database)
    queue = queue_over(gate)
    at = desk.clock.now
    leaver = asyncio.create_task(queue.submit(promotions(at, use(), transaction_identifier="a")))
    await gate.begun.wait()
    stayer = asyncio.create_task(queue.submit(promotions(at, use(), transaction_identifier="b")))
    leaver.cancel()
    gate.open.set()
    assert isinstance(await stayer, Granted)
    recorded = await desk.rows("SELECT transaction_identifier FROM promotion_transaction")
    assert sorted(recorded) == [("a",), ("b",)]
    await queue.close()


@pytest.mark.provokes("INTERNAL")
async def test_one_poisonous_command_does_not_fail_its_neighbours(desk: Desk) -> None:
    await prepare(desk)

    def spoil(batch: Batch) -> None:
        if any(command.key.key == "poison" for command in batch.commands):
            raise ZeroDivisionError

    gate = Gate(desk.database, spoil)
    queue = queue_over(gate)
    tasks = {
        name: asyncio.create_task(
            queue.submit(promotions(desk.clock.now, use(), transaction_identifier=name))
        )
        for name in ("first", "a", "poison", "b")
    }
    await gate.begun.wait()
    gate.open.set()
    outcomes = {name: await task for name, task in tasks.items()}
    poisoned = outcomes.pop("poison")
    assert isinstance(poisoned, Refused)
    assert poisoned.reason is Reason.INTERNAL
    assert all(isinstance(outcome, Granted) for outcome in outcomes.values())
    await queue.close()


@pytest.mark.provokes("OVERLOADED", "UNAVAILABLE")
async def test_a_full_queue_refuses_at_the_door_and_a_closing_one_answers_who_waits(
    desk: Desk,
) -> None:
    await prepare(desk)
    gate = Gate(desk.database)
    queue = queue_over(gate, waiting_max=2)
    at = desk.clock.now
    waiting = [asyncio.create_task(queue.submit(promotions(at, use(), transaction_identifier="a")))]
    await gate.begun.wait()
    for name in ("b", "c"):
        command = promotions(at, use(), transaction_identifier=name)
        waiting.append(asyncio.create_task(queue.submit(command)))
    await asyncio.sleep(0)
    with pytest.raises(Refused) as overloaded:
        await queue.submit(promotions(at, use(), transaction_identifier="d"))
    assert overloaded.value.reason is Reason.OVERLOADED
    closing = asyncio.create_task(queue.close())
    await asyncio.sleep(0)
    with pytest.raises(Refused) as stopping:
        await queue.submit(promotions(at, use(), transaction_identifier="e"))
    assert stopping.value.reason is Reason.UNAVAILABLE
    gate.open.set()
    assert all(isinstance(outcome, Granted) for outcome in await asyncio.gather(*waiting))
    await closing


async def test_two_commands_with_one_key_in_one_batch_are_granted_once(desk: Desk) -> None:
    await prepare(desk)
    gate = Gate(desk.database)
    queue = queue_over(gate)
    at = desk.clock.now
    tasks = [
        asyncio.create_task(queue.submit(promotions(at, use(), transaction_identifier=key)))
        for key in ("first", "twin", "twin", "twin")
    ]
    await gate.begun.wait()
    gate.open.set()
    kinds = [type(await task).__name__ for task in tasks]
    assert kinds == ["Granted", "Granted", "Replayed", "Replayed"]
    assert await desk.rows("SELECT count(*) FROM promotion_redemption") == [(2,)]
    await queue.close()


async def test_a_key_is_released_when_nothing_on_it_was_granted(desk: Desk) -> None:
    await prepare(desk)
    refused = await desk.redeem(use("unknown"))
    assert isinstance(refused, Refused)
    assert await desk.rows("SELECT count(*) FROM claim") == [(0,)]
    assert isinstance(await desk.redeem(use()), Granted)


async def test_organizations_take_turns_with_a_batch_each(desk: Desk) -> None:
    first, second, third = ORG, OTHER_ORG, OTHER_ORG + 1
    promotion = catalogs.promotion()
    for org_id in (first, second, third):
        await desk.apply(catalogs.organization(id=org_id, credentials=[], promotions=[promotion]))
    gate = Gate(desk.database)
    gate.mixes_organizations = False
    queue = queue_over(gate, writers=2)

    def submit(org_id: int, identifier: str) -> "asyncio.Task[Outcome]":
        caller = CALLER._replace(org_id=org_id)
        command = promotions(
            desk.clock.now, use(), caller=caller, transaction_identifier=identifier
        )
        return asyncio.create_task(queue.submit(command))

    async def are_under_way(batches: int) -> bool:
        return len(gate.works) == batches

    calls = [submit(first, "a0")]
    await gate.begun.wait()
    calls += [submit(first, f"a{n}") for n in range(1, 4)] + [submit(second, "b0")]
    await eventually(lambda: are_under_way(2))
    calls += [submit(third, "c0"), submit(first, "a4"), submit(second, "b1")]
    await asyncio.sleep(0)
    # Both writers are at work: whoever comes now waits, and for no more than one batch of others.
    assert (len(gate.works), queue.waiting) == (2, 6)
    gate.open.set()
    assert all(isinstance(outcome, Granted) for outcome in await asyncio.gather(*calls))
    taken = [[c.key.key for c in work.commands] for work in gate.works]
    assert sorted(taken) == [["a0"], ["a1", "a2", "a3", "a4"], ["b0"], ["b1"], ["c0"]]
    assert taken[:2] == [["a0"], ["b0"]]
    assert queue.waiting == 0
    await queue.close()
