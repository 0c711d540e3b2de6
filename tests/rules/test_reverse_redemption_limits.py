"""Limits that change between a redemption and its reversal."""

from typing import Any

import pytest
from redemption_server.rules.facts import Scope
from redemption_server.rules.reversal_policy import ReversalReason

from tests.rules.promotion_desk import MICRO, grant, refuse_once, stock
from tests.rules.reversal_desk import Used, reverse, used
from tests.support.catalogs import CUSTOMER, promotion
from tests.support.desk import Desk, use

RETURN, FRAUD = ReversalReason.RETURN, ReversalReason.FRAUD
CODES = [{"id": "c1", "code": "A"}]
ALL: dict[str, Any] = {
    "redemptions_total": 9,
    "redemptions_per_customer": 9,
    "redemptions_per_code": 9,
    "discount_total": "90",
}
TOTAL = {"redemptions_total": 9}
DAY, WEEK, MONTH = (
    {"redemptions_total": {"limit": 9, "window": window}} for window in ("DAY", "WEEK", "MONTH")
)


async def limit(desk: Desk, limits: dict[str, Any], **changes: Any) -> None:
    await stock(desk, promotion(limits=limits, codes=CODES, **changes), time_zone="Asia/Kolkata")


async def redeem(desk: Desk, *identifiers: str) -> None:
    for identifier in identifiers:
        await grant(desk, use(), transaction_identifier=identifier)


def counted(times: int) -> list[Used]:
    return [
        Used(Scope.PROMOTION, times),
        Used(Scope.PROMOTION_CUSTOMER, times, str(CUSTOMER)),
        Used(Scope.PROMOTION_CODE, times, "c1"),
        Used(Scope.PROMOTION_DISCOUNT, 10 * MICRO * times),
    ]


async def test_a_limit_that_was_lowered_below_what_is_left(desk: Desk) -> None:
    await limit(desk, TOTAL)
    await redeem(desk, *"abcde")
    await limit(desk, {"redemptions_total": 2})
    for identifier, left in zip("abcd", (4, 3, 2, 1), strict=True):
        await refuse_once(desk, use())
        await reverse(desk, transaction_identifier=identifier)
        # The database holds the counter to its limit again once it is within.
        held_to = 2 if left <= 2 else None
        assert await desk.rows("SELECT used, use_limit FROM usage") == [(left, held_to)]
    await redeem(desk, "f")
    await refuse_once(desk, use())


async def test_a_limit_that_was_removed_and_is_added_again(desk: Desk) -> None:
    await limit(desk, ALL)
    await redeem(desk, *"abcd")
    await limit(desk, {})
    await reverse(desk, transaction_identifier="a")
    await reverse(desk, transaction_identifier="b", reason=RETURN)
    await reverse(desk, transaction_identifier="c", reason=FRAUD)
    assert await used(desk) == []
    await limit(desk, ALL)
    assert await used(desk) == [
        Used(Scope.PROMOTION, 2),
        Used(Scope.PROMOTION_CUSTOMER, 3, str(CUSTOMER)),
        Used(Scope.PROMOTION_CODE, 3, "c1"),
        Used(Scope.PROMOTION_DISCOUNT, 20 * MICRO),
    ]
    await reverse(desk, transaction_identifier="d")
    assert await used(desk) == [
        Used(Scope.PROMOTION, 1),
        Used(Scope.PROMOTION_CUSTOMER, 2, str(CUSTOMER)),
        Used(Scope.PROMOTION_CODE, 2, "c1"),
        Used(Scope.PROMOTION_DISCOUNT, 10 * MICRO),
    ]


async def test_a_limit_that_was_added_after_the_redemption(desk: Desk) -> None:
    await limit(desk, {})
    await redeem(desk, *"abc")
    await limit(desk, ALL)
    for identifier, left in (("a", 2), ("b", 1)):
        await reverse(desk, transaction_identifier=identifier)
        assert await used(desk) == counted(left)
    await reverse(desk, transaction_identifier="c")
    assert await used(desk) == []


@pytest.mark.parametrize(
    ("before", "after", "day"),
    [
        pytest.param(TOTAL, DAY, "2026-03-04", id="from none to a day"),
        pytest.param(DAY, TOTAL, "", id="from a day to none"),
        pytest.param(DAY, WEEK, "2026-03-02", id="from a day to a week"),
        pytest.param(WEEK, MONTH, "2026-03-01", id="from a week to a month"),
        pytest.param(MONTH, DAY, "2026-03-04", id="from a month to a day"),
    ],
)
async def test_a_limit_that_has_another_window(
    desk: Desk, before: dict[str, Any], after: dict[str, Any], day: str
) -> None:
    await limit(desk, before)
    await redeem(desk, *"abc")
    await reverse(desk, transaction_identifier="a")
    await limit(desk, after)
    assert await used(desk) == [Used(Scope.PROMOTION, 2, day=day)]
    await reverse(desk, transaction_identifier="b")
    assert await used(desk) == [Used(Scope.PROMOTION, 1, day=day)]


async def test_another_zone_has_the_day_of_a_transaction_be_another(desk: Desk) -> None:
    await limit(desk, DAY)
    await redeem(desk, *"ab")
    await reverse(desk, transaction_identifier="a")
    changed = promotion(limits=DAY, codes=CODES)
    # 5:06 in UTC, still the day before in Honolulu.
    await stock(desk, changed, time_zone="Pacific/Honolulu")
    assert await used(desk) == [Used(Scope.PROMOTION, 1, day="2026-03-03")]
    await reverse(desk, transaction_identifier="b")
    assert await used(desk) == []


async def test_a_promotion_that_refuses_after_it_only_recorded(desk: Desk) -> None:
    await limit(desk, {"redemptions_total": 2}, over_limit="RECORD")
    await redeem(desk, *"abcd")
    await limit(desk, {"redemptions_total": 2}, over_limit="REFUSE")
    for identifier, left in (("a", 3), ("b", 2), ("c", 1)):
        await refuse_once(desk, use())
        await reverse(desk, transaction_identifier=identifier)
        assert await used(desk) == [Used(Scope.PROMOTION, left)]
    await redeem(desk, "e")
    await refuse_once(desk, use())


async def test_a_promotion_that_is_switched_off_gives_back(desk: Desk) -> None:
    await limit(desk, ALL)
    await redeem(desk, *"ab")
    await limit(desk, ALL, active=False)
    await reverse(desk, transaction_identifier="a")
    assert await used(desk) == counted(1)
