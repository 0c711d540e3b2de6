"""Encodes events of the feed."""

from redemption.v1 import feed_service_pb2

from redemption_server.rpc.encode_coupons import DISCOUNT_TYPES
from redemption_server.rpc.encode_promotions import encode_redemption
from redemption_server.rpc.encode_reversals import encode_reversal
from redemption_server.rpc.encode_values import decimal, timestamp
from redemption_server.storage.feed_events import FoundCouponRedemption, FoundEvent
from redemption_server.storage.records import EventKind

_TYPES = {
    EventKind.PROMOTION_REDEEMED: feed_service_pb2.FEED_EVENT_TYPE_PROMOTION_REDEEMED,
    EventKind.COUPON_REDEEMED: feed_service_pb2.FEED_EVENT_TYPE_COUPON_REDEEMED,
    EventKind.COUPON_REDEEMED_AMONG_OTHERS: feed_service_pb2.FEED_EVENT_TYPE_COUPON_REDEEMED,
    EventKind.PROMOTION_REVERSED: feed_service_pb2.FEED_EVENT_TYPE_PROMOTION_REVERSED,
    EventKind.COUPON_REVERSED: feed_service_pb2.FEED_EVENT_TYPE_COUPON_REVERSED,
}


def encode_event(org_id: int, event: FoundEvent) -> feed_service_pb2.FeedEvent:
    """An event as watchers get it."""
    found = event.redemption
    encoded = feed_service_pb2.FeedEvent(
        sequence=event.sequence, type=_TYPES[event.kind], recorded_at=timestamp(event.recorded_at)
    )
    if isinstance(found, FoundCouponRedemption):
        encoded.coupon_redemption.CopyFrom(_encode_coupon(org_id, found))
    else:
        bare = found._replace(reversal=None) if found.reversal else found
        encoded.promotion_redemption.CopyFrom(encode_redemption(org_id, bare))
    if found.reversal:
        encoded.reversal.CopyFrom(encode_reversal(*found.reversal))
    return encoded


def _encode_coupon(
    org_id: int, found: FoundCouponRedemption
) -> feed_service_pb2.CouponRedemptionRecord:
    return feed_service_pb2.CouponRedemptionRecord(
        redemption_id=found.redemption_id,
        org_id=org_id,
        code=found.code,
        series_id=found.series_id,
        customer_id=found.customer_id,
        discount_code=found.discount_code,
        discount_type=DISCOUNT_TYPES[found.discount_type],
        discount_value=decimal(found.discount_value),
        discount_up_to=None if found.discount_up_to is None else decimal(found.discount_up_to),
        transaction_number=found.transaction_number,
        amount=None if found.amount is None else decimal(found.amount),
        custom_fields=[{"name": name, "value": value} for name, value in found.custom_fields],
        redemption_till=found.till_id or 0,
        redeemed_at=timestamp(found.redeemed_at),
    )
