"""Reversals decided in one batch with other requests: as if each had come alone, in turn."""

from datetime import timedelta
from typing import Any

from redemption_server.rules.commands import RedeemPromotions, ReverseRedemption
from redemption_server.rules.facts import Scope
from redemption_server.rules.outcomes import Granted, Outcome, Replayed
from redemption_server.rules.refusals import Refused
from redemption_server.rules.reversal_policy import ReversalReason

from tests.rules.promotion_desk import MICRO, grant, reasons, stock
from tests.rules.reversal_desk import Used, reverse, together, used
from tests.support.catalogs import promotion
from tests.support.desk import Desk, promotions, reversal, use

LIMITS = {"redemptions_total": 3, "discount_total": "30"}
ONE = Used(Scope.PROMOTION, 1), Used(Scope.PROMOTION_DISCOUNT, 10 * MICRO)


def sale(desk: Desk, identifier: str, *uses: Any) -> RedeemPromotions:
    return promotions(desk.clock.now, *(uses or (use(),)), transaction_identifier=identifier)


def undo(identifier: str, request_id: str = "", **changes: Any) -> ReverseRedemption:
    request_id = request_id or f"undo {identifier}"
    return reversal(transaction_identifier=identifier, request_id=request_id, **changes)


async def three_sales(desk: Desk) -> None:
    await stock(desk, promotion(limits=LIMITS))
    for identifier in ("a", "b", "c"):
        await grant(desk, use(), transaction_identifier=identifier)
    desk.clock.advance(timedelta(hours=1))


def kinds(outcomes: list[Outcome]) -> list[str]:
    return [
        reasons(outcome.violations)[0] if isinstance(outcome, Refused) else type(outcome).__name__
        for outcome in outcomes
    ]


async def test_what_came_back_may_be_redeemed_in_the_same_batch(desk: Desk) -> None:
    await three_sales(desk)
    outcomes = await together(desk, sale(desk, "d"), undo("a"), sale(desk, "e"), sale(desk, "f"))
    assert kinds(outcomes) == ["LIMIT_REACHED", "Granted", "Granted", "LIMIT_REACHED"]
    assert await used(desk) == [
        Used(Scope.PROMOTION, 3),
        Used(Scope.PROMOTION_DISCOUNT, 30 * MICRO),
    ]


async def test_more_may_come_back_than_is_redeemed(desk: Desk) -> None:
    await three_sales(desk)
    outcomes = await together(desk, undo("a"), sale(desk, "d"), undo("b"), undo("c"))
    assert kinds(outcomes) == ["Granted"] * 4
    assert tuple(await used(desk)) == ONE


async def test_the_limit_holds_within_the_batch_when_less_is_left_after_it(desk: Desk) -> None:
    await three_sales(desk)
    outcomes = await together(
        desk, undo("a"), undo("b"), undo("c"), sale(desk, "d"), sale(desk, "e")
    )
    assert kinds(outcomes) == ["Granted"] * 5
    assert await used(desk) == [
        Used(Scope.PROMOTION, 2),
        Used(Scope.PROMOTION_DISCOUNT, 20 * MICRO),
    ]


async def test_one_redemption_is_reversed_once_in_a_batch(desk: Desk) -> None:
    await three_sales(desk)
    outcomes = await together(desk, undo("a"), undo("a"), undo("a", "other"), undo("b"))
    assert kinds(outcomes) == ["Granted", "Replayed", "REDEMPTION_REVERSED", "Granted"]
    assert isinstance(outcomes[0], Granted)
    assert isinstance(outcomes[1], Replayed)
    assert outcomes[0].answer == outcomes[1].answer
    assert tuple(await used(desk)) == ONE


async def test_other_content_under_a_key_of_the_batch_is_a_conflict(desk: Desk) -> None:
    await three_sales(desk)
    other = undo("a", reason=ReversalReason.FRAUD)
    assert kinds(await together(desk, undo("a"), other)) == ["Granted", "REQUEST_CONFLICT"]


async def test_the_reversal_of_nothing_leaves_when_a_counter_was_last_used(desk: Desk) -> None:
    await stock(desk, promotion(limits=LIMITS))
    await grant(desk, use(), use(discount=0), transaction_identifier="a")
    await grant(desk, use(discount=0), transaction_identifier="b")
    desk.clock.advance(timedelta(hours=1))
    await reverse(desk, transaction_identifier="b")
    assert await used(desk) == [
        Used(Scope.PROMOTION, 2),
        Used(Scope.PROMOTION_DISCOUNT, 10 * MICRO),
    ]
