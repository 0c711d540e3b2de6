"""Of two rows that both stand against a coupon the one that comes first in the table answers."""

from typing import Any

import pytest
from redemption_server.rules.commands import CouponCustomer

from tests.rules.coupon_desk import OTHER, Situation, apply_series, last_result, perfect, reason
from tests.rules.coupon_desk import reasons as reasons_of
from tests.support import catalogs
from tests.support.desk import Desk

NOW = "2026-03-04T05:06:07.008Z"
TOMORROW = "2026-03-05T00:00:00Z"
UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}

NO_CODE = Situation(use={"code": ""})
BAD_AMOUNT = Situation(use={"amount": "many"})
NO_CUSTOMER = Situation(use={"customer": CouponCustomer()})
STRANGER = Situation(use={"customer": CouponCustomer(customer_id=999)})
FRAUD = Situation(customer={"status": "FRAUD"})
UNKNOWN = Situation(use={"code": "UNKNOWN"})
TWICE = Situation(series=UNLIMITED, together=(perfect(),))
REVOKED = Situation(coupon={"revoked": True})
SERIES_ENDED = Situation(series={"valid_until": NOW})
COUPON_ENDED = Situation(coupon={"valid_until": NOW})
NOT_STARTED = Situation(series={"valid_from": TOMORROW})
JUST_ISSUED = Situation(series={"redeemable_after_days": 1}, coupon={"issued_at": NOW})
WRONG_HOUR = Situation(series={"redeemable_hours": [4]})
NOT_OWNED = Situation(series={"any_user": False}, coupon={"customer": catalogs.OTHER_CUSTOMER})
WRONG_TILL = Situation(series={"tills": ["till-2"]})
NO_NUMBER = Situation(series={"transaction_number_required": True}, use={"transaction_number": ""})
WRONG_VALIDATION = Situation(series={"validation_required": True}, use={"validation_code": "wrong"})
LOW_AMOUNT = Situation(series={"min_amount": "200"})
REDEEMED = Situation(earlier=(perfect(amount="200"),))
MAY_REPEAT = Situation(series={"same_customer_may_repeat": True})
UNLIMITED_COUPON = Situation(series={"max_redemptions_per_coupon": "unlimited"})
GAP = Situation(series={"min_days_between_redemptions": 1})
ONE_PER_CUSTOMER = Situation(series={"max_redemptions_per_customer": 1})
ONE_IN_SERIES = Situation(series={"max_redemptions": 1})


def pair(rows: str, expected: str, *situations: Situation) -> Any:
    both = Situation()
    for situation in situations:
        both |= situation
    return pytest.param(both, expected, id=rows)


PAIRS = [
    pair("1 before 2", "CODE_REQUIRED", NO_CODE, BAD_AMOUNT),
    pair("2 before 3", "AMOUNT_INVALID", BAD_AMOUNT, NO_CUSTOMER),
    pair("3 before 5", "CUSTOMER_REQUIRED", NO_CUSTOMER, UNKNOWN),
    pair("3 before 5 for a stranger", "CUSTOMER_NOT_FOUND", STRANGER, UNKNOWN),
    pair("4 before 5", "CUSTOMER_FRAUD", FRAUD, UNKNOWN),
    pair(
        "5 before 6",
        "CODE_NOT_FOUND",
        UNKNOWN,
        Situation(together=(perfect(code="UNKNOWN"),)),
    ),
    pair("6 before 7", "COUPON_REPEATED", TWICE, REVOKED),
    pair("7 before 8", "COUPON_REVOKED", REVOKED, SERIES_ENDED),
    pair("8 series before coupon", "SERIES_EXPIRED", SERIES_ENDED, COUPON_ENDED),
    pair("8 before 9", "COUPON_EXPIRED", COUPON_ENDED, NOT_STARTED),
    pair("8 series before 9", "SERIES_EXPIRED", SERIES_ENDED, JUST_ISSUED),
    pair("9 start before issue", "SERIES_NOT_STARTED", NOT_STARTED, JUST_ISSUED),
    pair("9 before 10", "COUPON_TOO_EARLY", JUST_ISSUED, WRONG_HOUR),
    pair("10 before 11", "TIME_NOT_ALLOWED", WRONG_HOUR, NOT_OWNED),
    pair("11 before 12", "COUPON_NOT_OWNED", NOT_OWNED, WRONG_TILL),
    pair("12 before 13", "TILL_NOT_ALLOWED", WRONG_TILL, NO_NUMBER),
    pair("13 before 14", "TRANSACTION_NUMBER_REQUIRED", NO_NUMBER, WRONG_VALIDATION),
    pair("14 before 15", "VALIDATION_CODE_WRONG", WRONG_VALIDATION, LOW_AMOUNT),
    pair("15 before 16", "AMOUNT_OUT_OF_RANGE", LOW_AMOUNT, REDEEMED, UNLIMITED_COUPON),
    pair("16 before 17", "COUPON_REPEATED", REDEEMED),
    pair("16 before 18", "COUPON_REPEATED", REDEEMED, UNLIMITED_COUPON, GAP),
    pair("17 before 18", "LIMIT_REACHED", REDEEMED, MAY_REPEAT, GAP),
    pair(
        "18 before 19",
        "COUPON_TOO_SOON",
        REDEEMED,
        MAY_REPEAT,
        UNLIMITED_COUPON,
        GAP,
        ONE_PER_CUSTOMER,
    ),
]


@pytest.mark.provokes(
    "CODE_REQUIRED",
    "AMOUNT_INVALID",
    "CUSTOMER_REQUIRED",
    "CUSTOMER_NOT_FOUND",
    "CUSTOMER_FRAUD",
    "CODE_NOT_FOUND",
    "COUPON_REPEATED",
    "COUPON_REVOKED",
    "SERIES_EXPIRED",
    "COUPON_EXPIRED",
    "SERIES_NOT_STARTED",
    "COUPON_TOO_EARLY",
    "TIME_NOT_ALLOWED",
    "COUPON_NOT_OWNED",
    "TILL_NOT_ALLOWED",
    "TRANSACTION_NUMBER_REQUIRED",
    "VALIDATION_CODE_WRONG",
    "AMOUNT_OUT_OF_RANGE",
    "LIMIT_REACHED",
    "COUPON_TOO_SOON",
)
@pytest.mark.parametrize(("situation", "expected"), PAIRS)
async def test_the_earlier_row_answers(one_desk: Desk, situation: Situation, expected: str) -> None:
    assert reason(await last_result(one_desk, situation)) == expected


@pytest.mark.provokes("LIMIT_REACHED")
@pytest.mark.parametrize(
    ("situation", "scope"),
    [
        pytest.param(
            REDEEMED | MAY_REPEAT | ONE_PER_CUSTOMER | ONE_IN_SERIES, "coupon", id="17 before 19"
        ),
        pytest.param(
            REDEEMED | MAY_REPEAT | UNLIMITED_COUPON | ONE_PER_CUSTOMER | ONE_IN_SERIES,
            "customer",
            id="19 customer before series",
        ),
        pytest.param(
            Situation(earlier=(perfect(code="COUPON2", customer=OTHER),)) | ONE_IN_SERIES,
            "series",
            id="19 series",
        ),
    ],
)
async def test_the_narrowest_limit_answers(
    one_desk: Desk, situation: Situation, scope: str
) -> None:
    violation = (await last_result(one_desk, situation)).violation
    assert violation is not None
    assert (violation.reason, violation.metadata["scope"]) == ("LIMIT_REACHED", scope)


@pytest.mark.provokes("BATCH_FAILED", "LIMIT_REACHED")
async def test_row_20_answers_only_where_no_other_row_does(one_desk: Desk) -> None:
    series = {"max_redemptions": 1, "coupons": [{"code": "COUPON1"}, {"code": "COUPON2"}]}
    await apply_series(one_desk, series)
    uses = (perfect(), perfect(code="COUPON2"))
    outcome = await one_desk.redeem_coupons(*uses, atomic=True)
    assert reasons_of(outcome) == ["BATCH_FAILED", "LIMIT_REACHED"]
