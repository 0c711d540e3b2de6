"""Encodes a coupon with its state."""

from datetime import datetime

from redemption.v1 import coupon_service_pb2

from redemption_server.rpc.encode_coupons import encode_redemption
from redemption_server.rpc.encode_reversals import encode_reversal
from redemption_server.rpc.encode_values import timestamp
from redemption_server.rules.outcomes import RecordedCoupon
from redemption_server.storage.coupons import CouponDetails
from redemption_server.storage.feed_events import FoundCouponRedemption

_pb = coupon_service_pb2


def encode_coupon_details(details: CouponDetails, now: datetime) -> _pb.GetCouponResponse:
    """A coupon as it stands now."""
    return _pb.GetCouponResponse(
        coupon=details.message,
        series_id=details.series.id,
        state=_state(details, now),
        redemption_count=details.used,
        redemption_limit=details.series.max_redemptions_per_coupon or 0,
        usages=[_encode_usage(found) for found in details.redemptions],
        read_at=timestamp(now),
    )


def _state(details: CouponDetails, now: datetime) -> _pb.CouponState:
    coupon, series = details.coupon, details.series
    per_coupon, in_all = series.max_redemptions_per_coupon, series.max_redemptions
    ends = [end for end in (series.valid_until, coupon.valid_until) if end]
    states = (
        (coupon.revoked, _pb.COUPON_STATE_REVOKED),
        (any(now >= end for end in ends), _pb.COUPON_STATE_EXPIRED),
        (per_coupon is not None and details.used >= per_coupon, _pb.COUPON_STATE_USED_UP),
        (in_all is not None and details.series_used >= in_all, _pb.COUPON_STATE_SERIES_USED_UP),
        (series.valid_from and now < series.valid_from, _pb.COUPON_STATE_NOT_STARTED),
        (coupon.customer_id is None and not series.any_user, _pb.COUPON_STATE_NOT_ISSUED),
    )
    return next((state for holds, state in states if holds), _pb.COUPON_STATE_REDEEMABLE)


def _encode_usage(found: FoundCouponRedemption) -> _pb.CouponUsage:
    redemption = RecordedCoupon(
        redemption_id=found.redemption_id,
        discount_code=found.discount_code,
        series_id=found.series_id,
        discount_type=found.discount_type,
        discount_value=found.discount_value,
        discount_up_to=found.discount_up_to,
        redeemed_at=found.redeemed_at,
    )
    usage = _pb.CouponUsage(
        redemption=encode_redemption(redemption),
        customer_id=found.customer_id,
        transaction_number=found.transaction_number,
    )
    if found.reversal:
        usage.reversal.CopyFrom(encode_reversal(*found.reversal))
    return usage
