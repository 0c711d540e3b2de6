"""Pruning answers: what is forgotten is judged anew, what must not be is not forgotten."""

from datetime import timedelta

import pytest
from redemption_server.commit import pruner as pruning
from redemption_server.rules.facts import Operation
from redemption_server.rules.outcomes import Granted, Outcome, RecordedCoupons, Replayed
from redemption_server.rules.refusals import Refused
from redemption_server.storage import retention
from redemption_server.storage.instants import to_ms
from redemption_server.storage.retention import AnswerKey, PruneAnswers

from tests.storage.pruning import (
    DAY,
    ORG,
    is_healthy,
    prepare,
    prune,
    reverse,
    sale,
    sell,
    state,
)
from tests.support.desk import Desk, coupon


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAGE", 3)
    monkeypatch.setattr(pruning, "_PAUSE_SECONDS", 0.0)


async def test_the_key_of_a_transaction_is_never_pruned(desk: Desk) -> None:
    await prepare(desk)
    granted = await desk.queue.submit(sale(desk, "t1"))
    assert isinstance(granted, Granted)
    sent, other = sale(desk, "t1"), sale(desk, "t1", amount=1)
    desk.clock.advance(36_500 * DAY)
    await prune(desk, events=1, answers=30)
    replayed, conflict = await desk.queue.submit(sent), await desk.queue.submit(other)
    assert isinstance(replayed, Replayed)
    assert replayed.answer.id == granted.answer.id
    assert isinstance(conflict, Refused)
    assert conflict.reason.value == "TRANSACTION_CONFLICT"
    assert await desk.rows("SELECT operation, key FROM claim") == [
        (int(Operation.REDEEM_PROMOTIONS), "t1")
    ]
    assert await is_healthy(desk)


async def test_old_answers_are_forgotten_and_a_repeat_is_judged_anew(desk: Desk) -> None:
    await prepare(desk)
    await sell(desk, "t1", "t2")

    async def ask() -> dict[str, Outcome]:
        return {
            "free": await desk.redeem_coupons(coupon(), request_id="free"),
            "once": await desk.redeem_coupons(coupon("ONCE1"), request_id="once"),
            "undo": await reverse(desk, "undo", "t1"),
        }

    first = await ask()
    assert {type(outcome) for outcome in first.values()} == {Granted}
    desk.clock.advance(30 * DAY)
    await prune(desk, answers=30)
    # Exactly as old as the setting is not older.
    again = await ask()
    assert {type(outcome) for outcome in again.values()} == {Replayed}
    desk.clock.advance(timedelta(milliseconds=1))
    before = await state(desk)
    await prune(desk, answers=30)
    assert await state(desk) == before
    assert await is_healthy(desk)
    anew = await ask()
    assert isinstance(anew["free"], Granted)
    assert redemption_id(anew["free"]) != redemption_id(first["free"])
    assert why(anew["once"]) == "COUPON_REPEATED"
    assert isinstance(anew["undo"], Refused)
    assert anew["undo"].reason.value == "REDEMPTION_REVERSED"
    # The key may now be that of another reversal.
    assert isinstance(await reverse(desk, "undo", "t2"), Granted)
    assert await is_healthy(desk)
    # What was judged anew is remembered like any other.
    repeated = await desk.redeem_coupons(coupon(), request_id="free")
    assert isinstance(repeated, Replayed)
    assert redemption_id(repeated) == redemption_id(anew["free"])


async def test_answers_go_page_by_page_and_newer_ones_stay(desk: Desk) -> None:
    await prepare(desk)
    for n in range(4):
        await desk.redeem_coupons(coupon(), request_id=f"a-{n}")
        # Requests without a key have one of their own, which nobody sends again.
        await desk.redeem_coupons(coupon())
    await sell(desk, "b-1", "b-2")
    await reverse(desk, "b-1", "b-1")
    desk.clock.advance(DAY)
    kept = desk.clock.now
    for n in range(4):
        await desk.redeem_coupons(coupon(), request_id=f"a-new-{n}")
    await reverse(desk, "b-new", "b-2")
    before, after, pages = await state(desk), AnswerKey(), 0
    position: AnswerKey | None = after
    while position:
        position = await desk.database.transact(PruneAnswers(ORG, to_ms(kept), position))
        pages += 1
        assert await is_healthy(desk)
    assert pages > 3
    assert await state(desk) == before
    assert sorted(await desk.rows("SELECT key FROM claim")) == [
        *((f"a-new-{n}",) for n in range(4)),
        ("b-1",),
        ("b-2",),
        ("b-new",),
    ]
    assert isinstance(await desk.redeem_coupons(coupon(), request_id="a-new-0"), Replayed)


def redemption_id(outcome: Outcome) -> int:
    assert isinstance(outcome, Granted | Replayed)
    assert isinstance(outcome.answer, RecordedCoupons)
    [result] = outcome.answer.results
    assert result.redemption
    return result.redemption.redemption_id


def why(outcome: Outcome) -> str:
    """The reason for which a request with one coupon redeemed nothing."""
    assert not isinstance(outcome, Refused | Granted | Replayed)
    [result] = outcome.answer.results
    assert result.violation
    return result.violation.reason.value
