"""Each row of the table of refusals: a coupon that only this row stands against."""

from typing import Any

import pytest
from redemption_server.rules.commands import CouponCustomer

from tests.rules.coupon_desk import (
    GRANTED,
    OTHER,
    Situation,
    last_result,
    perfect,
    reason,
)
from tests.support import catalogs
from tests.support.desk import Desk

# The desk's clock stands at 2026-03-04T05:06:07.008Z, a Wednesday.
NOW = "2026-03-04T05:06:07.008Z"
A_MILLISECOND_LATER = "2026-03-04T05:06:07.009Z"
UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}


def refusal(row: str, expected: str, **fields: Any) -> Any:
    return pytest.param(Situation(**fields), expected, id=f"row {row}: {expected}")


REFUSALS = [
    refusal("1", "CODE_REQUIRED", use={"code": ""}),
    refusal("1 blank", "CODE_REQUIRED", use={"code": "  "}),
    refusal("2 malformed", "AMOUNT_INVALID", use={"amount": "1,5"}),
    refusal("2 negative", "AMOUNT_INVALID", use={"amount": "-1"}),
    refusal("2 seven decimals", "AMOUNT_INVALID", use={"amount": "1.0000001"}),
    refusal("2 no number", "AMOUNT_INVALID", use={"amount": "NaN"}),
    refusal("3 none", "CUSTOMER_REQUIRED", use={"customer": CouponCustomer()}),
    refusal("3", "CUSTOMER_NOT_FOUND", use={"customer": CouponCustomer(customer_id=999)}),
    refusal("4", "CUSTOMER_FRAUD", customer={"status": "FRAUD"}),
    refusal("4", "CUSTOMER_BLOCKED", customer={"status": "BLOCKED"}),
    refusal("5", "CODE_NOT_FOUND", use={"code": "UNKNOWN"}),
    refusal(
        "6",
        "COUPON_REPEATED",
        series=UNLIMITED,
        together=(perfect(code="coupon1"),),
    ),
    refusal("7", "COUPON_REVOKED", coupon={"revoked": True}),
    refusal("8", "SERIES_EXPIRED", series={"valid_until": NOW}),
    refusal("8", "COUPON_EXPIRED", coupon={"valid_until": NOW}),
    refusal("9", "SERIES_NOT_STARTED", series={"valid_from": A_MILLISECOND_LATER}),
    refusal(
        "9",
        "COUPON_TOO_EARLY",
        series={"redeemable_after_days": 1},
        coupon={"issued_at": "2026-03-04T00:00:00Z"},
    ),
    refusal("10 week day", "TIME_NOT_ALLOWED", series={"redeemable_days_of_week": ["TUE", "THU"]}),
    refusal("10 day", "TIME_NOT_ALLOWED", series={"redeemable_days_of_month": [3, 5]}),
    refusal("10 hour", "TIME_NOT_ALLOWED", series={"redeemable_hours": [4, 6]}),
    refusal(
        "11",
        "COUPON_NOT_OWNED",
        series={"any_user": False},
        coupon={"customer": catalogs.OTHER_CUSTOMER},
    ),
    refusal("11 to nobody", "COUPON_NOT_OWNED", series={"any_user": False}),
    refusal("12", "TILL_NOT_ALLOWED", series={"tills": ["till-2"]}),
    refusal(
        "13",
        "TRANSACTION_NUMBER_REQUIRED",
        series={"transaction_number_required": True},
        use={"transaction_number": ""},
    ),
    refusal(
        "14",
        "VALIDATION_CODE_REQUIRED",
        series={"validation_required": True},
        use={"validation_code": ""},
    ),
    refusal(
        "14",
        "VALIDATION_CODE_WRONG",
        series={"validation_required": True},
        use={"validation_code": "Right"},
    ),
    refusal(
        "14 never set",
        "VALIDATION_CODE_WRONG",
        series={"validation_required": True},
        coupon={"validation_code": ""},
    ),
    refusal("15 below", "AMOUNT_OUT_OF_RANGE", series={"min_amount": "100.000001"}),
    refusal("15 above", "AMOUNT_OUT_OF_RANGE", series={"max_amount": "99.999999"}),
    refusal("15 missing", "AMOUNT_OUT_OF_RANGE", series={"max_amount": "100"}, use={"amount": ""}),
    refusal(
        "16",
        "COUPON_REPEATED",
        series={"max_redemptions_per_coupon": "unlimited"},
        earlier=(perfect(),),
    ),
    refusal("17 single use", "LIMIT_REACHED", earlier=(perfect(customer=OTHER),)),
    refusal(
        "17 two uses",
        "LIMIT_REACHED",
        series={"max_redemptions_per_coupon": 2, "same_customer_may_repeat": True},
        earlier=(perfect(), perfect()),
    ),
    refusal(
        "18",
        "COUPON_TOO_SOON",
        series={**UNLIMITED, "min_days_between_redemptions": 1},
        earlier=(perfect(),),
    ),
    refusal(
        "19 customer",
        "LIMIT_REACHED",
        series={**UNLIMITED, "max_redemptions_per_customer": 1},
        earlier=(perfect(code="COUPON2"),),
    ),
    refusal(
        "19 series",
        "LIMIT_REACHED",
        series={**UNLIMITED, "max_redemptions": 1},
        earlier=(perfect(code="COUPON2", customer=OTHER),),
    ),
]


@pytest.mark.provokes(
    "CODE_REQUIRED",
    "AMOUNT_INVALID",
    "CUSTOMER_REQUIRED",
    "CUSTOMER_NOT_FOUND",
    "CUSTOMER_FRAUD",
    "CUSTOMER_BLOCKED",
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
    "VALIDATION_CODE_REQUIRED",
    "VALIDATION_CODE_WRONG",
    "AMOUNT_OUT_OF_RANGE",
    "LIMIT_REACHED",
    "COUPON_TOO_SOON",
)
@pytest.mark.parametrize(("situation", "expected"), REFUSALS)
async def test_each_row_refuses_by_itself(
    one_desk: Desk, situation: Situation, expected: str
) -> None:
    assert reason(await last_result(one_desk, situation)) == expected


def grant(name: str, **fields: Any) -> Any:
    return pytest.param(Situation(**fields), id=name)


GRANTS = [
    grant("nothing asked for", use={"amount": "", "transaction_number": "", "validation_code": ""}),
    grant("an amount of zero", use={"amount": "0"}),
    grant("the code in another case", use={"code": " coupon1 "}),
    grant("the last millisecond", series={"valid_until": A_MILLISECOND_LATER}),
    grant("the last millisecond of the coupon", coupon={"valid_until": A_MILLISECOND_LATER}),
    grant("the first instant", series={"valid_from": NOW}),
    grant(
        "the first day after issue",
        series={"redeemable_after_days": 1},
        coupon={"issued_at": "2026-03-03T23:59:59.999Z"},
    ),
    grant("no day of issue", series={"redeemable_after_days": 36_500}),
    grant(
        "a day and hour of the list",
        series={
            "redeemable_days_of_week": ["WED"],
            "redeemable_days_of_month": [4],
            "redeemable_hours": [5],
        },
    ),
    grant(
        "the customer it was issued to",
        series={"any_user": False},
        coupon={"customer": catalogs.CUSTOMER},
    ),
    grant("another's coupon for any user", coupon={"customer": catalogs.OTHER_CUSTOMER}),
    grant("a till of the list", series={"tills": ["till-2", "till-1"]}),
    grant("both ends of the range", series={"min_amount": "100", "max_amount": "100.00"}),
    grant("the right validation code", series={"validation_required": True}),
    grant("a wrong validation code where none is needed", use={"validation_code": "wrong"}),
    grant(
        "the second of two uses",
        series={"max_redemptions_per_coupon": 2},
        earlier=(perfect(customer=OTHER),),
    ),
    grant("a repeat where it is allowed", series=UNLIMITED, earlier=(perfect(),)),
    grant(
        "another customer within the gap",
        series={**UNLIMITED, "min_days_between_redemptions": 1},
        earlier=(perfect(customer=OTHER),),
    ),
]


@pytest.mark.parametrize("situation", GRANTS)
async def test_a_coupon_on_the_right_side_of_the_boundary_is_redeemed(
    one_desk: Desk, situation: Situation
) -> None:
    assert reason(await last_result(one_desk, situation)) == GRANTED
