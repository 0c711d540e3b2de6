"""Catalog messages as rows. What a mentioned object does not set takes its default.

Cells are in the order of the columns in `catalog_tables`; the catalog was checked before.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal
from redemption.v1 import catalog_pb2, coupon_redemption_pb2, promotion_redemption_pb2

from redemption_server.rules.decimals import parse_micros
from redemption_server.rules.facts import (
    CustomerStatus,
    DiscountType,
    EarnedPromotionStatus,
    OverLimit,
    PromotionMode,
)
from redemption_server.rules.normal import fold, mobile_digits
from redemption_server.rules.reversal_policy import Returned
from redemption_server.rules.windows import Window

Cells = tuple[Any, ...]

RATE_LIMIT_PER_MINUTE_DEFAULT = 1_000
_DISCOUNT_TOTAL_DIGITS = 12

_MODES = {
    promotion_redemption_pb2.PROMOTION_MODE_UNSPECIFIED: PromotionMode.DISCOUNT,
    promotion_redemption_pb2.PROMOTION_MODE_DISCOUNT: PromotionMode.DISCOUNT,
    promotion_redemption_pb2.PROMOTION_MODE_PAYMENT_VOUCHER: PromotionMode.PAYMENT_VOUCHER,
}
_OVER_LIMIT = {
    catalog_pb2.OVER_LIMIT_UNSPECIFIED: OverLimit.REFUSE,
    catalog_pb2.OVER_LIMIT_REFUSE: OverLimit.REFUSE,
    catalog_pb2.OVER_LIMIT_RECORD: OverLimit.RECORD,
}
_WINDOWS = {
    catalog_pb2.LIMIT_WINDOW_UNSPECIFIED: Window.NONE,
    catalog_pb2.LIMIT_WINDOW_DAY: Window.DAY,
    catalog_pb2.LIMIT_WINDOW_WEEK: Window.WEEK,
    catalog_pb2.LIMIT_WINDOW_MONTH: Window.MONTH,
}
_CUSTOMER_STATUSES = {
    catalog_pb2.CUSTOMER_STATUS_UNSPECIFIED: CustomerStatus.ACTIVE,
    catalog_pb2.CUSTOMER_STATUS_ACTIVE: CustomerStatus.ACTIVE,
    catalog_pb2.CUSTOMER_STATUS_FRAUD: CustomerStatus.FRAUD,
    catalog_pb2.CUSTOMER_STATUS_BLOCKED: CustomerStatus.BLOCKED,
}
_EARNED_STATUSES = {
    catalog_pb2.EARNED_PROMOTION_STATUS_UNSPECIFIED: EarnedPromotionStatus.UNLOCKED,
    catalog_pb2.EARNED_PROMOTION_STATUS_LOCKED: EarnedPromotionStatus.LOCKED,
    catalog_pb2.EARNED_PROMOTION_STATUS_UNLOCKED: EarnedPromotionStatus.UNLOCKED,
    catalog_pb2.EARNED_PROMOTION_STATUS_EXPIRED: EarnedPromotionStatus.EXPIRED,
}
_DISCOUNT_TYPES = {
    coupon_redemption_pb2.DISCOUNT_TYPE_ABS: DiscountType.ABS,
    coupon_redemption_pb2.DISCOUNT_TYPE_PERC: DiscountType.PERC,
}
_CUSTOMER_ACCESS = {
    catalog_pb2.CUSTOMER_ACCESS_UNSPECIFIED: "",
    catalog_pb2.CUSTOMER_ACCESS_READ: "read",
    catalog_pb2.CUSTOMER_ACCESS_WRITE: "write",
}


def organization_settings(organization: catalog_pb2.Organization) -> dict[str, Any]:
    """The columns of an organisation that the catalog sets."""
    per_minute: int | None = RATE_LIMIT_PER_MINUTE_DEFAULT
    if organization.HasField("rate_limit_per_minute"):
        per_minute = organization.rate_limit_per_minute or None
    return {
        "name": organization.name,
        "region": organization.region,
        "time_zone": organization.time_zone or "UTC",
        "redemption_without_evaluation": organization.redemption_without_evaluation,
        "check_earned_promotion_owner": organization.check_earned_promotion_owner,
        "rate_limit_per_minute": per_minute,
    }


def till_rows(organization: catalog_pb2.Organization) -> list[Cells]:
    """Rows of `till`."""
    return [(organization.id, till.id, till.code) for till in organization.tills]


def credential_organization_rows(organization: catalog_pb2.Organization) -> list[Cells]:
    """Rows of `credential_organization`."""
    return [
        (
            organization.id,
            credential.key,
            credential.till,
            _CUSTOMER_ACCESS[credential.access.customer],
            credential.access.default,
            credential.access.admin,
            _default_true(credential),
        )
        for credential in organization.credentials
    ]


def product_rows(organization: catalog_pb2.Organization) -> list[Cells]:
    """Rows of `product`."""
    return [(organization.id, product.id, product.sku) for product in organization.products]


def customer_rows(organization: catalog_pb2.Organization, region: str) -> list[Cells]:
    """Rows of `customer`."""
    return [
        (
            organization.id,
            customer.id,
            mobile_digits(customer.mobile, region) or None if customer.mobile else None,
            customer.email if fold(customer.email) else None,
            fold(customer.email) or None,
            customer.external_id or None,
            customer.card_number or None,
            customer.card_external_id or None,
            _CUSTOMER_STATUSES[customer.status].value,
        )
        for customer in organization.customers
    ]


def promotion_rows(organization: catalog_pb2.Organization) -> list[Cells]:
    """Rows of `promotion`."""
    return [_promotion_row(organization.id, promotion) for promotion in organization.promotions]


def _promotion_row(org_id: int, promotion: catalog_pb2.Promotion) -> Cells:
    limits = promotion.limits
    discount = limits.discount_total.limit if limits.HasField("discount_total") else None
    return (
        org_id,
        promotion.id,
        promotion.name,
        promotion.message_label if promotion.HasField("message_label") else None,
        _MODES[promotion.mode].value,
        _default_true(promotion),
        _ms(promotion, "starts_at"),
        _ms(promotion, "ends_at"),
        _OVER_LIMIT[promotion.over_limit].value,
        _count(limits, "redemptions_total"),
        _WINDOWS[limits.redemptions_total.window].value,
        _count(limits, "redemptions_per_customer"),
        _WINDOWS[limits.redemptions_per_customer.window].value,
        _count(limits, "redemptions_per_code"),
        _count(limits, "redemptions_per_transaction"),
        None
        if discount is None
        else parse_micros(discount.value, integer_digits=_DISCOUNT_TOTAL_DIGITS),
        _WINDOWS[limits.discount_total.window].value,
        _policies(promotion),
    )


def promotion_code_rows(organization: catalog_pb2.Organization) -> list[Cells]:
    """Rows of `promotion_code`."""
    return [
        (
            organization.id,
            code.id,
            promotion.id,
            code.code,
            fold(code.code),
            code.customer or None,
            _default_true(code),
        )
        for promotion in organization.promotions
        for code in promotion.codes
    ]


def earned_promotion_rows(organization: catalog_pb2.Organization) -> list[Cells]:
    """Rows of `earned_promotion`."""
    return [
        (
            organization.id,
            earned.id,
            earned.promotion,
            earned.customer,
            _EARNED_STATUSES[earned.status].value,
        )
        for earned in organization.earned_promotions
    ]


def coupon_series_rows(organization: catalog_pb2.Organization) -> list[Cells]:
    """Rows of `coupon_series`."""
    return [_series_row(organization.id, series) for series in organization.coupon_series]


def _series_row(org_id: int, series: catalog_pb2.CouponSeries) -> Cells:
    per_coupon = (
        series.max_redemptions_per_coupon if series.HasField("max_redemptions_per_coupon") else 1
    )
    return (
        org_id,
        series.id,
        series.description,
        series.discount_code or "NO_VALUE",
        _DISCOUNT_TYPES[series.discount_type].value,
        _micros(series, "discount_value"),
        _micros(series, "discount_up_to"),
        _ms(series, "valid_from"),
        _ms(series, "valid_until"),
        series.any_user,
        series.validation_required,
        series.transaction_number_required,
        _micros(series, "min_amount"),
        _micros(series, "max_amount"),
        series.max_redemptions or None,
        per_coupon or None,
        series.max_redemptions_per_customer or None,
        series.same_customer_may_repeat,
        series.min_days_between_redemptions,
        series.redeemable_after_days,
        _json(series.redeemable_days_of_week),
        _json(series.redeemable_days_of_month),
        _json(series.redeemable_hours),
        _json(series.tills),
        _policies(series),
    )


def coupon_rows(organization: catalog_pb2.Organization) -> list[Cells]:
    """Rows of `coupon`."""
    return [
        (
            organization.id,
            fold(coupon.code),
            coupon.code,
            series.id,
            coupon.customer or None,
            _ms(coupon, "issued_at"),
            _ms(coupon, "valid_until"),
            coupon.validation_code,
            coupon.revoked,
        )
        for series in organization.coupon_series
        for coupon in series.coupons
    ]


def _policies(message: Any) -> str:
    """A JSON list of pairs: reason, what comes back."""
    pairs = []
    for policy in message.reversal_policies:
        parts = (
            (policy.code, Returned.CODE),
            (policy.customer, Returned.CUSTOMER),
            (policy.budget, Returned.BUDGET),
        )
        pairs.append((policy.reason, sum(part for given, part in parts if given)))
    return _json(sorted(pairs))


def webhook_rows(
    organization: catalog_pb2.Organization, sealed_secrets: Mapping[tuple[int, str], bytes]
) -> list[Cells]:
    """Rows of `webhook`."""
    return [
        (
            organization.id,
            webhook.id,
            webhook.url,
            sealed_secrets[organization.id, webhook.id],
            _json(sorted(webhook.events)),
            webhook.every_coupon,
            _default_true(webhook),
        )
        for webhook in organization.webhooks
    ]


def _default_true(message: Any) -> bool:
    return bool(message.active) if message.HasField("active") else True


def _count(limits: catalog_pb2.PromotionLimits, name: str) -> int | None:
    return int(getattr(limits, name).limit) if limits.HasField(name) else None


def _ms(message: Any, name: str) -> int | None:
    if not message.HasField(name):
        return None
    at: Timestamp = getattr(message, name)
    return at.seconds * 1_000 + at.nanos // 1_000_000


def _micros(message: Any, name: str) -> int | None:
    if not message.HasField(name):
        return None
    amount: Decimal = getattr(message, name)
    return parse_micros(amount.value)


def _json(values: Iterable[Any]) -> str:
    return orjson.dumps(list(values)).decode()
