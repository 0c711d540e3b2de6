"""Something of everything that the feed tells of, and the events that it must tell."""

from datetime import timedelta
from typing import Any

from redemption.v1 import coupon_redemption_pb2, feed_service_pb2, reversal_pb2
from redemption.v1.feed_service_pb2 import (
    FEED_EVENT_TYPE_COUPON_REDEEMED,
    FEED_EVENT_TYPE_COUPON_REVERSED,
    FEED_EVENT_TYPE_PROMOTION_REDEEMED,
    FEED_EVENT_TYPE_PROMOTION_REVERSED,
    CouponRedemptionRecord,
    FeedEvent,
)
from redemption.v1.reversal_service_pb2 import ReverseRedemptionRequest
from redemption.v1.reversal_service_pb2_grpc import ReversalServiceStub

from tests.rpc.coupon_calls import a_use
from tests.rpc.coupon_calls import redeem as redeem_coupons
from tests.rpc.promotion_calls import VOUCHER, look_up, redeem, request, use
from tests.support import catalogs
from tests.support.clock import FakeClock
from tests.support.service import Service

OTHER = coupon_redemption_pb2.CouponCustomer(customer_id=catalogs.OTHER_CUSTOMER)
_CODES = [{"id": "c1", "code": "Alpha"}, {"id": "c2", "code": "Beta"}]
_PERCENT = {"discount_type": "PERC", "discount_value": "12.5", "discount_up_to": "30"}
UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}


def organization(**changes: Any) -> dict[str, Any]:
    """Promotions with codes, one of them a voucher, and coupons of two kinds."""
    return catalogs.organization(
        promotions=[
            catalogs.promotion(message_label="", codes=_CODES),
            catalogs.promotion("p2", mode="PAYMENT_VOUCHER", codes=[{"id": "c9", "code": "Gift"}]),
        ],
        products=[{"id": 77, "sku": "s1"}],
        coupon_series=[
            catalogs.series(1, discount_code="FIFTY", **UNLIMITED),
            catalogs.series(2, **_PERCENT, **UNLIMITED, coupons=[{"code": "Percent"}]),
        ],
        **changes,
    )


def about(event: FeedEvent, **wanted: Any) -> bool:
    """Whether the redemption of an event has the wanted customer, code and promotion."""
    record: Any = event.promotion_redemption
    promotion = record.promotion_id
    code = record.promo_code
    if event.HasField("coupon_redemption"):
        record, promotion, code = event.coupon_redemption, None, event.coupon_redemption.code
    is_ = {"customer": record.customer_id, "code": code, "promotion": promotion}
    return wanted.items() <= is_.items()


async def reverse(service: Service, **fields: Any) -> Any:
    """Reverses redemptions because a sale was cancelled."""
    stub: Any = ReversalServiceStub(service.channel)  # type: ignore[no-untyped-call]
    message = ReverseRedemptionRequest(
        **{"reason": reversal_pb2.REVERSAL_REASON_CANCEL, "request_id": "undo", **fields}
    )
    return await stub.ReverseRedemption(message, metadata=service.metadata)


async def tell(service: Service, clock: FakeClock) -> list[FeedEvent]:
    """Redeems and reverses, each at a moment of its own; returns what must be told of it."""
    line = use(sku="s1", promo_code="ALPHA", redemption_count=3, amount={"value": "7"})
    cart = use(promo_code="beta", discount={"value": "2.50"})
    await redeem(service, request(line_items=[line], redemptions=[cart]))
    clock.advance(timedelta(seconds=1))
    sent = a_use(
        "coupon1",
        transaction={"number": "bill-2", "amount": {"value": "99.50"}},
        custom_fields=[{"name": "shoe size", "value": "42"}, {"name": "empty"}],
    )
    alone = await redeem_coupons(service, sent)
    clock.advance(timedelta(seconds=1))
    of_other = a_use("PERCENT", customer=OTHER)
    among = await redeem_coupons(service, of_other, a_use("unknown"), a_use("COUPON1"))
    clock.advance(timedelta(seconds=1))
    gift = use(promotion_id="p2", promo_code="Gift")
    await redeem(
        service,
        request(
            transaction_identifier="t2", customer_id=catalogs.OTHER_CUSTOMER, redemptions=[gift]
        ),
    )
    clock.advance(timedelta(seconds=1))
    undone_sale = await reverse(service, transaction_identifier="t1", request_id="undo sale")
    clock.advance(timedelta(seconds=1))
    coupon_id = alone.results[0].redemption.redemption_id
    undone_coupon = await reverse(
        service,
        coupon_redemptions={"redemption_ids": [coupon_id]},
        request_id="undo coupon",
        reason=reversal_pb2.REVERSAL_REASON_FRAUD,
    )
    coupons = [
        _coupon_event(
            alone.results[0],
            "COUPON1",
            catalogs.CUSTOMER,
            amount={"value": "99.5"},
            custom_fields=sent.custom_fields,
        ),
        _coupon_event(among.results[0], "Percent", catalogs.OTHER_CUSTOMER),
        _coupon_event(among.results[2], "COUPON1", catalogs.CUSTOMER),
    ]
    sale = await _promotion_events(service, codes=["Alpha", "Beta"])
    voucher = await _promotion_events(service, codes=["Gift"], mode=VOUCHER)
    happened = [
        *sale,
        *coupons,
        *voucher,
        *(
            _reversed(of, FEED_EVENT_TYPE_PROMOTION_REVERSED, one.reversal)
            for of, one in zip(sale, undone_sale.redemptions, strict=True)
        ),
        _reversed(
            coupons[0], FEED_EVENT_TYPE_COUPON_REVERSED, undone_coupon.redemptions[0].reversal
        ),
    ]
    start = clock.now - timedelta(seconds=5)
    seconds = (0, 0, 1, 2, 2, 3, 4, 4, 5)
    for number, (event, second) in enumerate(zip(happened, seconds, strict=True), 1):
        event.sequence = number
        event.recorded_at.FromDatetime(start + timedelta(seconds=second))
    return happened


async def _promotion_events(service: Service, **lookup: Any) -> list[FeedEvent]:
    found = (await look_up(service, **lookup)).redemptions
    events = []
    for record in sorted(found, key=lambda record: record.id):
        told = type(record)()
        told.CopyFrom(record)
        told.ClearField("reversal")
        events.append(FeedEvent(type=FEED_EVENT_TYPE_PROMOTION_REDEEMED, promotion_redemption=told))
    return events


def _coupon_event(result: Any, code: str, customer_id: int, **changes: Any) -> FeedEvent:
    answered = result.redemption
    record = CouponRedemptionRecord(
        redemption_id=answered.redemption_id,
        org_id=catalogs.ORG,
        code=code,
        series_id=answered.series_id,
        customer_id=customer_id,
        discount_code=answered.discount_code,
        discount_type=answered.discount_type,
        discount_value=answered.discount_value,
        discount_up_to=answered.discount_up_to if answered.HasField("discount_up_to") else None,
        transaction_number=result.transaction.number,
        redemption_till=catalogs.TILL,
        redeemed_at=answered.redeemed_at,
        **changes,
    )
    return FeedEvent(type=FEED_EVENT_TYPE_COUPON_REDEEMED, coupon_redemption=record)


def _reversed(of: FeedEvent, kind: feed_service_pb2.FeedEventType, reversal: Any) -> FeedEvent:
    event = FeedEvent()
    event.CopyFrom(of)
    event.type = kind
    event.reversal.CopyFrom(reversal)
    return event
