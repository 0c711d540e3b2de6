"""Callers over gRPC that keep a number of calls in flight and remember every answer."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal
from redemption.v1 import promotion_redemption_pb2, promotion_redemption_service_pb2
from redemption.v1.promotion_redemption_service_pb2_grpc import PromotionRedemptionServiceStub

from tests.support import catalogs
from tests.support.service import basic, error_info, status_of

METADATA = (("authorization", basic()),)


def redeem_request(
    transaction_identifier: str, **changes: Any
) -> promotion_redemption_service_pb2.RedeemPromotionsRequest:
    """A request for one use of promotion p1; `changes` replace its fields."""
    one = Decimal(value="1")
    use = promotion_redemption_pb2.PromotionUse(
        promotion_id="p1",
        redemption_count=1,
        discount=Decimal(value="10"),
        discount_applied_on_quantity=one,
        promotion_applied_on_quantity=one,
    )
    fields: dict[str, Any] = {
        "customer_id": catalogs.CUSTOMER,
        "transaction_identifier": transaction_identifier,
        "transaction_number": "bill-1",
        "transaction_date": Timestamp(seconds=1_743_521_508),
        "amount": Decimal(value="100"),
        "redemptions": [use],
        **changes,
    }
    return promotion_redemption_service_pb2.RedeemPromotionsRequest(**fields)


def redeem_body(transaction_identifier: str) -> dict[str, Any]:
    """The same as `redeem_request` as JSON of the documented path."""
    return {
        "customerId": catalogs.CUSTOMER,
        "transactionIdentifier": transaction_identifier,
        "transactionNumber": "bill-1",
        "transactionDate": 1743521508000,
        "amount": 100,
        "redemptions": [
            {
                "promotionId": "p1",
                "redemptionCount": 1,
                "discount": 10,
                "discountAppliedOnQuantity": 1,
                "promotionAppliedOnQuantity": 1,
            }
        ],
    }


@dataclass
class Answers:
    """What became of each transaction identifier that was sent."""

    granted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, grpc.StatusCode] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.granted) + len(self.refused) + len(self.unanswered)


async def keep_in_flight(
    port: int, callers: int, more: Callable[[int], bool], prefix: str = "t"
) -> Answers:
    """`callers` callers send one request after the other while `more(number sent)` says so."""
    answers = Answers()
    numbers = itertools.count()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = PromotionRedemptionServiceStub(channel)  # type: ignore[no-untyped-call]

        async def caller() -> None:
            while more(number := next(numbers)):
                identifier = f"{prefix}-{number}"
                try:
                    await stub.RedeemPromotions(redeem_request(identifier), metadata=METADATA)
                except grpc.aio.AioRpcError as error:
                    if _is_answer(error):
                        answers.refused[identifier] = error_info(status_of(error)).reason
                    else:
                        answers.unanswered[identifier] = error.code()
                        return
                else:
                    answers.granted.append(identifier)

        await asyncio.gather(*(caller() for _ in range(callers)))
    return answers


def for_seconds(seconds: float) -> Callable[[int], bool]:
    """Says "more" until the time is over."""
    end = time.monotonic() + seconds
    return lambda _: time.monotonic() < end


def _is_answer(error: grpc.aio.AioRpcError) -> bool:
    """Whether the service itself answered, rather than the transport giving up."""
    return any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ())
