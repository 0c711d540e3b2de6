"""Whose coupon it is: by which identifier a customer is found, and what is said of them."""

from typing import Any

import pytest
from redemption_server.rules.commands import CouponCustomer

from tests.rules.coupon_desk import GRANTED, apply_series, reason, refused, results_of
from tests.support import catalogs
from tests.support.desk import CALLER, Desk, coupon

KNOWN = {"card_number": "C1", "card_external_id": "X1"}
AS_KNOWN = CouponCustomer("919999988881", "One@example.com", "E1", catalogs.CUSTOMER, "C1", "X1")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(CouponCustomer(customer_id=catalogs.CUSTOMER), id="id"),
        pytest.param(CouponCustomer(mobile="919999988881"), id="mobile"),
        pytest.param(CouponCustomer(mobile="+91 99999-88881"), id="written mobile"),
        pytest.param(CouponCustomer(mobile="9999988881"), id="mobile without country code"),
        pytest.param(CouponCustomer(email="oNE@example.COM"), id="e-mail in another case"),
        pytest.param(CouponCustomer(external_id="E1"), id="external id"),
        pytest.param(CouponCustomer(card_number="C1"), id="card number"),
        pytest.param(CouponCustomer(card_external_id="X1"), id="external id of the card"),
    ],
)
async def test_a_customer_is_found_by_each_identifier_and_shown_as_known(
    one_desk: Desk, sent: CouponCustomer
) -> None:
    await apply_series(one_desk, {}, customer=KNOWN)
    (result,) = results_of(await one_desk.redeem_coupons(coupon(customer=sent)))
    assert (reason(result), result.customer_found, result.customer) == (GRANTED, True, AS_KNOWN)
    assert await one_desk.rows("SELECT customer_id FROM coupon_redemption") == [
        (catalogs.CUSTOMER,)
    ]


@pytest.mark.provokes("CUSTOMER_NOT_FOUND")
async def test_the_first_identifier_counts_alone(one_desk: Desk) -> None:
    await apply_series(one_desk, {}, customer=KNOWN)
    ordered = CouponCustomer("918888877777", "no@example.com", "no", 999, "no", "no")
    for known, right in (
        ("customer_id", catalogs.CUSTOMER),
        ("mobile", "919999988881"),
        ("email", "one@example.com"),
        ("external_id", "E1"),
        ("card_number", "C1"),
        ("card_external_id", "X1"),
    ):
        # All identifiers before it are gone; those after it name nobody.
        given: dict[str, Any] = {known: right}
        sent = ordered._replace(**given)
        result = results_of(await one_desk.redeem_coupons(coupon("UNKNOWN", customer=sent)))[0]
        assert result.customer == AS_KNOWN, known
        assert await refused(one_desk, coupon(customer=ordered)) == ["CUSTOMER_NOT_FOUND"], known
        absent: dict[str, Any] = {known: 0 if known == "customer_id" else ""}
        ordered = ordered._replace(**absent)


@pytest.mark.provokes("CUSTOMER_NOT_FOUND")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(CouponCustomer(mobile="no number"), id="no mobile number"),
        pytest.param(CouponCustomer(mobile="12"), id="too short a mobile number"),
        pytest.param(CouponCustomer(external_id="e1"), id="external id in another case"),
        pytest.param(CouponCustomer(customer_id=-1), id="the anonymous customer"),
        pytest.param(CouponCustomer(customer_id=2**63 - 1), id="the largest id"),
    ],
)
async def test_who_is_not_found_is_shown_as_sent(one_desk: Desk, sent: CouponCustomer) -> None:
    await apply_series(one_desk, {})
    assert await refused(one_desk, coupon(customer=sent)) == ["CUSTOMER_NOT_FOUND"]
    (result,) = results_of(await one_desk.redeem_coupons(coupon(customer=sent)))
    assert (result.customer_found, result.customer) == (False, sent)


@pytest.mark.provokes("CUSTOMER_NOT_FOUND", "CODE_NOT_FOUND")
async def test_customers_and_coupons_are_those_of_the_callers_organisation(one_desk: Desk) -> None:
    await apply_series(one_desk, {})
    await apply_series(
        one_desk,
        {"coupons": [{"code": "THEIRS"}]},
        id=catalogs.OTHER_ORG,
        customers=[
            {"id": 601, "mobile": "919999988881"},
            {"id": 602},
        ],
    )
    theirs = CouponCustomer(customer_id=601)
    assert await refused(one_desk, coupon(customer=theirs)) == ["CUSTOMER_NOT_FOUND"]
    assert await refused(one_desk, coupon("THEIRS")) == ["CODE_NOT_FOUND"]
    there = CALLER._replace(org_id=catalogs.OTHER_ORG)
    use = coupon("THEIRS", customer=CouponCustomer(mobile="9999988881"))
    (result,) = results_of(await one_desk.redeem_coupons(use, caller=there))
    assert (reason(result), result.customer.customer_id) == (GRANTED, 601)
