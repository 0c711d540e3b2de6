"""The guards against two transactions that meet: take one out and its test fails.

Each transaction runs in a server of its own. What the database keeps apart is asserted first; that
nothing had to be repeated for it comes last.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redemption_server.commit.batch import Batch
from redemption_server.rules.commands import Command
from redemption_server.rules.facts import CounterKey, Operation, RequestKey, Scope
from redemption_server.rules.outcomes import (
    Granted,
    Outcome,
    RecordedTransaction,
    Replayed,
    UsageChange,
)
from redemption_server.rules.refusals import Refused
from redemption_server.storage.catalog_apply import ApplyCatalog
from redemption_server.storage.claims import claim
from redemption_server.storage.database import Work
from redemption_server.storage.records import write_transactions
from redemption_server.storage.usage import add_usage, lock_usage
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from tests.support import catalogs
from tests.support.clock import ODD_DATE
from tests.support.desk import Desk, coupon, coupons, promotions, use
from tests.support.meeting import Meeting
from tests.support.repairs import assert_nothing_was_repaired

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

UNLIMITED: dict[str, Any] = {
    "max_redemptions_per_coupon": "unlimited",
    "same_customer_may_repeat": True,
}


async def prepare(desk: Desk, *limited: str, limit: int = 9) -> None:
    """Applies promotion p1 and coupons without limits, and promotions with a limit."""
    limits = {"redemptions_total": limit}
    await desk.apply(
        catalogs.organization(
            credentials=[],
            promotions=[
                catalogs.promotion(),
                *(catalogs.promotion(name, limits=limits) for name in limited),
            ],
            coupon_series=[catalogs.series(**UNLIMITED)],
        )
    )


def batch(desk: Desk, *commands: Command) -> Batch:
    return Batch(commands, desk.clock.now, desk.ids)


def sale(desk: Desk, identifier: str, *promotion_ids: str) -> Command:
    """A transaction with one use of each promotion; of p1 when none is named."""
    uses = [use(promotion_id) for promotion_id in promotion_ids or ("p1",)]
    return promotions(desk.clock.now, *uses, transaction_identifier=identifier)


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        outcome.reason.value if isinstance(outcome, Refused) else type(outcome).__name__
        for outcome in outcomes
    ]


def claiming(*identifiers: str) -> Work[set[str]]:
    """The work of claiming transaction identifiers; returns those that were free."""
    keys = [RequestKey(Operation.REDEEM_PROMOTIONS, identifier) for identifier in identifiers]

    def work(connection: Connection) -> set[str]:
        return {key.key for key in claim(connection, catalogs.ORG, keys, ODD_DATE)}

    return work


def locking(*promotion_ids: str) -> Work[list[int]]:
    """The work of locking counters of promotions; returns what they stand at."""
    keys = [CounterKey(Scope.PROMOTION, promotion_id) for promotion_id in promotion_ids]

    def work(connection: Connection) -> list[int]:
        counts = lock_usage(connection, catalogs.ORG, keys).counts
        return [counts[key].used for key in keys]

    return work


def adding(amount: int, *promotion_ids: str, limit: int | None = None) -> Work[None]:
    """The work of adding to counters of promotions, which are held to a limit."""
    changes = [
        UsageChange(CounterKey(Scope.PROMOTION, promotion_id), amount, limit, ODD_DATE)
        for promotion_id in promotion_ids
    ]
    return lambda connection: add_usage(connection, catalogs.ORG, changes)


# Claims: a key belongs to one transaction at a time.


async def test_a_twin_in_another_server_waits_for_the_claim_and_does_not_get_it(
    meeting: Meeting,
) -> None:
    first = await meeting.hold(claiming("t1"))
    twin = meeting.start(claiming("t1"))
    await meeting.waiting(twin)
    assert await first.commit() == {"t1"}
    assert await twin == set()
    assert_nothing_was_repaired(meeting.repeats)


async def test_a_claim_that_is_undone_goes_to_the_twin_that_waited(meeting: Meeting) -> None:
    first = await meeting.hold(claiming("t1"))
    twin = meeting.start(claiming("t1"))
    await meeting.waiting(twin)
    await first.undo()
    assert await twin == {"t1"}
    assert_nothing_was_repaired(meeting.repeats)


async def test_twins_in_two_servers_are_granted_once_and_get_one_answer(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    first = await meeting.hold(batch(desk, sale(desk, "t1")))
    twin = meeting.start(batch(desk, sale(desk, "t1")))
    await meeting.met(twin)
    [granted], [replayed] = await first.commit(), await twin
    assert isinstance(granted, Granted)
    assert isinstance(replayed, Replayed)
    assert granted.answer.id == replayed.answer.id
    assert await desk.rows("SELECT transaction_identifier FROM promotion_transaction") == [("t1",)]
    assert_nothing_was_repaired(meeting.repeats)


async def test_twins_of_a_coupon_request_in_two_servers_redeem_once_and_get_one_answer(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    first = await meeting.hold(batch(desk, coupons("", coupon(), request_id="r1")))
    twin = meeting.start(batch(desk, coupons("", coupon(), request_id="r1")))
    await meeting.met(twin)
    [granted], [replayed] = await first.commit(), await twin
    assert isinstance(granted, Granted)
    assert isinstance(replayed, Replayed)
    assert granted.answer == replayed.answer
    assert await desk.rows("SELECT count(*) FROM coupon_redemption") == [(1,)]
    assert_nothing_was_repaired(meeting.repeats)


@on_postgresql
async def test_the_twins_answer_is_seen_whatever_isolation_the_database_is_set_to(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    await set_for_new_connections(meeting, "default_transaction_isolation", "repeatable read")
    first = await meeting.hold(batch(desk, sale(desk, "t1")))
    twin = meeting.start(batch(desk, sale(desk, "t1")))
    await meeting.met(twin)
    await first.commit()
    assert kinds(await twin) == ["Replayed"]
    assert_nothing_was_repaired(meeting.repeats)


async def set_for_new_connections(meeting: Meeting, setting: str, value: str) -> None:
    def work(connection: Connection) -> None:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET {setting} = '{value}'")

    await meeting.run(work)


@on_sqlite
@pytest.mark.provokes("CONTENTION")
async def test_a_key_that_is_taken_and_has_no_record_is_not_granted(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    await meeting.run(claiming("t1"))
    with pytest.raises(Refused, match="contended"):
        await meeting.run(batch(desk, sale(desk, "t1")))
    assert await desk.rows("SELECT count(*) FROM promotion_transaction") == [(0,)]


# Counters: what is decided by one holds until the decision is committed.


@pytest.mark.parametrize("used", [0, 3], ids=["unused", "used"])
async def test_a_counter_is_waited_for_and_shows_what_was_added_meanwhile(
    meeting: Meeting, used: int
) -> None:
    if used:
        await meeting.run(adding(used, "p1"))
    first = await meeting.hold(locking("p1"), then=adding(1, "p1"))
    second = meeting.start(locking("p1"))
    await meeting.waiting(second)
    await first.commit()
    assert await second == [used + 1]
    assert_nothing_was_repaired(meeting.repeats)


@pytest.mark.parametrize("limit", [1, 3], ids=["unused", "used"])
async def test_two_servers_grant_the_last_use_of_a_limit_once(meeting: Meeting, limit: int) -> None:
    """Each of them looks whether there is room, and takes it if so."""
    if limit > 1:
        await meeting.run(adding(limit - 1, "p1", limit=limit))
    seen: list[int] = []

    def look(connection: Connection) -> None:
        seen.extend(locking("p1")(connection))

    def take(connection: Connection) -> bool:
        has_room = seen.pop() < limit
        if has_room:
            adding(1, "p1", limit=limit)(connection)
        return has_room

    def look_and_take(connection: Connection) -> bool:
        look(connection)
        return take(connection)

    first = await meeting.hold(look, then=take)
    second = meeting.start(look_and_take)
    await meeting.met(second)
    first.pause.let_go()
    taken = await asyncio.gather(first.task, second, return_exceptions=True)
    assert taken.count(True) == 1
    assert await meeting.run(locking("p1")) == [limit]
    errors = Counter(type(error).__name__ for error in taken if isinstance(error, Exception))
    assert_nothing_was_repaired(meeting.repeats + errors)


# Order: transactions that need the same things never wait for each other in a circle.


def sales(desk: Desk, identifiers: str, *promotion_ids: str) -> Batch:
    """A batch with a transaction for each letter."""
    return batch(desk, *(sale(desk, letter, *promotion_ids) for letter in identifiers))


@on_postgresql
async def test_batches_with_the_same_keys_in_opposite_order_are_both_through(
    desk: Desk, meeting: Meeting
) -> None:
    # Both wait for the key in the middle, or one of them for the other at the first: were the
    # order that of arrival, each would hold what the other needs next.
    await prepare(desk)
    middle = await meeting.hold(claiming("m"))
    there, back = (meeting.start(sales(desk, letters)) for letters in ("amz", "zma"))
    await meeting.met(there, back)
    await middle.undo()
    answers = sorted([kinds(await there), kinds(await back)])
    assert answers == [["Granted"] * 3, ["Replayed"] * 3]
    assert_nothing_was_repaired(meeting.repeats)


@on_postgresql
@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
async def test_batches_with_the_same_counters_in_opposite_order_are_both_through(
    desk: Desk, meeting: Meeting, used: bool
) -> None:
    await prepare(desk, "a", "m", "z")
    if used:
        await meeting.run(adding(1, "a", "m", "z"))
    middle = await meeting.hold(locking("m"))
    there = meeting.start(batch(desk, sale(desk, "there", "a", "m", "z")))
    back = meeting.start(batch(desk, sale(desk, "back", "z", "m", "a")))
    await meeting.met(there, back)
    await middle.undo()
    assert kinds([*await there, *await back]) == ["Granted"] * 2
    assert await desk.rows("SELECT DISTINCT used FROM usage") == [(2 + used,)]
    assert_nothing_was_repaired(meeting.repeats)


@on_postgresql
async def test_counters_are_locked_in_their_order_by_whatever_plan_they_are_found(
    meeting: Meeting,
) -> None:
    await meeting.run(lay_counters_down_backwards)

    def joining(*, without: str) -> Work[list[int]]:
        def work(connection: Connection) -> list[int]:
            for join in (without, "mergejoin"):
                connection.exec_driver_sql(f"SET LOCAL enable_{join} = off")
            return locking("a", "m", "z")(connection)

        return work

    middle = await meeting.hold(locking("m"))
    looked_up = meeting.start(joining(without="hashjoin"))
    walked = meeting.start(joining(without="nestloop"))
    await meeting.met(looked_up, walked)
    await middle.commit()
    assert await looked_up == await walked == [1, 1, 1]
    assert_nothing_was_repaired(meeting.repeats)


def lay_counters_down_backwards(connection: Connection) -> None:
    """In the table they lie in the opposite order, in which a plan that walks it finds them."""
    connection.exec_driver_sql("TRUNCATE usage")
    for promotion_id in ("z", "m", "a", *(f"more{number}" for number in range(200))):
        adding(1, promotion_id)(connection)
    connection.exec_driver_sql("ANALYZE usage")


# The catalog: it holds still while a batch is decided.


async def test_a_limit_that_is_added_during_a_batch_counts_what_the_batch_records(
    desk: Desk, meeting: Meeting, tmp_path: Path
) -> None:
    await prepare(desk)
    limited = catalogs.promotion(limits={"redemptions_total": 5})
    changed = catalogs.organization(credentials=[], promotions=[limited])
    apply = ApplyCatalog(catalogs.read(tmp_path, changed), {}, foreign_secrets_fixed=False)
    under_way = await meeting.hold(batch(desk, sale(desk, "t1")))
    change = meeting.start(apply)
    await meeting.met(change)
    assert kinds(await under_way.commit()) == ["Granted"]
    await change
    assert await desk.rows("SELECT subject, used FROM usage") == [("p1", 1)]
    assert_nothing_was_repaired(meeting.repeats)


async def test_a_batch_during_a_change_of_the_catalog_counts_for_its_limits(
    desk: Desk, meeting: Meeting, tmp_path: Path
) -> None:
    await prepare(desk)
    limited = catalogs.promotion(limits={"redemptions_total": 5})
    changed = catalogs.organization(credentials=[], promotions=[limited])
    apply = ApplyCatalog(catalogs.read(tmp_path, changed), {}, foreign_secrets_fixed=False)
    change = await meeting.hold(apply)
    under_way = meeting.start(batch(desk, sale(desk, "t1")))
    await meeting.met(under_way)
    await change.commit()
    assert kinds(await under_way) == ["Granted"]
    assert await desk.rows("SELECT subject, used FROM usage") == [("p1", 1)]
    assert_nothing_was_repaired(meeting.repeats)


async def test_of_two_changes_of_the_catalog_the_second_starts_from_the_first(
    desk: Desk, meeting: Meeting, tmp_path: Path
) -> None:
    # Days begin elsewhere in each of them, so that each makes the counters of days anew.
    def in_zone(time_zone: str) -> ApplyCatalog:
        limits = {"redemptions_total": {"limit": 5, "window": "DAY"}}
        changed = catalogs.organization(
            credentials=[], time_zone=time_zone, promotions=[catalogs.promotion(limits=limits)]
        )
        return ApplyCatalog(catalogs.read(tmp_path, changed), {}, foreign_secrets_fixed=False)

    desk.clock.now = datetime(2026, 3, 4, 20, tzinfo=UTC)
    await meeting.run(in_zone("UTC"))
    await meeting.run(batch(desk, sale(desk, "t1")))
    counters = "SELECT subject, window_start, used FROM usage"
    before = await desk.rows(counters)
    first = await meeting.hold(in_zone("Asia/Kolkata"))
    second = meeting.start(in_zone("UTC"))
    await meeting.met(second)
    await first.commit()
    await second
    assert await desk.rows(counters) == before
    assert_nothing_was_repaired(meeting.repeats)


# Events: numbered last and without gaps.


async def test_events_of_two_servers_are_numbered_one_after_the_other(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    first = await meeting.hold(batch(desk, sale(desk, "t1")))
    second = meeting.start(batch(desk, sale(desk, "t2")))
    await meeting.met(second)
    assert kinds([*await first.commit(), *await second]) == ["Granted"] * 2
    assert await desk.rows("SELECT sequence FROM event ORDER BY sequence") == [(1,), (2,)]
    assert_nothing_was_repaired(meeting.repeats)


async def test_a_batch_that_fails_after_it_was_numbered_leaves_no_gap(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    first = await meeting.hold(batch(desk, sale(desk, "t1")))
    second = meeting.start(batch(desk, sale(desk, "t2")))
    await meeting.met(second)
    await first.undo()
    assert kinds(await second) == ["Granted"]
    assert await desk.rows("SELECT sequence FROM event") == [(1,)]
    assert await desk.rows("SELECT last FROM event_sequence") == [(1,)]


@on_postgresql
async def test_a_batch_that_waits_for_a_counter_does_not_keep_others_waiting(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk, "p2")
    counter = await meeting.hold(locking("p2"))
    waits = meeting.start(batch(desk, sale(desk, "t1", "p2")))
    await meeting.waiting(waits)
    other = meeting.start(batch(desk, sale(desk, "t2")))
    await meeting.met(waits, other)
    assert other.done(), "was kept waiting"
    await counter.commit()
    assert kinds([*await waits, *await other]) == ["Granted"] * 2
    events = await desk.rows("SELECT sequence FROM event ORDER BY sequence")
    assert events == [(1,), (2,)]


# SQLite: whoever will write holds the file from the start.


@on_sqlite
async def test_a_transaction_that_reads_first_can_write_whatever_others_try_meanwhile(
    meeting: Meeting, database_url: str
) -> None:
    file = database_url.removeprefix("sqlite+aiosqlite:///")

    others = ["INSERT INTO event_sequence VALUES (1, 1)"]

    def work(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM event_sequence").all()
        # Another process that would write now is kept out; it gives up at once.
        with closing(sqlite3.connect(file, timeout=0)) as other, suppress(sqlite3.OperationalError):
            while others:
                other.execute(others.pop())
            other.commit()
        connection.exec_driver_sql("INSERT INTO event_sequence VALUES (2, 1)")

    await meeting.run(work)
    assert await meeting.run(lambda c: c.exec_driver_sql(COUNT_OURS).scalar_one()) == 1
    assert_nothing_was_repaired(meeting.repeats)


COUNT_OURS = "SELECT count(*) FROM event_sequence WHERE org_id = 2"


# Constraints: what no rule and no lock kept apart, the table refuses.


def refused_by_the_table(connection: Connection, work: Work[object]) -> None:
    with pytest.raises(IntegrityError), connection.begin_nested():
        work(connection)


async def test_a_second_record_under_a_transaction_identifier_is_refused_by_the_table(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    [granted] = await meeting.run(batch(desk, sale(desk, "t1")))
    assert isinstance(granted, Granted)
    assert isinstance(granted.answer, RecordedTransaction)
    again = replace(granted.answer, id="f" * 24, uses=())
    await meeting.run(
        lambda connection: refused_by_the_table(
            connection, lambda c: write_transactions(c, catalogs.ORG, [again])
        )
    )
    assert await desk.rows("SELECT id FROM promotion_transaction") == [(granted.answer.id,)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            "INSERT INTO claim (org_id, operation, key, claimed_at_ms) VALUES (1, 1, 'k', 1)",
            "INSERT INTO claim (org_id, operation, key, claimed_at_ms) VALUES (1, 1, 'k', 2)",
            id="claim",
        ),
        pytest.param(
            "INSERT INTO event VALUES (1, 1, 1, 'a', 1)",
            "INSERT INTO event VALUES (1, 1, 2, 'b', 2)",
            id="event number",
        ),
    ],
)
async def test_a_second_row_under_a_key_is_refused_by_the_table(
    meeting: Meeting, first: str, second: str
) -> None:
    def work(connection: Connection) -> None:
        connection.exec_driver_sql(first)
        refused_by_the_table(connection, lambda c: c.exec_driver_sql(second))

    await meeting.run(work)


@pytest.mark.parametrize("amount", [-6, 1], ids=["below nothing", "above the limit"])
async def test_a_counter_out_of_its_bounds_is_refused_by_the_table(
    meeting: Meeting, amount: int
) -> None:
    await meeting.run(adding(5, "p1", limit=5))
    out_of_bounds = adding(amount, "p1", limit=5)
    await meeting.run(lambda connection: refused_by_the_table(connection, out_of_bounds))
    assert await meeting.run(locking("p1")) == [5]
