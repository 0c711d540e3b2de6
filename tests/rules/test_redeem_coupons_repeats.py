"""A request that comes again: replayed by its key, in conflict with it, or judged anew."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from redemption_server.rules.outcomes import Granted, Judged, Outcome, Replayed
from redemption_server.rules.refusals import Refused

from tests.rules.coupon_desk import GRANTED, apply_series, reasons, records, refused, results_of
from tests.support import catalogs
from tests.support.desk import CALLER, Desk, coupon, use

TWO = {"coupons": [{"code": "COUPON1"}, {"code": "COUPON2"}]}
UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}


async def replayed(desk: Desk, answered: Outcome, *uses: Any, **changes: Any) -> None:
    """The request gets the recorded answer, and leaves nothing behind."""
    before = await records(desk)
    again = await desk.redeem_coupons(*uses, **changes)
    assert isinstance(again, Replayed)
    assert results_of(again) == results_of(answered)
    assert await records(desk) == before


async def conflicts(desk: Desk, *uses: Any, **changes: Any) -> bool:
    before = await records(desk)
    outcome = await desk.redeem_coupons(*uses, **changes)
    assert await records(desk) == before
    return isinstance(outcome, Refused) and outcome.reason == "REQUEST_CONFLICT"


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_a_repeat_gets_the_recorded_answer_failures_included(desk: Desk) -> None:
    await apply_series(desk, {**TWO, **UNLIMITED})
    uses = coupon("coupon1", amount="9.50", transaction_number="b"), coupon("UNKNOWN")
    answered = await desk.redeem_coupons(*uses, request_id="r1")
    assert isinstance(answered, Granted)
    assert reasons(answered) == [GRANTED, "CODE_NOT_FOUND"]
    desk.clock.advance(timedelta(days=1))
    await replayed(desk, answered, *uses, request_id="r1")
    await replayed(desk, answered, *uses, request_id="r1")


async def test_a_repeat_is_answered_whatever_has_changed_meanwhile(desk: Desk) -> None:
    await apply_series(desk, {"max_redemptions": 1})
    answered = await desk.redeem_coupons(coupon(), request_id="r1")
    ended = {"valid_until": "2026-01-01T00:00:00Z", "discount_value": "1"}
    revoked = {"coupons": [{"code": "COUPON1", "revoked": True}]}
    await apply_series(desk, {**ended, **revoked}, customer={"status": "BLOCKED", "email": "x@y.z"})
    await replayed(desk, answered, coupon(), request_id="r1")


async def test_a_repeat_through_another_till_and_credential_is_the_same_request(
    one_desk: Desk,
) -> None:
    await apply_series(one_desk, {})
    answered = await one_desk.redeem_coupons(coupon(), request_id="r1")
    caller = CALLER._replace(credential_key="k2", till_id=catalogs.TILL + 1, till_code="till-2")
    await replayed(one_desk, answered, coupon(), request_id="r1", caller=caller)


@pytest.mark.provokes("REQUEST_CONFLICT")
async def test_other_content_under_the_same_key_is_a_conflict(desk: Desk) -> None:
    await apply_series(desk, {**TWO, **UNLIMITED})
    answered = await desk.redeem_coupons(coupon(), request_id="r1")
    for uses, atomic in (
        ((coupon("COUPON2"),), False),
        ((coupon(), coupon("COUPON2")), False),
        ((coupon(),), True),
        ((coupon("UNKNOWN"),), False),
    ):
        assert await conflicts(desk, *uses, atomic=atomic, request_id="r1")
    await replayed(desk, answered, coupon(), request_id="r1")


async def test_keys_are_those_of_one_organisation(desk: Desk) -> None:
    await apply_series(desk, {})
    await apply_series(desk, {}, id=catalogs.OTHER_ORG)
    other = CALLER._replace(org_id=catalogs.OTHER_ORG)
    for caller in (CALLER, other):
        outcome = await desk.redeem_coupons(coupon(), request_id="r1", caller=caller)
        assert isinstance(outcome, Granted)


async def test_a_key_is_not_the_identifier_of_a_promotion_transaction(desk: Desk) -> None:
    await desk.apply(
        catalogs.organization(
            credentials=[], promotions=[catalogs.promotion()], coupon_series=[catalogs.series()]
        )
    )
    assert isinstance(await desk.redeem(use(), transaction_identifier="r1"), Granted)
    assert isinstance(await desk.redeem_coupons(coupon(), request_id="r1"), Granted)


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_a_key_under_which_all_failed_is_free_again(desk: Desk) -> None:
    await apply_series(desk, TWO)
    assert await refused(desk, coupon("COUPON3"), request_id="r1") == ["CODE_NOT_FOUND"]
    assert reasons(await desk.redeem_coupons(coupon("COUPON2"), request_id="r1")) == [GRANTED]


@pytest.mark.provokes("CODE_NOT_FOUND", "BATCH_FAILED")
async def test_an_atomic_request_that_failed_may_succeed_later_under_its_key(
    one_desk: Desk,
) -> None:
    await apply_series(one_desk, {})
    uses, options = (coupon(), coupon("COUPON2")), {"atomic": True, "request_id": "r1"}
    assert await refused(one_desk, *uses, **options) == ["BATCH_FAILED", "CODE_NOT_FOUND"]
    await apply_series(one_desk, TWO)
    assert reasons(await one_desk.redeem_coupons(*uses, **options)) == [GRANTED, GRANTED]


@pytest.mark.provokes("COUPON_REPEATED")
async def test_without_a_key_a_repeat_is_judged_like_any_other(desk: Desk) -> None:
    await apply_series(desk, {})
    assert reasons(await desk.redeem_coupons(coupon())) == [GRANTED]
    assert await refused(desk, coupon()) == ["COUPON_REPEATED"]
    await apply_series(desk, UNLIMITED)
    for _ in range(2):
        assert isinstance(await desk.redeem_coupons(coupon()), Granted)


async def test_twins_in_one_batch_redeem_once(desk: Desk) -> None:
    await apply_series(desk, UNLIMITED)
    outcomes = await asyncio.gather(
        *(desk.redeem_coupons(coupon(), request_id="r1") for _ in range(5))
    )
    assert [type(outcome) for outcome in outcomes] == [Granted] + [Replayed] * 4
    assert len({results_of(outcome) for outcome in outcomes}) == 1
    assert await desk.rows("SELECT count(*) FROM coupon_redemption") == [(1,)]


@pytest.mark.provokes("CODE_NOT_FOUND", "REQUEST_CONFLICT")
async def test_in_one_batch_a_key_belongs_to_the_first_that_is_granted(desk: Desk) -> None:
    await apply_series(desk, {**TWO, **UNLIMITED})
    failing, first, second = await asyncio.gather(
        desk.redeem_coupons(coupon("UNKNOWN"), request_id="r1"),
        desk.redeem_coupons(coupon("COUPON1"), request_id="r1"),
        desk.redeem_coupons(coupon("COUPON2"), request_id="r1"),
    )
    assert isinstance(failing, Judged)
    assert isinstance(first, Granted)
    assert isinstance(second, Refused)
    assert second.reason == "REQUEST_CONFLICT"
    assert second.violations[0].metadata == {"request_id": "r1"}
    await replayed(desk, first, coupon("COUPON1"), request_id="r1")
