"""Rows of coupons and series as messages of the catalog: `catalog_rows` the other way round."""

from typing import Any

import orjson
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal
from redemption.v1 import catalog_pb2, coupon_redemption_pb2
from sqlalchemy import Row

from redemption_server.rules.decimals import format_micros
from redemption_server.rules.facts import DiscountType
from redemption_server.rules.reversal_policy import Returned
from redemption_server.storage.promotion_facts import policies_of

_DISCOUNT_TYPES = {
    DiscountType.ABS: coupon_redemption_pb2.DISCOUNT_TYPE_ABS,
    DiscountType.PERC: coupon_redemption_pb2.DISCOUNT_TYPE_PERC,
}


def coupon_message(row: Row[Any], *, with_validation_code: bool) -> catalog_pb2.Coupon:
    """A row of `coupon`."""
    return catalog_pb2.Coupon(
        code=row.code,
        customer=row.customer_id or 0,
        issued_at=_timestamp(row.issued_at_ms),
        valid_until=_timestamp(row.valid_until_ms),
        validation_code=row.validation_code if with_validation_code else "",
        revoked=row.revoked,
    )


def series_message(row: Row[Any]) -> catalog_pb2.CouponSeries:
    """A row of `coupon_series`. What has no limit says so with 0."""
    return catalog_pb2.CouponSeries(
        id=row.id,
        description=row.description,
        discount_code=row.discount_code,
        discount_type=_DISCOUNT_TYPES[DiscountType(row.discount_type)],
        discount_value=_decimal(row.discount_value_micros),
        discount_up_to=_decimal(row.discount_up_to_micros),
        valid_from=_timestamp(row.valid_from_ms),
        valid_until=_timestamp(row.valid_until_ms),
        any_user=row.any_user,
        validation_required=row.validation_required,
        transaction_number_required=row.transaction_number_required,
        min_amount=_decimal(row.min_amount_micros),
        max_amount=_decimal(row.max_amount_micros),
        max_redemptions=row.max_redemptions or 0,
        max_redemptions_per_coupon=row.max_redemptions_per_coupon or 0,
        max_redemptions_per_customer=row.max_redemptions_per_customer or 0,
        same_customer_may_repeat=row.same_customer_may_repeat,
        min_days_between_redemptions=row.min_days_between_redemptions,
        redeemable_after_days=row.redeemable_after_days,
        redeemable_days_of_week=orjson.loads(row.redeemable_days_of_week),
        redeemable_days_of_month=orjson.loads(row.redeemable_days_of_month),
        redeemable_hours=orjson.loads(row.redeemable_hours),
        tills=orjson.loads(row.tills),
        reversal_policies=[
            {
                "reason": int(reason),
                "code": Returned.CODE in what,
                "customer": Returned.CUSTOMER in what,
                "budget": Returned.BUDGET in what,
            }
            for reason, what in policies_of(row.reversal_policies).items()
        ],
    )


def _timestamp(ms: int | None) -> Timestamp | None:
    return None if ms is None else Timestamp(seconds=ms // 1_000, nanos=ms % 1_000 * 1_000_000)


def _decimal(micros: int | None) -> Decimal | None:
    return None if micros is None else Decimal(value=format_micros(micros))
