"""Two reversals, or a reversal and a redemption, that meet in two servers on one database."""

from collections.abc import Sequence
from typing import Any

import pytest
from redemption_server.commit.batch import Batch
from redemption_server.rules.commands import Command
from redemption_server.rules.outcomes import Granted, Outcome, RecordedReversal
from redemption_server.rules.refusals import Refused

from tests.storage.ledger import find
from tests.support import catalogs
from tests.support.catalogs import ORG
from tests.support.desk import Desk, coupon, coupons, promotions, reversal, use
from tests.support.meeting import Meeting

LIMIT = {"redemptions_total": 2}
GAP: dict[str, Any] = {
    "max_redemptions_per_coupon": "unlimited",
    "same_customer_may_repeat": True,
    "min_days_between_redemptions": 1,
}
each_with_and_without_counters = pytest.mark.parametrize("name", ["limited", "free"])


async def prepare(desk: Desk) -> None:
    """Two uses of each of two promotions, one of which has a limit, and a coupon with a gap."""
    await desk.apply(
        catalogs.organization(
            credentials=[],
            promotions=[catalogs.promotion("limited", limits=LIMIT), catalogs.promotion("free")],
            coupon_series=[catalogs.series(**GAP)],
        )
    )
    for name in ("limited", "free"):
        await granted(desk.redeem(use(name), use(name), transaction_identifier=name))
    await granted(desk.redeem_coupons(coupon(), request_id="visit"))


async def granted(request: Any) -> None:
    outcome = await request
    assert isinstance(outcome, Granted), outcome


def batch(desk: Desk, *commands: Command) -> Batch:
    return Batch(commands, desk.clock.now, desk.ids)


def undo(identifier: str, request_id: str, *record_ids: str) -> Command:
    return reversal(*record_ids, transaction_identifier=identifier, request_id=request_id)


def sale(desk: Desk, identifier: str) -> Command:
    return promotions(desk.clock.now, use("limited"), transaction_identifier=identifier)


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        outcome.reason.value if isinstance(outcome, Refused) else type(outcome).__name__
        for outcome in outcomes
    ]


async def left(desk: Desk) -> list[tuple[Any, ...]]:
    """What the counter of the limit stands at; what is recorded must agree with itself."""
    async with desk.database.snapshot() as connection:
        assert await connection.run_sync(find, ORG) == []
    return await desk.rows("SELECT used FROM usage WHERE scope = 1")


async def ids(desk: Desk, name: str) -> list[str]:
    rows = await desk.rows(
        "SELECT id FROM promotion_redemption WHERE promotion_id = :name ORDER BY id", name=name
    )
    return [record_id for (record_id,) in rows]


@each_with_and_without_counters
async def test_of_two_reversals_of_one_redemption_exactly_one_wins(
    desk: Desk, meeting: Meeting, name: str
) -> None:
    await prepare(desk)
    first = await meeting.hold(batch(desk, undo(name, "first")))
    second = meeting.start(batch(desk, undo(name, "second")))
    await meeting.waiting(second)
    assert kinds(await first.commit()) == ["Granted"]
    assert kinds(await second) == ["REDEMPTION_REVERSED"]
    assert await desk.rows("SELECT claim_key FROM reversal") == [("first",)]
    assert await left(desk) == ([(0,)] if name == "limited" else [(2,)])


@each_with_and_without_counters
async def test_a_reversal_wins_once_the_other_is_undone(
    desk: Desk, meeting: Meeting, name: str
) -> None:
    await prepare(desk)
    first = await meeting.hold(batch(desk, undo(name, "first")))
    second = meeting.start(batch(desk, undo(name, "second")))
    await meeting.waiting(second)
    await first.undo()
    assert kinds(await second) == ["Granted"]
    assert await desk.rows("SELECT claim_key FROM reversal") == [("second",)]
    assert await left(desk) == ([(0,)] if name == "limited" else [(2,)])


async def test_a_twin_in_another_server_is_a_repeat(desk: Desk, meeting: Meeting) -> None:
    await prepare(desk)
    first = await meeting.hold(batch(desk, undo("free", "same")))
    second = meeting.start(batch(desk, undo("free", "same")))
    await meeting.waiting(second)
    assert kinds(await first.commit()) == ["Granted"]
    assert kinds(await second) == ["Replayed"]
    await left(desk)


@each_with_and_without_counters
async def test_the_rest_is_reversed_when_a_part_comes_first(
    desk: Desk, meeting: Meeting, name: str
) -> None:
    await prepare(desk)
    one, other = await ids(desk, name)
    first = await meeting.hold(batch(desk, undo(name, "part", one)))
    second = meeting.start(batch(desk, undo(name, "whole")))
    await meeting.waiting(second)
    await first.commit()
    [outcome] = await second
    assert isinstance(outcome, Granted)
    assert isinstance(outcome.answer, RecordedReversal)
    assert [record.key.id for record in outcome.answer.records] == [other]
    assert await left(desk) == ([(0,)] if name == "limited" else [(2,)])


async def test_a_redemption_waits_for_what_comes_back(desk: Desk, meeting: Meeting) -> None:
    await prepare(desk)
    first = await meeting.hold(batch(desk, undo("limited", "undo")))
    second = meeting.start(batch(desk, *(sale(desk, f"t{number}") for number in range(3))))
    await meeting.waiting(second)
    await first.commit()
    assert kinds(await second) == ["Granted", "Granted", "LIMIT_REACHED"]
    assert await left(desk) == [(2,)]
    assert not meeting.repeats


async def test_a_redemption_is_refused_while_nothing_has_come_back(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    first = await meeting.hold(batch(desk, undo("limited", "undo")))
    second = meeting.start(batch(desk, sale(desk, "t1")))
    await meeting.waiting(second)
    await first.undo()
    assert kinds(await second) == ["LIMIT_REACHED"]
    assert await left(desk) == [(2,)]


async def test_a_gap_counts_from_a_redemption_that_came_in_between(
    desk: Desk, meeting: Meeting
) -> None:
    await prepare(desk)
    [(visit,)] = await desk.rows("SELECT id FROM coupon_redemption")
    desk.clock.now = desk.clock.now.replace(day=desk.clock.now.day + 2)
    first = await meeting.hold(batch(desk, coupons("u", coupon(), request_id="again")))
    second = meeting.start(batch(desk, reversal(visit, request_id="undo")))
    await meeting.waiting(second)
    await first.commit()
    assert kinds(await second) == ["Granted"]
    await left(desk)
    assert kinds([await desk.redeem_coupons(coupon())]) == ["Judged"]
