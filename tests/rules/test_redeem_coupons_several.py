"""Several coupons in one request: each judged by itself, or all of them or none."""

import pytest
from redemption_server.rules.commands import CouponCustomer
from redemption_server.rules.outcomes import Granted, Judged

from tests.rules.coupon_desk import (
    GRANTED,
    OTHER,
    apply_series,
    reasons,
    records,
    refused,
    results_of,
    usage,
)
from tests.support import catalogs
from tests.support.desk import CALLER, Desk, coupon

UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}
FOUR = {"coupons": [{"code": f"COUPON{number}"} for number in range(1, 5)]}
STRANGER = CouponCustomer(customer_id=999)


@pytest.mark.provokes("CODE_NOT_FOUND", "CUSTOMER_NOT_FOUND")
async def test_each_coupon_is_judged_by_itself_and_answered_in_its_place(desk: Desk) -> None:
    await apply_series(desk, FOUR)
    outcome = await desk.redeem_coupons(
        coupon("COUPON4"),
        coupon("UNKNOWN"),
        coupon("COUPON2", customer=OTHER),
        coupon("COUPON3", customer=STRANGER),
    )
    assert isinstance(outcome, Granted)
    assert reasons(outcome) == [GRANTED, "CODE_NOT_FOUND", GRANTED, "CUSTOMER_NOT_FOUND"]
    codes = [result.code for result in results_of(outcome)]
    assert codes == ["COUPON4", "UNKNOWN", "COUPON2", "COUPON3"]


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_only_what_was_redeemed_is_recorded_and_counted(desk: Desk) -> None:
    await apply_series(desk, {**FOUR, "max_redemptions": 5})
    answer = await desk.redeem_coupons(coupon("COUPON1"), coupon("UNKNOWN"), coupon("Coupon2"))
    ids = [result.redemption.redemption_id for result in results_of(answer) if result.redemption]
    rows = await desk.rows("SELECT id, code_key FROM coupon_redemption ORDER BY id")
    assert rows == list(zip(ids, ["coupon1", "coupon2"], strict=True))
    events = await desk.rows("SELECT sequence, record_id FROM event ORDER BY sequence")
    assert events == [(1, str(ids[0])), (2, str(ids[1]))]
    counted = {
        (scope, subject, member): used
        for _, scope, subject, member, _, used, _ in await usage(desk)
    }
    assert counted == {
        (10, "coupon1", ""): 1,
        (10, "coupon2", ""): 1,
        (11, "coupon1", "501"): 1,
        (11, "coupon2", "501"): 1,
        (12, "1", ""): 2,
    }


async def test_the_record_holds_all_that_the_coupon_said(desk: Desk) -> None:
    series = {
        "discount_code": "D1",
        "discount_type": "PERC",
        "discount_value": "12.5",
        "discount_up_to": "200",
    }
    await apply_series(desk, series)
    use = coupon(
        "coupon1",
        amount="99.5",
        transaction_number="bill-9",
        custom_fields=(("shop", "north"), ("shop", "south")),
    )
    outcome = await desk.redeem_coupons(use, request_id="r1")
    (result,) = results_of(outcome)
    assert result.redemption is not None
    (row,) = await desk.rows("SELECT * FROM coupon_redemption")
    assert row == (
        catalogs.ORG,
        result.redemption.redemption_id,
        "coupon1",
        1,
        catalogs.CUSTOMER,
        "D1",
        "PERC",
        12_500_000,
        200_000_000,
        "bill-9",
        99_500_000,
        '[["shop","north"],["shop","south"]]',
        2,
        "r1",
        catalogs.TILL,
        catalogs.KEY,
        round(desk.clock.now.timestamp() * 1_000),
    )


@pytest.mark.provokes("COUPON_REPEATED", "AMOUNT_INVALID", "CUSTOMER_NOT_FOUND")
async def test_a_code_stands_once_in_a_request_whatever_became_of_the_first(desk: Desk) -> None:
    await apply_series(desk, {**FOUR, **UNLIMITED})
    uses = (
        coupon("COUPON1"),
        coupon("coupon1", customer=OTHER),
        coupon("COUPON2", amount="x"),
        coupon("COUPON2"),
        coupon("COUPON3", customer=STRANGER),
        coupon(" Coupon3"),
    )
    assert reasons(await desk.redeem_coupons(*uses)) == [
        GRANTED,
        "COUPON_REPEATED",
        "AMOUNT_INVALID",
        "COUPON_REPEATED",
        "CUSTOMER_NOT_FOUND",
        "COUPON_REPEATED",
    ]


@pytest.mark.provokes("BATCH_FAILED", "CODE_NOT_FOUND")
async def test_an_atomic_request_with_one_failure_redeems_nothing(desk: Desk) -> None:
    await apply_series(desk, FOUR)
    uses = coupon("COUPON1"), coupon("UNKNOWN"), coupon("COUPON2", customer=OTHER)
    found = await refused(desk, *uses, atomic=True)
    assert found == ["BATCH_FAILED", "CODE_NOT_FOUND", "BATCH_FAILED"]
    assert reasons(await desk.redeem_coupons(uses[0], uses[2], atomic=True)) == [GRANTED] * 2


@pytest.mark.provokes("BATCH_FAILED", "LIMIT_REACHED")
async def test_what_an_atomic_request_would_take_counts_for_its_own_coupons_alone(
    one_desk: Desk,
) -> None:
    await apply_series(one_desk, {**FOUR, "max_redemptions": 2})
    three = coupon("COUPON1"), coupon("COUPON2"), coupon("COUPON3")
    assert await refused(one_desk, *three, atomic=True) == [
        "BATCH_FAILED",
        "BATCH_FAILED",
        "LIMIT_REACHED",
    ]
    assert reasons(await one_desk.redeem_coupons(*three[1:])) == [GRANTED] * 2


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_an_atomic_request_of_failures_keeps_their_own_reasons(one_desk: Desk) -> None:
    await apply_series(one_desk, FOUR)
    uses = coupon("UNKNOWN"), coupon("OTHER-UNKNOWN")
    assert await refused(one_desk, *uses, atomic=True) == ["CODE_NOT_FOUND"] * 2


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_a_request_of_which_all_failed_is_judged_but_not_recorded(desk: Desk) -> None:
    await apply_series(desk, FOUR)
    before = await records(desk)
    outcome = await desk.redeem_coupons(coupon("UNKNOWN"), request_id="r1")
    assert isinstance(outcome, Judged)
    assert await records(desk) == before


async def test_a_hundred_coupons_are_redeemed_in_one_request(desk: Desk) -> None:
    codes = [f"C{number}" for number in range(100)]
    await apply_series(desk, {"coupons": [{"code": code} for code in codes]})
    outcome = await desk.redeem_coupons(*(coupon(code) for code in codes))
    assert reasons(outcome) == [GRANTED] * 100
    ids = [row[0] for row in await desk.rows("SELECT id FROM coupon_redemption ORDER BY id")]
    assert ids == [r.redemption.redemption_id for r in results_of(outcome) if r.redemption]
    assert all(0 < number < 2**63 for number in ids)
    assert len(set(ids)) == 100


@pytest.mark.provokes("TILL_NOT_ALLOWED")
async def test_a_caller_without_a_till_redeems_only_where_no_till_is_named(one_desk: Desk) -> None:
    await apply_series(one_desk, {"tills": ["till-1"]}, {"coupons": [{"code": "COUPON2"}]})
    caller = CALLER._replace(till_id=None, till_code="")
    assert await refused(one_desk, coupon(), caller=caller) == ["TILL_NOT_ALLOWED"]
    assert reasons(await one_desk.redeem_coupons(coupon("COUPON2"), caller=caller)) == [GRANTED]
    assert await one_desk.rows("SELECT till_id FROM coupon_redemption") == [(None,)]
