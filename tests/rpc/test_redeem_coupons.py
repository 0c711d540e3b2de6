"""`RedeemCoupons` over real gRPC: what the result of a coupon looks like."""

import time

import grpc
import pytest
from google.rpc import error_details_pb2
from google.type.decimal_pb2 import Decimal
from redemption.v1 import coupon_redemption_pb2 as messages

from tests.rpc.coupon_calls import ME_AS_KNOWN, a_use, redeem
from tests.support import catalogs
from tests.support.service import FINAL, Service, error_info


async def test_a_redeemed_coupon_is_answered_whole(service: Service) -> None:
    transaction = messages.CouponTransaction(number="bill-1", amount=Decimal(value="100.50"))
    begun = time.time()
    response = await redeem(service, a_use("coupon1", transaction=transaction))
    (result,) = response.results
    assert not response.replayed
    redemption = result.redemption
    assert result == messages.CouponResult(
        code="coupon1",
        customer=ME_AS_KNOWN,
        customer_found=True,
        transaction=transaction,
        redemption=messages.CouponRedemption(
            redemption_id=redemption.redemption_id,
            discount_code="NO_VALUE",
            series_id=1,
            discount_type=messages.DISCOUNT_TYPE_ABS,
            discount_value=Decimal(value="50"),
            redeemed_at=redemption.redeemed_at,
        ),
    )
    assert 0 < redemption.redemption_id < 2**63
    assert begun - 1 <= redemption.redeemed_at.seconds <= time.time()
    assert redemption.redeemed_at.nanos % 1_000_000 == 0


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_results_stand_in_request_order_each_with_one_outcome(service: Service) -> None:
    uses = a_use("X"), a_use(), a_use("Y")
    response = await redeem(service, *uses)
    assert [result.code for result in response.results] == ["X", "COUPON1", "Y"]
    outcomes = [result.WhichOneof("outcome") for result in response.results]
    assert outcomes == ["error", "redemption", "error"]


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_a_refused_coupon_carries_one_error_info_with_its_variables(
    service: Service,
) -> None:
    response = await redeem(service, a_use("Gone"))
    error = response.results[0].error
    assert error.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert len(error.details) == 1
    assert error_info(error) == error_details_pb2.ErrorInfo(
        reason="CODE_NOT_FOUND", domain="redemption.v1", metadata={"code": "Gone", **FINAL}
    )
    assert "Gone" in error.message


@pytest.mark.provokes("LIMIT_REACHED")
async def test_a_limit_that_is_reached_names_its_numbers(service: Service) -> None:
    await redeem(service, a_use())
    other = messages.CouponCustomer(customer_id=catalogs.OTHER_CUSTOMER)
    response = await redeem(service, a_use(customer=other))
    error = response.results[0].error
    assert error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    info = error_info(error)
    assert info.reason == "LIMIT_REACHED"
    assert dict(info.metadata) == {
        "scope": "coupon",
        "series_id": "1",
        "limit": "1",
        "used": "1",
        "requested": "1",
        "resets": "never",
        **FINAL,
    }


@pytest.mark.provokes("CUSTOMER_NOT_FOUND", "CUSTOMER_REQUIRED")
@pytest.mark.parametrize(
    ("sent", "reason", "code"),
    [
        pytest.param(
            messages.CouponCustomer(mobile="9888888888", email="No@example.com"),
            "CUSTOMER_NOT_FOUND",
            grpc.StatusCode.NOT_FOUND,
            id="not found",
        ),
        pytest.param(
            messages.CouponCustomer(),
            "CUSTOMER_REQUIRED",
            grpc.StatusCode.INVALID_ARGUMENT,
            id="not given",
        ),
    ],
)
async def test_an_unknown_customer_is_shown_as_sent(
    service: Service, sent: messages.CouponCustomer, reason: str, code: grpc.StatusCode
) -> None:
    (result,) = (await redeem(service, a_use(customer=sent))).results
    assert (result.customer, result.customer_found) == (sent, False)
    assert (error_info(result.error).reason, result.error.code) == (reason, code.value[0])


@pytest.mark.provokes("CODE_REQUIRED")
async def test_the_customer_of_a_refused_coupon_is_shown_as_known(service: Service) -> None:
    (result,) = (await redeem(service, a_use("", customer=ME_AS_KNOWN))).results
    assert error_info(result.error).reason == "CODE_REQUIRED"
    assert (result.customer, result.customer_found) == (ME_AS_KNOWN, True)


@pytest.mark.provokes("AMOUNT_INVALID")
async def test_a_malformed_amount_fails_its_coupon_and_comes_back_as_sent(service: Service) -> None:
    transaction = messages.CouponTransaction(amount=Decimal(value="ten"))
    (result,) = (await redeem(service, a_use(transaction=transaction))).results
    assert error_info(result.error).reason == "AMOUNT_INVALID"
    assert result.transaction.amount.value == "ten"
