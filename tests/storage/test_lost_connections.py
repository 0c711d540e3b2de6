"""A connection to PostgreSQL that is lost at whatever moment changes neither answers nor state."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redemption_server.commit.queue import CommitQueue
from redemption_server.rules.commands import Command
from redemption_server.rules.outcomes import (
    Granted,
    Outcome,
    RecordedCoupons,
    RecordedReversal,
    RecordedTransaction,
    Replayed,
)
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import ATTEMPTS_MAX, Database
from sqlalchemy import Connection
from structlog.testing import capture_logs

from tests.support import catalogs
from tests.support.books import books
from tests.support.databases import Databases
from tests.support.desk import Desk, coupon, coupons, open_desk, promotions, use
from tests.support.eventually import eventually
from tests.support.postgres_proxy import Loss, PostgresProxy, Then, proxied

COMMIT_LOSSES = (Loss.BEFORE_COMMIT, Loss.DURING_COMMIT, Loss.AFTER_COMMIT)
Commands = Callable[[datetime], Sequence[Command]]


def a_promotion(at: datetime) -> list[Command]:
    return [promotions(at, use(), transaction_identifier="lone")]


def a_coupon_with_a_request_id(_at: datetime) -> list[Command]:
    return [coupons("", coupon("KEYED"), request_id="keyed")]


def a_coupon_without_one(_at: datetime) -> list[Command]:
    return [coupons("unkeyed", coupon("UNKEYED"))]


def many(at: datetime) -> list[Command]:
    """Granted, refused, replayed and conflicting ones, and some for which a limit has one left."""
    return [
        promotions(at, use(), transaction_identifier="a"),
        promotions(at, use(), transaction_identifier="a"),
        promotions(at, use(), transaction_identifier="a", amount=1),
        promotions(at, use("unknown"), transaction_identifier="b"),
        promotions(at, use("last"), transaction_identifier="c"),
        promotions(at, use("last"), transaction_identifier="d"),
        promotions(at, use("last"), transaction_identifier="c"),
        coupons("", coupon("A"), coupon("unknown"), request_id="e"),
        coupons("", coupon("A"), coupon("unknown"), request_id="e"),
        coupons("", coupon("A"), request_id="e", content=b"other"),
        coupons("f", coupon("A")),
        coupons("g", coupon("B")),
        coupons("h", coupon("C"), coupon("unknown"), atomic=True),
        promotions(at, use(), use("last"), transaction_identifier="i"),
        promotions(at, use(), transaction_identifier="j"),
    ]


REQUESTS: tuple[Commands, ...] = (
    a_promotion,
    a_coupon_with_a_request_id,
    a_coupon_without_one,
    many,
)


async def stock(desk: Desk) -> None:
    """Applies the catalog, and has the writer's connection run a batch that leaves nothing."""
    codes = ("KEYED", "UNKEYED", "A", "B", "C")
    reusable = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}
    await desk.apply(
        catalogs.organization(
            credentials=[],
            promotions=[
                catalogs.promotion(limits={"redemptions_total": 1_000}),
                catalogs.promotion("last", limits={"redemptions_total": 1}),
            ],
            coupon_series=[
                catalogs.series(coupons=[{"code": code} for code in codes]),
                catalogs.series(2, coupons=[{"code": "REUSABLE"}], **reusable),
            ],
        )
    )
    await desk.redeem(use("unknown"))


@asynccontextmanager
async def stocked_desk(url: str, folder: Path) -> AsyncIterator[Desk]:
    async with open_desk(url, folder) as desk:
        await stock(desk)
        yield desk


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.postgresql() as url:
        yield url


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[PostgresProxy]:
    async with proxied(url) as proxy:
        yield proxy


@pytest.fixture
async def desk(proxy: PostgresProxy, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk whose connections can be lost."""
    async with stocked_desk(proxy.url, tmp_path) as desk:
        yield desk


@pytest.fixture
async def other(url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """Another server on the same database, whose connections hold."""
    async with open_desk(url, tmp_path) as desk:
        yield desk


@pytest.fixture
async def undisturbed(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk with a database of its own, to compare with."""
    async with stocked_desk(sqlite_url, tmp_path) as desk:
        yield desk


async def submit(desk: Desk, commands: Sequence[Command]) -> list[Outcome]:
    """The outcomes of commands that are one batch."""
    batches = desk.queue.statistics.batches
    outcomes = await asyncio.gather(*(desk.queue.submit(command) for command in commands))
    assert desk.queue.statistics.batches == batches + 1
    return list(outcomes)


def told(outcome: Outcome) -> tuple[str, Any]:
    """What a caller is told, without ids."""
    if isinstance(outcome, Refused):
        return outcome.reason.value, outcome.maybe_recorded
    assert not isinstance(outcome.answer, RecordedReversal)
    return type(outcome).__name__, _content(outcome.answer)


def _content(answer: RecordedTransaction | RecordedCoupons) -> Any:
    if isinstance(answer, RecordedTransaction):
        return answer.request.transaction_identifier, answer.request.amount
    return [result.violation.reason if result.violation else None for result in answer.results]


async def assert_recorded(desk: Desk, outcomes: Sequence[Outcome]) -> None:
    """Every answer names a record that there is."""
    found = await desk.rows("SELECT id FROM promotion_transaction")
    found += await desk.rows("SELECT CAST(id AS TEXT) FROM coupon_redemption")
    answers = [o.answer.id for o in outcomes if isinstance(o, Granted | Replayed)]
    assert {(answer,) for answer in answers} == set(found)


async def assert_same(desk: Desk, undisturbed: Desk) -> None:
    assert await books(desk.database) == await books(undisturbed.database)


@pytest.mark.parametrize(
    ("loss", "times"), [*((loss, 1) for loss in COMMIT_LOSSES), (Loss.AFTER_COMMIT, 3)]
)
async def test_a_connection_lost_at_commit_changes_neither_answers_nor_state(
    loss: Loss, times: int, proxy: PostgresProxy, desk: Desk, undisturbed: Desk
) -> None:
    outcomes: list[Outcome] = []
    for requests in REQUESTS:
        commands = requests(desk.clock.now)
        proxy.lose(loss, times=times)
        answered = await submit(desk, commands)
        assert [*map(told, answered)] == [*map(told, await submit(undisturbed, commands))]
        outcomes += answered
    assert proxy.losses == times * len(REQUESTS)
    await assert_same(desk, undisturbed)
    await assert_recorded(desk, outcomes)


async def test_a_connection_lost_at_any_statement_changes_neither_answers_nor_state(
    proxy: PostgresProxy, desk: Desk, undisturbed: Desk
) -> None:
    def commands(number: int) -> list[Command]:
        return [
            promotions(desk.clock.now, use(), transaction_identifier=f"t{number}"),
            promotions(desk.clock.now, use("unknown"), transaction_identifier=f"u{number}"),
            coupons("", coupon("REUSABLE"), request_id=f"r{number}"),
            coupons(f"o{number}", coupon("REUSABLE")),
        ]

    for a_desk in (desk, undisturbed):
        await submit(a_desk, commands(0))
    statements = proxy.statements
    assert statements > len(("claim", "organization", "usage", "transaction", "event"))
    for number in range(statements + 1):
        proxy.lose(Loss.AT_STATEMENT, statement=number)
        answered = await submit(desk, commands(number + 1))
        expected = await submit(undisturbed, commands(number + 1))
        assert [*map(told, answered)] == [*map(told, expected)]
    assert proxy.losses == statements + 1
    await assert_same(desk, undisturbed)


async def somebody_waits_for_a_lock(desk: Desk) -> bool:
    waiting = await desk.rows(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return waiting != [(0,)]


async def test_a_lost_transaction_that_is_still_under_way_is_waited_for(
    proxy: PostgresProxy, desk: Desk, other: Desk, undisturbed: Desk
) -> None:
    for requests in REQUESTS:
        commands = requests(desk.clock.now)
        proxy.lose(Loss.COMMIT_ON_ITS_WAY)
        answers = asyncio.create_task(submit(desk, commands))
        await proxy.lost.wait()
        await eventually(lambda: somebody_waits_for_a_lock(other))
        assert not answers.done()
        proxy.resume()
        assert [*map(told, await answers)] == [*map(told, await submit(undisturbed, commands))]
    await assert_same(desk, undisturbed)


class Refusal(NamedTuple):
    """How connections are lost, and what callers are told then, and when they ask again."""

    loss: Loss
    then: Then
    times: int
    reason: Reason
    maybe_recorded: bool
    later: type[Outcome]


AWAY = (Then.REFUSE, 1, Reason.UNAVAILABLE)
FLAPPING = (Then.ACCEPT, ATTEMPTS_MAX, Reason.CONTENTION)


@pytest.mark.provokes("UNAVAILABLE", "CONTENTION")
@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(Loss.AFTER_COMMIT, *AWAY, maybe_recorded=True, later=Replayed),
        Refusal(Loss.BEFORE_COMMIT, *AWAY, maybe_recorded=True, later=Granted),
        Refusal(Loss.AT_STATEMENT, *AWAY, maybe_recorded=False, later=Granted),
        Refusal(Loss.AFTER_COMMIT, *FLAPPING, maybe_recorded=True, later=Replayed),
        Refusal(Loss.AT_STATEMENT, *FLAPPING, maybe_recorded=False, later=Granted),
    ],
    ids=str,
)
async def test_a_refusal_says_whether_a_lost_commit_may_have_gone_through(
    refusal: Refusal, proxy: PostgresProxy, desk: Desk, undisturbed: Desk
) -> None:
    commands = [*a_promotion(desk.clock.now), *a_coupon_with_a_request_id(desk.clock.now)]
    proxy.lose(refusal.loss, refusal.then, times=refusal.times, statement=3)
    refused = await submit(desk, commands)
    expected = refusal.reason.value, refusal.maybe_recorded
    assert [told(outcome) for outcome in refused] == [expected] * 2
    await proxy.accept()
    assert [type(outcome) for outcome in await submit(desk, commands)] == [refusal.later] * 2
    await submit(undisturbed, commands)
    await assert_same(desk, undisturbed)


class FailsWhenRepeated:
    """A database on which a batch with `poison` in it fails, but for the first time it runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.mixes_organizations = database.mixes_organizations
        self.repeats = database.repeats
        self._ran = False

    async def transact(self, work: Any) -> Any:
        def fail_when_repeated(connection: Connection) -> Any:
            poisoned = any(command.key.key == "poison" for command in work.commands)
            if poisoned and self._ran:
                raise ZeroDivisionError
            self._ran = True
            return work(connection)

        return await self._database.transact(fail_when_repeated)

    def ensure_up(self) -> None:
        self._database.ensure_up()

    async def read(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        return await self._database.read(work, *args, **kwargs)

    def snapshot(self) -> Any:
        return self._database.snapshot()

    async def probe(self, *, write: bool) -> None:
        await self._database.probe(write=write)

    async def close(self) -> None:
        await self._database.close()


@asynccontextmanager
async def poisoned_queue(desk: Desk) -> AsyncIterator[CommitQueue]:
    queue = CommitQueue(
        FailsWhenRepeated(desk.database), desk.clock, desk.ids, writers=1, waiting_max=100
    )
    # Tracebacks in the form of this library's default take seconds.
    with capture_logs():
        yield queue
    await queue.close()


def with_poison(at: datetime) -> list[Command]:
    return [
        promotions(at, use(), transaction_identifier="a"),
        promotions(at, use(), transaction_identifier="poison"),
        coupons("", coupon("KEYED"), request_id="keyed"),
        coupons("unkeyed", coupon("UNKEYED")),
        promotions(at, use(), transaction_identifier="a"),
    ]


@pytest.mark.provokes("INTERNAL")
@pytest.mark.parametrize("loss", [Loss.AFTER_COMMIT, Loss.BEFORE_COMMIT])
async def test_neighbours_of_a_command_that_fails_when_repeated_are_answered_as_their_own(
    loss: Loss, proxy: PostgresProxy, desk: Desk, undisturbed: Desk
) -> None:
    commands = with_poison(desk.clock.now)
    proxy.lose(loss)
    async with poisoned_queue(desk) as queue:
        outcomes = await asyncio.gather(*(queue.submit(command) for command in commands))
        assert queue.statistics.split == 1
    poisoned = outcomes.pop(1)
    assert isinstance(poisoned, Refused)
    assert poisoned.reason is Reason.INTERNAL
    if loss is Loss.BEFORE_COMMIT:
        del commands[1]
    expected = await submit(undisturbed, commands)
    if loss is Loss.AFTER_COMMIT:
        del expected[1]
    assert [*map(told, outcomes)] == [*map(told, expected)]
    await assert_same(desk, undisturbed)


async def test_a_command_that_fails_after_a_lost_commit_may_be_recorded(
    proxy: PostgresProxy, desk: Desk
) -> None:
    commands = with_poison(desk.clock.now)
    proxy.lose(Loss.AFTER_COMMIT)
    async with poisoned_queue(desk) as queue:
        outcomes = await asyncio.gather(*(queue.submit(command) for command in commands))
    assert isinstance(await desk.queue.submit(commands[1]), Replayed)
    assert told(outcomes[1]) == ("INTERNAL", True)


@pytest.mark.provokes("TRANSACTION_CONFLICT", "REQUEST_CONFLICT")
@pytest.mark.parametrize(
    ("loss", "same", "ours", "theirs"),
    [
        (Loss.AFTER_COMMIT, True, "Granted", "Replayed"),
        (Loss.AFTER_COMMIT, False, "Granted", "CONFLICT"),
        (Loss.BEFORE_COMMIT, True, "Replayed", "Granted"),
        (Loss.BEFORE_COMMIT, False, "CONFLICT", "Granted"),
    ],
)
async def test_of_twins_on_two_servers_one_is_granted_whichever_loses_its_connection(
    loss: Loss,
    same: bool,
    ours: str,
    theirs: str,
    proxy: PostgresProxy,
    desk: Desk,
    other: Desk,
) -> None:
    def twins(content: int) -> list[Command]:
        return [
            promotions(desk.clock.now, use(), transaction_identifier="t", amount=content),
            coupons("", coupon("KEYED"), request_id="r", content=str(content).encode()),
        ]

    proxy.lose(loss, Then.WAIT)
    answers = asyncio.create_task(submit(desk, twins(1)))
    await proxy.lost.wait()
    their_answers = await submit(other, twins(1 if same else 2))
    proxy.resume()
    our_answers = await answers
    for answered, kind in ((our_answers, ours), (their_answers, theirs)):
        expected = [kind, kind]
        if kind == "CONFLICT":
            expected = ["TRANSACTION_CONFLICT", "REQUEST_CONFLICT"]
        assert [told(outcome)[0] for outcome in answered] == expected
    assert await desk.rows("SELECT count(*) FROM claim") == [(2,)]
    assert await desk.rows("SELECT count(*) FROM event") == [(2,)]
    await assert_recorded(desk, [*our_answers, *their_answers])


async def test_a_server_that_stands_still_in_a_batch_holds_others_up_for_some_seconds_only(
    proxy: PostgresProxy, desk: Desk, other: Desk
) -> None:
    await desk.redeem(use(), transaction_identifier="before")
    proxy.lose(Loss.STANDSTILL, statement=proxy.statements)
    answer = asyncio.create_task(desk.redeem(use()))
    await proxy.lost.wait()
    try:
        async with asyncio.timeout(13):
            their_answer = await other.redeem(use())
    finally:
        proxy.resume()
    assert {type(await answer), type(their_answer)} == {Granted, Replayed}
    assert await desk.rows("SELECT count(*) FROM promotion_redemption") == [(2,)]
