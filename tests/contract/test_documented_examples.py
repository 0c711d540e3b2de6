"""The examples of the reference documents, byte for byte, through the gateway.

Values, the rendering of numbers and the order of keys are exact; only generated values differ.
Three of the files show what no single request gives; they are encoded from messages made by hand.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from google.type.decimal_pb2 import Decimal
from redemption.v1 import (
    coupon_redemption_pb2,
    coupon_redemption_service_pb2,
    promotion_redemption_pb2,
    promotion_redemption_service_pb2,
)
from redemption_gateway.errors import status_answer
from redemption_gateway.http import HttpRequest
from redemption_gateway.list_promotion_redemptions import ListPromotionRedemptionsSurface
from redemption_gateway.redeem_coupons import RedeemCouponsSurface
from redemption_gateway.redeem_promotions import RedeemPromotionsSurface

from tests.support.service import COUPONS, REDEMPTIONS, Service

EXAMPLES = Path(__file__).parent / "examples"
GENERATED = {"id", "redemption_id", "timestamp"}


class Number(NamedTuple):
    """A JSON number as it is written."""

    text: str


def example(name: str) -> bytes:
    return (EXAMPLES / name).read_bytes()


def exact(text: str | bytes) -> Any:
    """JSON with objects as tuples of pairs and numbers as text: equal only if written alike."""
    return json.loads(text, object_pairs_hook=tuple, parse_int=Number, parse_float=Number)


def known(value: Any) -> Any:
    """The value with what is generated blanked out."""
    if isinstance(value, Number):
        return value
    if isinstance(value, tuple):
        return tuple((k, "generated" if k in GENERATED else known(v)) for k, v in value)
    return [known(item) for item in value] if isinstance(value, list) else value


def assert_written_alike(found: str | bytes, documented: str | bytes) -> None:
    assert known(exact(found)) == known(exact(documented))


def reason_details(reason: str, **metadata: str) -> Any:
    return error_details_pb2.ErrorInfo(reason=reason, domain="redemption.v1", metadata=metadata)


async def test_the_documented_promotion_request_gives_the_documented_answer(
    demo_service: Service,
) -> None:
    request = example("promotions-redeem.request.json")
    response = await demo_service.post(REDEMPTIONS, request)
    assert response.status_code == 200
    assert exact(response.text) == exact(example("promotions-redeem.response.json"))


async def test_the_documented_promotion_request_sent_again_is_replayed(
    demo_service: Service,
) -> None:
    request = example("promotions-redeem.request.json")
    first = await demo_service.post(REDEMPTIONS, request)
    again = await demo_service.post(REDEMPTIONS, request)
    assert again.content == first.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_the_documented_coupon_request_with_its_comments_gives_the_documented_answer(
    demo_service: Service,
) -> None:
    response = await demo_service.post(COUPONS, example("coupon-redeem.request.jsonc"))
    assert response.status_code == 200
    assert_written_alike(response.text, example("coupon-redeem.response.json"))
    redemption_id = response.json()["response"]["coupons"]["coupon"]["redemption_id"]
    assert isinstance(redemption_id, str)
    assert redemption_id.isdigit()


async def test_a_redemption_of_the_demo_code_is_looked_up_as_the_documented_cart_record(
    demo_service: Service,
) -> None:
    record = json.loads(example("promotions-lookup.response.json"))["data"][0]
    redemption = {
        "customerId": record["customerId"],
        "transactionIdentifier": record["transactionIdentifier"],
        "transactionNumber": record["transactionNumber"],
        "transactionDate": record["redemptionDate"],
        "amount": 1000,
        "cartEvaluationId": record["cartEvaluationId"],
        "redemptions": [
            {
                "promotionId": record["promotionId"],
                "redemptionCount": 1,
                "discount": 100,
                "discountAppliedOnQuantity": 1,
                "promotionAppliedOnQuantity": 1,
            }
        ],
    }
    assert (await demo_service.post(REDEMPTIONS, redemption)).status_code == 200
    query = "?codes=UQ38T&mode=DISCOUNT&includeRedemptions=true"
    response = await demo_service.http.get(REDEMPTIONS + query)
    assert response.status_code == 200
    documented = json.dumps({"data": [record], "errors": []})
    assert_written_alike(response.text, documented)


def test_records_are_encoded_as_the_documented_lookup() -> None:
    surface = ListPromotionRedemptionsSurface(ZoneInfo("UTC"))
    query = [("codes", "UQ38T,SEPT01"), ("mode", "DISCOUNT"), ("includeRedemptions", "true")]
    context = surface.decode(HttpRequest(REDEMPTIONS, {}, query, b"")).context
    cart = promotion_redemption_pb2.PromotionRedemption(
        id="69145b5cd39e256f754a9309",
        org_id=100737,
        promotion_id="6914232679e37261fe5d4ef3",
        promo_code="UQ38T",
        customer_id=566881933,
        redemption_date=Timestamp(seconds=1762991906),
        transaction_identifier="893409463",
        transaction_number="nusmbers-erfWDse3sst7ss-5176417625s0600sw0",
        promotion_name="Jo_voucher_test",
        transaction_entity_identifier="REGULAR_b_893409463",
        cart_evaluation_id="691457fa79e37261fe5d51b7",
        redemption_till=75197941,
        discount=Decimal(value="100"),
        redemption_count=1,
        amount=Decimal(value="1000"),
        redemption_type=promotion_redemption_pb2.REDEMPTION_TYPE_CART,
    )
    line = promotion_redemption_pb2.PromotionRedemption(
        id="68b54abc7880ba5aa7cf56ee",
        org_id=100737,
        promotion_id="68b5401db51b7777eca02900",
        earned_promotion_id="67e63559e1c34e7d8e9348aa",
        customer_id=-1,
        redemption_date=Timestamp(seconds=1756720800),
        transaction_identifier="890697432",
        transaction_number="txn-31",
        promotion_name="SeptemberPromo",
        promotion_message_label="",
        transaction_entity_identifier="REGULAR_l_4028300239",
        redemption_till=75152721,
        discount=Decimal(value="500"),
        redemption_count=1,
        amount=Decimal(value="500"),
        sku="Sku#Fuel",
        product_id=501241333,
        discount_applied_quantity=Decimal(value="1"),
        promotion_applied_quantity=Decimal(value="1"),
        redemption_type=promotion_redemption_pb2.REDEMPTION_TYPE_LINEITEM,
    )
    response = promotion_redemption_service_pb2.ListPromotionRedemptionsResponse(
        redemptions=[cart, line]
    )
    answer = surface.encode(response, context)
    assert answer.status == 200
    assert exact(orjson.dumps(answer.body)) == exact(example("promotions-lookup.response.json"))


@pytest.mark.provokes("LIMIT_REACHED")
def test_a_failed_coupon_is_encoded_as_the_documented_failure() -> None:
    surface = RedeemCouponsSurface()
    sent = b'{"root":{"coupon":[{"code":"19IV52PS"}]}}'
    context = surface.decode(HttpRequest(COUPONS, {}, [], sent)).context
    status = Status(code=9, message="Limit per coupon reached")
    status.details.add().Pack(reason_details("LIMIT_REACHED", scope="coupon", limit="3", used="3"))
    result = coupon_redemption_pb2.CouponResult(
        code="19IV52PS",
        customer=coupon_redemption_pb2.CouponCustomer(
            mobile="919845807500",
            email="customer@example.com",
            external_id="246852",
            customer_id=77,
        ),
        customer_found=True,
        transaction=coupon_redemption_pb2.CouponTransaction(
            number="bill-110", amount=Decimal(value="1000")
        ),
        error=status,
    )
    response = coupon_redemption_service_pb2.RedeemCouponsResponse(results=[result])
    answer = surface.encode(response, context)
    assert answer.status == 200
    assert exact(orjson.dumps(answer.body)) == exact(example("coupon-redeem.failure.json"))


@pytest.mark.provokes("CUSTOMER_REQUIRED")
def test_a_missing_customer_is_encoded_as_the_documented_error() -> None:
    surface = RedeemPromotionsSurface(ZoneInfo("UTC"))
    status = Status(code=3, message="customer_id is required")
    status.details.add().Pack(reason_details("CUSTOMER_REQUIRED"))
    violation = error_details_pb2.BadRequest.FieldViolation(
        field="customer_id", description="is required", reason="CUSTOMER_REQUIRED"
    )
    status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    answer = status_answer("A", status, surface.json_name, 1746166870695)
    assert answer.status == 400
    assert exact(orjson.dumps(answer.body)) == exact(example("promotions-redeem.error-400.json"))
