"""What the tests of `ReverseRedemption` share: two organisations, redemptions, and reversals."""

import uuid
from pathlib import Path
from typing import Any

from redemption.v1 import (
    coupon_redemption_pb2,
    coupon_redemption_service_pb2,
    outcome_service_pb2,
    reversal_service_pb2,
)
from redemption.v1.outcome_service_pb2_grpc import OutcomeServiceStub

from tests.support import catalogs
from tests.support.catalogs import CUSTOMER, OTHER_KEY, OTHER_ORG, OTHER_SECRET
from tests.support.service import Service, basic

Request = reversal_service_pb2.ReverseRedemptionRequest
Ids = reversal_service_pb2.CouponRedemptionIds
THEIRS = (("authorization", basic(OTHER_KEY, OTHER_SECRET)),)
READER = (("authorization", basic("reader", "reader")),)
LIMITS = {"redemptions_total": 3, "redemptions_per_customer": 3, "discount_total": "1000"}


def write_catalog(folder: Path) -> Path:
    """Two organisations with the same promotions and coupons; the first has who only reads."""
    reader = {"key": "reader", "secret": "reader"}
    reader |= {"access": {"customer": "read", "default": True, "admin": True}}  # type: ignore[dict-item]
    theirs = {**catalogs.CREDENTIAL, "key": OTHER_KEY, "secret": OTHER_SECRET}
    stock: dict[str, Any] = {
        "promotions": [
            catalogs.promotion(limits=LIMITS, codes=[{"id": "c1", "code": "CODE"}]),
            catalogs.promotion("kept", reversal_policies=[{"reason": "CANCEL"}]),
        ],
        "coupon_series": [catalogs.series(coupons=[{"code": f"C{number}"} for number in range(4)])],
    }
    return catalogs.write(
        folder,
        catalogs.organization(credentials=[catalogs.CREDENTIAL, reader], **stock),
        catalogs.organization(id=OTHER_ORG, credentials=[theirs], **stock),
    )


def reversal(transaction: str | None = None, /, *coupons: int, **changes: Any) -> Any:
    """A request that cancels under a request id of its own; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "transaction_identifier": transaction,
        "coupon_redemptions": Ids(redemption_ids=coupons) if coupons else None,
        "reason": "REVERSAL_REASON_CANCEL",
        "request_id": uuid.uuid4().hex,
        **changes,
    }
    return Request(**fields)


def reverse(service: Service, message: Any, metadata: Any = None) -> Any:
    return service.reversals.ReverseRedemption(message, metadata=metadata or service.metadata)


async def redeem_coupons(service: Service, *codes: str, metadata: Any = None) -> list[int]:
    """Ids of the redemptions of coupons that must all be redeemed."""
    customer = {"customer_id": CUSTOMER}
    uses = [coupon_redemption_pb2.CouponUse(code=code, customer=customer) for code in codes]
    message = coupon_redemption_service_pb2.RedeemCouponsRequest(coupons=uses)
    answer = await service.coupons.RedeemCoupons(message, metadata=metadata or service.metadata)
    assert [result.WhichOneof("outcome") for result in answer.results] == ["redemption"] * len(
        codes
    )
    return [result.redemption.redemption_id for result in answer.results]


def outcome(service: Service, request_id: str, metadata: Any = None) -> Any:
    """What became of a reversal."""
    stub: Any = OutcomeServiceStub(service.channel)  # type: ignore[no-untyped-call]
    message = outcome_service_pb2.GetOutcomeRequest(reversal_request_id=request_id)
    return stub.GetOutcome(message, metadata=metadata or service.metadata)
