"""What the tests of the promotion RPCs share: a request that is granted, and calls that fail."""

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from redemption.v1 import promotion_redemption_pb2, promotion_redemption_service_pb2

from tests.support.service import Service, detail, error_info, status_of

Request = promotion_redemption_service_pb2.RedeemPromotionsRequest
ListRequest = promotion_redemption_service_pb2.ListPromotionRedemptionsRequest
Use = promotion_redemption_pb2.PromotionUse

DISCOUNT = promotion_redemption_pb2.PROMOTION_MODE_DISCOUNT
VOUCHER = promotion_redemption_pb2.PROMOTION_MODE_PAYMENT_VOUCHER


def use(**changes: Any) -> Any:
    """A use of p1; `changes` replace its fields, None leaves one out."""
    fields = {
        "promotion_id": "p1",
        "redemption_count": 1,
        "discount": {"value": "10"},
        "discount_applied_on_quantity": {"value": "1"},
        "promotion_applied_on_quantity": {"value": "1"},
        **changes,
    }
    return Use(**fields)


def request(**changes: Any) -> Any:
    """A request that is granted; `changes` replace its fields, None leaves one out."""
    fields = {
        "customer_id": 501,
        "transaction_identifier": "t1",
        "transaction_number": "bill-1",
        "transaction_date": {"seconds": 1_700_000_000},
        "amount": {"value": "100"},
        "redemptions": [use()],
        **changes,
    }
    return Request(**fields)


async def redeem(service: Service, message: Any) -> Any:
    return await service.promotions.RedeemPromotions(message, metadata=service.metadata)


async def look_up(service: Service, **fields: Any) -> Any:
    """The page that a lookup returns; with records unless told otherwise."""
    fields = {"mode": DISCOUNT, "include_redemptions": True, **fields}
    message = ListRequest(**fields)
    return await service.promotions.ListPromotionRedemptions(message, metadata=service.metadata)


async def failure(call: Any) -> Status:
    """The status that a call fails with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return status_of(caught.value)


def reason(status: Status) -> str:
    return str(error_info(status).reason)


def fields(status: Status) -> list[str]:
    """The fields that a `BadRequest` lists, in its order."""
    violations = detail(status, error_details_pb2.BadRequest).field_violations
    return [violation.field for violation in violations]
