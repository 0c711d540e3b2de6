"""A limit of a coupon, a customer or a series ends at exactly its number."""

import asyncio
from itertools import cycle, islice
from typing import Any

import pytest
from redemption_server.rules.commands import CouponUse

from tests.rules.coupon_desk import GRANTED, OTHER, apply_series, reasons, refused, results_of
from tests.support.desk import Desk, coupon

LIMIT = 3
UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}
TWO_COUPONS = {"coupons": [{"code": "COUPON1"}, {"code": "COUPON2"}]}
MINE, OTHERS = coupon(), coupon(customer=OTHER)
MINE_TOO = coupon("COUPON2")

LIMITS = [
    pytest.param(
        {"max_redemptions_per_coupon": LIMIT}, (MINE, OTHERS), MINE_TOO, "coupon", id="coupon"
    ),
    pytest.param(
        {"max_redemptions_per_customer": LIMIT}, (MINE, MINE_TOO), OTHERS, "customer", id="customer"
    ),
    pytest.param({"max_redemptions": LIMIT}, (MINE, OTHERS, MINE_TOO), None, "series", id="series"),
]


@pytest.mark.provokes("LIMIT_REACHED")
@pytest.mark.parametrize(("series", "uses", "unaffected", "scope"), LIMITS)
async def test_one_after_the_other_a_limit_ends_at_exactly_its_number(
    desk: Desk,
    series: dict[str, Any],
    uses: tuple[CouponUse, ...],
    unaffected: CouponUse | None,
    scope: str,
) -> None:
    other_series = {"coupons": [{"code": "COUPON3"}]}
    await apply_series(desk, {**UNLIMITED, **TWO_COUPONS, **series}, other_series)
    for use in islice(cycle(uses), LIMIT):
        assert reasons(await desk.redeem_coupons(use)) == [GRANTED]
    for use in uses:
        assert await refused(desk, use) == ["LIMIT_REACHED"]
    (result,) = results_of(await desk.redeem_coupons(uses[0]))
    assert result.violation is not None
    assert result.violation.metadata == {
        "scope": scope,
        "series_id": "1",
        "limit": "3",
        "used": "3",
        "requested": "1",
        "resets": "never",
    }
    for other in (unaffected, coupon("COUPON3")):
        if other:
            assert reasons(await desk.redeem_coupons(other)) == [GRANTED]


@pytest.mark.provokes("LIMIT_REACHED")
@pytest.mark.parametrize(("series", "uses", "unaffected", "scope"), LIMITS)
async def test_all_at_once_a_limit_ends_at_exactly_its_number(
    desk: Desk,
    series: dict[str, Any],
    uses: tuple[CouponUse, ...],
    unaffected: CouponUse | None,
    scope: str,
) -> None:
    await apply_series(desk, {**UNLIMITED, **TWO_COUPONS, **series})
    # Ten requests in one batch: nothing waits between them.
    outcomes = await asyncio.gather(*(desk.redeem_coupons(u) for u in islice(cycle(uses), 10)))
    found = [reason for outcome in outcomes for reason in reasons(outcome)]
    assert found == [GRANTED] * LIMIT + ["LIMIT_REACHED"] * (10 - LIMIT)
    rows = await desk.rows("SELECT count(*) FROM coupon_redemption")
    assert rows == [(LIMIT,)]


@pytest.mark.provokes("LIMIT_REACHED", "COUPON_REPEATED")
async def test_by_default_a_coupon_is_used_once_by_whomever(desk: Desk) -> None:
    await apply_series(desk, {})
    outcomes = await asyncio.gather(
        *(desk.redeem_coupons(use) for use in (OTHERS, MINE, OTHERS, coupon("coupon1")))
    )
    assert [reasons(outcome) for outcome in outcomes] == [
        [GRANTED],
        ["LIMIT_REACHED"],
        ["COUPON_REPEATED"],
        ["LIMIT_REACHED"],
    ]


@pytest.mark.provokes("LIMIT_REACHED", "COUPON_TOO_SOON")
@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param({"max_redemptions": 1}, "LIMIT_REACHED", id="series"),
        pytest.param({"max_redemptions_per_customer": 1}, "LIMIT_REACHED", id="customer"),
        pytest.param({"min_days_between_redemptions": 1}, "COUPON_TOO_SOON", id="gap"),
    ],
)
async def test_earlier_successes_of_the_same_request_count(
    desk: Desk, series: dict[str, Any], expected: str
) -> None:
    await apply_series(desk, {**TWO_COUPONS, **series})
    outcome = await desk.redeem_coupons(MINE, MINE_TOO)
    assert reasons(outcome) == [GRANTED, expected]
    assert await refused(desk, MINE_TOO) == [expected]


@pytest.mark.provokes("AMOUNT_OUT_OF_RANGE", "COUPON_TOO_SOON")
async def test_earlier_failures_of_the_same_request_do_not_count(one_desk: Desk) -> None:
    limits = {"max_redemptions": 1, "max_redemptions_per_customer": 1}
    series = {**TWO_COUPONS, **limits, "min_days_between_redemptions": 1, "min_amount": "10"}
    await apply_series(one_desk, series)
    uses = coupon(amount="9"), coupon("COUPON2", amount="10")
    assert reasons(await one_desk.redeem_coupons(*uses)) == ["AMOUNT_OUT_OF_RANGE", GRANTED]
    assert await refused(one_desk, coupon(amount="10")) == ["COUPON_TOO_SOON"]


@pytest.mark.provokes("COUPON_TOO_SOON")
async def test_the_gap_runs_from_the_customers_last_redemption_in_that_series(
    one_desk: Desk,
) -> None:
    series = {**UNLIMITED, **TWO_COUPONS, "min_days_between_redemptions": 2}
    other_series = {**series, "coupons": [{"code": "COUPON3"}]}
    await apply_series(one_desk, series, other_series)
    for day, use, expected in (
        (4, MINE, GRANTED),
        (5, MINE_TOO, "COUPON_TOO_SOON"),
        (5, OTHERS, GRANTED),
        (5, coupon("COUPON3"), GRANTED),
        (6, MINE_TOO, GRANTED),
        (7, MINE, "COUPON_TOO_SOON"),
        (8, MINE, GRANTED),
    ):
        one_desk.clock.now = one_desk.clock.now.replace(day=day)
        assert reasons(await one_desk.redeem_coupons(use)) == [expected]


async def test_the_largest_limit_is_one_limit_like_any_other(desk: Desk) -> None:
    largest = 10**15
    await apply_series(desk, {"max_redemptions": largest, "max_redemptions_per_coupon": largest})
    assert reasons(await desk.redeem_coupons(MINE)) == [GRANTED]
    held_to = await desk.rows("SELECT DISTINCT use_limit FROM usage WHERE scope IN (10, 12)")
    assert held_to == [(largest,)]
