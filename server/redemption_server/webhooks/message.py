"""What a webhook is sent: a CloudEvents 1.0 event in JSON, structured mode."""

from typing import Any

import orjson

from redemption_server.rules.decimals import format_micros
from redemption_server.storage.feed_events import FoundCouponRedemption, FoundEvent
from redemption_server.storage.lookups import FoundRedemption
from redemption_server.storage.records import EventKind

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
_TYPES = {
    EventKind.PROMOTION_REDEEMED: "PromotionRedeemed",
    EventKind.COUPON_REDEEMED: "CouponRedeemed",
    EventKind.COUPON_REDEEMED_AMONG_OTHERS: "CouponRedeemed",
    EventKind.PROMOTION_REVERSED: "PromotionReversed",
    EventKind.COUPON_REVERSED: "CouponReversed",
}


def message_id(org_id: int, sequence: int) -> str:
    """The same each time the event is sent, so that receivers can tell a repeat."""
    return f"{org_id}-{sequence}"


def message_body(org_id: int, event: FoundEvent) -> bytes:
    """The event as JSON."""
    found = event.redemption
    coupon = isinstance(found, FoundCouponRedemption)
    data = _coupon(found) if isinstance(found, FoundCouponRedemption) else _promotion(found)
    data["orgId"] = org_id
    if found.reversal:
        data["reversal"] = {
            "id": found.reversal.id,
            "reason": found.reversal.reason.name,
            "reversedAt": found.reversal.reversed_at.isoformat(),
        }
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": message_id(org_id, event.sequence),
            "source": f"/organizations/{org_id}",
            "type": f"redemption.v1.{_TYPES[event.kind]}",
            "subject": f"{'coupon' if coupon else 'promotion'}Redemptions/{_id(found)}",
            "time": event.recorded_at.isoformat(),
            "datacontenttype": "application/json",
            # Extension of CloudEvents: the number of the event in its organisation.
            "sequence": str(event.sequence),
            "data": data,
        }
    )


def _id(found: FoundRedemption | FoundCouponRedemption) -> str:
    return str(found.redemption_id) if isinstance(found, FoundCouponRedemption) else found.id


def _promotion(found: FoundRedemption) -> dict[str, Any]:
    return {
        "id": found.id,
        "promotionId": found.promotion_id,
        "promotionName": found.promotion_name,
        "promoCode": found.promo_code,
        "earnedPromotionId": found.earned_promotion_id,
        "customerId": found.customer_id,
        "transactionIdentifier": found.transaction_identifier,
        "transactionNumber": found.transaction_number,
        "transactionDate": found.transaction_date.isoformat(),
        "redemptionCount": found.redemption_count,
        "discount": format_micros(found.discount),
        "redemptionTill": found.till_id,
    }


def _coupon(found: FoundCouponRedemption) -> dict[str, Any]:
    return {
        # As text: JavaScript cannot hold all integers of 63 bits.
        "redemptionId": str(found.redemption_id),
        "code": found.code,
        "seriesId": found.series_id,
        "customerId": found.customer_id,
        "discountCode": found.discount_code,
        "discountType": found.discount_type.value,
        "discountValue": format_micros(found.discount_value),
        "transactionNumber": found.transaction_number,
        "amount": None if found.amount is None else format_micros(found.amount),
        "redeemedAt": found.redeemed_at.isoformat(),
        "redemptionTill": found.till_id,
    }
