"""Counters of a limit that the catalog adds or changes are what they had been from the start."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from redemption_server.rules.commands import CouponCustomer
from redemption_server.rules.outcomes import Granted

from tests.catalog.state import organization, usage
from tests.rules.coupon_desk import reasons
from tests.support import catalogs
from tests.support.desk import CALLER, Desk, coupon, use

LATER, FROM_THE_START = catalogs.ORG, catalogs.OTHER_ORG
MOMENTS = (
    "2026-01-31T18:29:59.999+00:00",  # the end of January in Kolkata
    "2026-01-31T18:30:00.000+00:00",
    "2026-02-28T23:59:59.999+00:00",
    "2026-03-01T00:00:00.000+00:00",
    "2026-03-01T18:30:00.000+00:00",  # Monday in Kolkata
    "2026-03-02T00:00:00.000+00:00",
)
CODES = [{"id": "c1", "code": "A"}, {"id": "c2", "code": "B"}]
COUPONS = [{"code": "COUPON1"}, {"code": "COUPON2"}]
UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}
KOLKATA = {"time_zone": "Asia/Kolkata"}


def promoted(limits: dict[str, Any], **changes: Any) -> dict[str, Any]:
    promotions = [catalogs.promotion(limits=limits, codes=CODES), catalogs.promotion("p2")]
    return organization(promotions=promotions, **changes)


def couponed(**series: Any) -> dict[str, Any]:
    both = [catalogs.series(coupons=COUPONS, **series), catalogs.series(2, coupons=[{"code": "X"}])]
    return organization(coupon_series=both)


async def redeem_promotions(desk: Desk, org_id: int, prefix: str) -> None:
    requests = [
        desk.redeem(
            use(promo_code="B", discount=number),
            caller=CALLER._replace(org_id=org_id),
            line_items=(use(promo_code="A", redemption_count=number + 1), use("p2")),
            customer_id=catalogs.CUSTOMER + number % 2,
            transaction_identifier=f"{prefix}{number}",
            transaction_date=datetime.fromisoformat(moment),
        )
        for number, moment in enumerate(MOMENTS)
    ]
    outcomes = await asyncio.gather(*requests)
    assert all(isinstance(outcome, Granted) for outcome in outcomes), outcomes


async def redeem_coupons(desk: Desk, org_id: int) -> None:
    requests = [
        desk.redeem_coupons(
            coupon(code, customer=CouponCustomer(customer_id=catalogs.CUSTOMER + number % 2)),
            caller=CALLER._replace(org_id=org_id),
        )
        for number, code in enumerate(("COUPON1", "coupon2", "COUPON1", "X"))
    ]
    assert [reasons(outcome) for outcome in await asyncio.gather(*requests)] == [["GRANTED"]] * 4


async def counters(desk: Desk, org_id: int) -> list[dict[str, Any]]:
    rows = [row for row in await usage(desk) if row["org_id"] == org_id]
    return [{k: v for k, v in row.items() if k != "org_id"} for row in rows]


TOTAL = {"redemptions_total": 99}
DAILY = {"redemptions_total": {"limit": 99, "window": "DAY"}}
WEEKLY = {"redemptions_total": {"limit": 99, "window": "WEEK"}}
MONTHLY = {
    "redemptions_total": {"limit": 99, "window": "MONTH"},
    "redemptions_per_customer": {"limit": 99, "window": "MONTH"},
    "discount_total": {"limit": "999", "window": "MONTH"},
}
ALL = {"redemptions_per_customer": 99, "redemptions_per_code": 99, "discount_total": "999", **TOTAL}


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([promoted({}), promoted(ALL)], id="added"),
        pytest.param([promoted({}, **KOLKATA), promoted(MONTHLY, **KOLKATA)], id="added by month"),
        pytest.param([promoted({}), promoted(WEEKLY, **KOLKATA)], id="added with a zone"),
        pytest.param([promoted(ALL), promoted({}), promoted(ALL)], id="removed and added again"),
        pytest.param([promoted(DAILY), promoted(TOTAL)], id="window removed"),
        pytest.param([promoted(DAILY), promoted(MONTHLY)], id="window changed"),
        pytest.param([promoted(MONTHLY), promoted(MONTHLY, **KOLKATA)], id="zone changed"),
        pytest.param(
            [promoted(WEEKLY), organization(**KOLKATA), promoted(WEEKLY, **KOLKATA)],
            id="zone changed by itself",
        ),
        pytest.param([promoted(ALL), promoted({**ALL, "redemptions_total": 90})], id="changed"),
    ],
)
async def test_counters_of_promotions_are_as_if_the_limits_had_always_been(
    desk: Desk, steps: list[dict[str, Any]]
) -> None:
    await desk.apply(steps[0], {**steps[-1], "id": FROM_THE_START})
    for org_id in (LATER, FROM_THE_START):
        await redeem_promotions(desk, org_id, "before")
    for step in steps[1:]:
        await desk.apply(step)
    assert await counters(desk, LATER) == await counters(desk, FROM_THE_START)
    for org_id in (LATER, FROM_THE_START):
        await redeem_promotions(desk, org_id, "after")
    assert await counters(desk, LATER) == await counters(desk, FROM_THE_START) != []


async def test_uses_without_customer_or_code_count_for_no_customer_and_no_code(desk: Desk) -> None:
    await desk.apply(promoted({}))
    assert isinstance(await desk.redeem(use(), customer_id=-1), Granted)
    await desk.apply(promoted({"redemptions_per_customer": 1, "redemptions_per_code": 1}))
    assert await counters(desk, LATER) == []


ONE = {"max_redemptions": 99}
THREE = {**ONE, "max_redemptions_per_customer": 99, "max_redemptions_per_coupon": 99}


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([{}, ONE], id="added"),
        pytest.param([ONE, THREE], id="added beside another"),
        pytest.param([THREE, {}, THREE], id="removed and added again"),
    ],
)
async def test_counters_of_coupons_are_as_if_the_limits_had_always_been(
    desk: Desk, steps: list[dict[str, Any]]
) -> None:
    first, *others = [couponed(**{**UNLIMITED, **limits}) for limits in steps]
    await desk.apply(first, {**others[-1], "id": FROM_THE_START})
    for org_id in (LATER, FROM_THE_START):
        await redeem_coupons(desk, org_id)
    for step in others:
        await desk.apply(step)
    assert await counters(desk, LATER) == await counters(desk, FROM_THE_START) != []


@pytest.mark.provokes("COUPON_REPEATED", "COUPON_TOO_SOON")
@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param({"same_customer_may_repeat": False}, "COUPON_REPEATED", id="repeats"),
        pytest.param({"min_days_between_redemptions": 1}, "COUPON_TOO_SOON", id="gap"),
    ],
)
async def test_rules_about_repeats_that_are_added_look_back(
    desk: Desk, series: dict[str, Any], expected: str
) -> None:
    await desk.apply(couponed(**UNLIMITED))
    for _ in range(2):
        assert isinstance(await desk.redeem_coupons(coupon()), Granted)
    await desk.apply(couponed(**{**UNLIMITED, **series}))
    assert reasons(await desk.redeem_coupons(coupon())) == [expected]
    other = coupon(customer=CouponCustomer(customer_id=catalogs.OTHER_CUSTOMER))
    assert isinstance(await desk.redeem_coupons(other), Granted)
