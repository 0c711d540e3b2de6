"""Reversing coupon redemptions: what comes back for which reason, and the gap after it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from redemption_server.rules.commands import CouponCustomer
from redemption_server.rules.facts import RecordKey, RecordKind, Scope
from redemption_server.rules.reversal_policy import Returned, ReversalReason

from tests.rules.coupon_desk import GRANTED, OTHER, apply_series, reason, results_of
from tests.rules.promotion_desk import on_one_engine
from tests.rules.promotion_desk import reasons as reasons_of
from tests.rules.reversal_desk import (
    EVERY_RETURN,
    EVERYTHING,
    USUALLY,
    Used,
    policy,
    refuse,
    repeat,
    reverse,
    used,
)
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER
from tests.support.desk import Desk, coupon

CANCEL, RETURN, FRAUD = ReversalReason.CANCEL, ReversalReason.RETURN, ReversalReason.FRAUD
ME = CouponCustomer(customer_id=CUSTOMER)
MANY: dict[str, Any] = {
    "max_redemptions": 9,
    "max_redemptions_per_coupon": 8,
    "max_redemptions_per_customer": 7,
    "same_customer_may_repeat": True,
    "coupons": [{"code": "COUPON1"}, {"code": "COUPON2"}],
}
ONCE: dict[str, Any] = {"max_redemptions": 9, "max_redemptions_per_customer": 7}
GAP: dict[str, Any] = {
    "max_redemptions_per_coupon": "unlimited",
    "same_customer_may_repeat": True,
    "min_days_between_redemptions": 3,
}


async def redeem(desk: Desk, *codes: str, customer: CouponCustomer = ME) -> list[int]:
    """Ids of the redemptions of a request whose coupons must all be redeemed."""
    outcome = await desk.redeem_coupons(*(coupon(code, customer=customer) for code in codes))
    results = results_of(outcome)
    assert [reason(result) for result in results] == [GRANTED] * len(codes)
    return [result.redemption.redemption_id for result in results if result.redemption]


async def refused(desk: Desk, code: str = "COUPON1", customer: CouponCustomer = ME) -> str:
    """Why a coupon is not redeemed; of a limit also the scope, of a gap its end."""
    [result] = results_of(await desk.redeem_coupons(coupon(code, customer=customer)))
    assert result.violation, "was redeemed"
    told = result.violation.metadata
    detail = told.get("scope") or told.get("redeemable_from")
    return f"{reason(result)} {detail}" if detail else reason(result)


def by_returned(returned: Returned) -> list[Used]:
    """The counters after two redemptions of which one was reversed."""
    budget, customer, code = (
        part not in returned for part in (Returned.BUDGET, Returned.CUSTOMER, Returned.CODE)
    )
    return [
        Used(Scope.COUPON, 1 + code),
        Used(Scope.SERIES, 1 + budget),
        Used(Scope.SERIES_CUSTOMER, 1 + customer, str(CUSTOMER)),
    ]


async def one_of_two_is_reversed(desk: Desk, why: ReversalReason, **changes: Any) -> Returned:
    await apply_series(desk, {**MANY, **changes})
    [first], _ = await redeem(desk, "COUPON1"), await redeem(desk, "COUPON1")
    desk.clock.advance(timedelta(hours=1))
    answer = await reverse(desk, first, reason=why)
    [(key, returned)] = answer.records
    assert key == RecordKey(RecordKind.COUPON_REDEMPTION, str(first))
    return returned


@pytest.mark.parametrize("why", ReversalReason)
async def test_what_usually_comes_back(desk: Desk, why: ReversalReason) -> None:
    assert await one_of_two_is_reversed(desk, why) == USUALLY[why]
    assert await used(desk) == by_returned(USUALLY[why])


@on_one_engine
@pytest.mark.parametrize("returned", EVERY_RETURN)
@pytest.mark.parametrize("why", ReversalReason)
async def test_a_policy_says_what_comes_back(
    desk: Desk, why: ReversalReason, returned: Returned
) -> None:
    policies = [policy(why, returned)]
    assert await one_of_two_is_reversed(desk, why, reversal_policies=policies) == returned
    assert await used(desk) == by_returned(returned)


@pytest.mark.parametrize(
    ("returned", "mine", "theirs"),
    [
        (EVERYTHING, GRANTED, GRANTED),
        (Returned.CODE, "COUPON_REPEATED", GRANTED),
        (Returned.CUSTOMER, "LIMIT_REACHED coupon", "LIMIT_REACHED coupon"),
        (Returned.BUDGET, "COUPON_REPEATED", "LIMIT_REACHED coupon"),
    ],
)
async def test_who_may_use_a_coupon_again(
    desk: Desk, returned: Returned, mine: str, theirs: str
) -> None:
    codes = [{"code": code} for code in ("A", "B")]
    policies = [policy(CANCEL, returned)]
    await apply_series(desk, {**ONCE, "coupons": codes, "reversal_policies": policies})
    for code, customer, expected in (("A", ME, mine), ("B", OTHER, theirs)):
        [redemption_id] = await redeem(desk, code)
        await reverse(desk, redemption_id)
        if expected == GRANTED:
            await redeem(desk, code, customer=customer)
        else:
            assert await refused(desk, code, customer) == expected


async def test_several_at_once_in_the_order_that_was_asked(desk: Desk) -> None:
    await apply_series(desk, MANY)
    first, second = await redeem(desk, "COUPON1", "COUPON2")
    [third] = await redeem(desk, "COUPON1", customer=OTHER)
    answer = await reverse(desk, third, first, request_id="r")
    assert [record.key.id for record in answer.records] == [str(third), str(first)]
    assert await used(desk) == [
        Used(Scope.COUPON, 1),
        Used(Scope.SERIES, 1),
        Used(Scope.SERIES_CUSTOMER, 1, str(CUSTOMER)),
    ]
    assert await repeat(desk, third, first, request_id="r") == answer
    [violation] = await refuse(desk, second, third)
    assert violation.metadata == {"redemption": str(third)}
    await reverse(desk, second)
    assert await used(desk) == []


@pytest.mark.provokes("REDEMPTION_NOT_FOUND", "REDEMPTION_REVERSED")
async def test_all_or_none(desk: Desk) -> None:
    await apply_series(desk, MANY)
    [first], [second] = await redeem(desk, "COUPON1"), await redeem(desk, "COUPON1")
    found = await refuse(desk, first, 1, second, 2)
    assert reasons_of(found) == ["REDEMPTION_NOT_FOUND"] * 2
    assert [violation.field for violation in found] == [
        "coupon_redemptions.redemption_ids[1]",
        "coupon_redemptions.redemption_ids[3]",
    ]
    await reverse(desk, first)
    assert reasons_of(await refuse(desk, first, second)) == ["REDEMPTION_REVERSED"]
    assert (await used(desk))[0] == Used(Scope.COUPON, 1)


async def test_limits_of_a_series_that_change_in_between(desk: Desk) -> None:
    free = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}
    await apply_series(desk, free)
    redeemed = [(await redeem(desk, "COUPON1"))[0] for _ in range(6)]
    await reverse(desk, redeemed[0])
    await reverse(desk, redeemed[1], reason=RETURN)
    await reverse(desk, redeemed[2], reason=FRAUD)
    await apply_series(desk, {**MANY, "max_redemptions": 2, "coupons": [{"code": "COUPON1"}]})
    assert await used(desk) == [
        Used(Scope.COUPON, 5),
        Used(Scope.SERIES, 4),
        Used(Scope.SERIES_CUSTOMER, 5, str(CUSTOMER)),
    ]
    for redemption_id, left in zip(redeemed[3:], (3, 2, 1), strict=True):
        assert await refused(desk) == "LIMIT_REACHED series"
        await reverse(desk, redemption_id)
        assert (await used(desk))[1] == Used(Scope.SERIES, left)
    await redeem(desk, "COUPON1")
    await apply_series(desk, free)
    [last] = await redeem(desk, "COUPON1")
    await reverse(desk, last)
    assert await used(desk) == []


DAYS = [datetime.fromisoformat(f"2026-03-{day}T10:00:00+00:00") for day in ("04", "08", "12")]


@pytest.mark.parametrize(
    ("undone", "why", "redeemable_from"),
    [
        pytest.param([2], CANCEL, "2026-03-11", id="the last"),
        pytest.param([2, 1], CANCEL, "2026-03-07", id="the last two"),
        pytest.param([1, 2], CANCEL, "2026-03-07", id="the last two, the older one first"),
        pytest.param([2, 1, 0], CANCEL, "", id="all"),
        pytest.param([1], CANCEL, "2026-03-15", id="one in the middle"),
        pytest.param([2], RETURN, "2026-03-15", id="the last, for nothing of the customer's"),
        pytest.param([2], FRAUD, "2026-03-15", id="the last, for nothing"),
    ],
)
async def test_the_gap_counts_from_what_still_stands(
    desk: Desk, undone: list[int], why: ReversalReason, redeemable_from: str
) -> None:
    await apply_series(desk, GAP)
    visits = []
    for day in DAYS:
        desk.clock.now = day
        visits += await redeem(desk, "COUPON1")
        await redeem(desk, "COUPON1", customer=OTHER)
    for number in undone:
        await reverse(desk, visits[number], reason=why)
    # Somebody else's gap is theirs.
    assert await refused(desk, customer=OTHER) == "COUPON_TOO_SOON 2026-03-15"
    if redeemable_from > "2026-03-12":
        assert await refused(desk) == f"COUPON_TOO_SOON {redeemable_from}"
        desk.clock.now = datetime.fromisoformat(f"{redeemable_from}T00:00:00+00:00")
    elif redeemable_from:
        desk.clock.now = datetime.fromisoformat(f"{redeemable_from}T00:00:00+00:00")
        desk.clock.advance(-timedelta(milliseconds=1))
        assert await refused(desk) == f"COUPON_TOO_SOON {redeemable_from}"
        desk.clock.advance(timedelta(milliseconds=1))
    await redeem(desk, "COUPON1")


async def test_a_gap_still_counts_from_a_reversal_for_nothing(desk: Desk) -> None:
    await apply_series(desk, GAP)
    visits = []
    for day in DAYS:
        desk.clock.now = day
        visits += await redeem(desk, "COUPON1")
    await reverse(desk, visits[2], reason=FRAUD)
    await reverse(desk, visits[0])
    assert await refused(desk) == "COUPON_TOO_SOON 2026-03-15"


async def test_a_gap_that_is_added_counts_from_what_still_stands(desk: Desk) -> None:
    await apply_series(desk, {**GAP, "min_days_between_redemptions": 0})
    [first] = await redeem(desk, "COUPON1")
    desk.clock.advance(timedelta(days=2))
    [second] = await redeem(desk, "COUPON1")
    await reverse(desk, second)
    await apply_series(desk, GAP)
    assert await refused(desk) == "COUPON_TOO_SOON 2026-03-07"
    await reverse(desk, first)
    await redeem(desk, "COUPON1")


async def test_two_of_a_gap_in_one_reversal(desk: Desk) -> None:
    await apply_series(desk, GAP, {**GAP, "coupons": [{"code": "OTHER"}]})
    redeemed = await redeem(desk, "COUPON1", "OTHER")
    await reverse(desk, *redeemed)
    await redeem(desk, "COUPON1", "OTHER")
    assert await refused(desk) == "COUPON_TOO_SOON 2026-03-07"
    assert await used(desk) == [Used(Scope.SERIES_CUSTOMER, 1, str(CUSTOMER))] * 2


async def test_customers_of_one_series_are_apart(desk: Desk) -> None:
    await apply_series(desk, MANY)
    [mine] = await redeem(desk, "COUPON1")
    await redeem(desk, "COUPON1", customer=OTHER)
    await reverse(desk, mine)
    assert await used(desk) == [
        Used(Scope.COUPON, 1),
        Used(Scope.SERIES, 1),
        Used(Scope.SERIES_CUSTOMER, 1, str(OTHER_CUSTOMER)),
    ]
