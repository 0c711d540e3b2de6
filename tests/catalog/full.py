"""An organisation in which everything is set, and the same objects with nothing but their keys."""

from typing import Any

from tests.support import catalogs


def full(**changes: Any) -> dict[str, Any]:
    """Two objects of each kind; the first of each has no field at its default."""
    return catalogs.organization(
        **{
            "time_zone": "Asia/Kolkata",
            "check_earned_promotion_owner": True,
            "credentials": [],
            "products": [{"id": 1, "sku": "S1"}, {"id": 2, "sku": "S2"}],
            "customers": [
                {
                    "id": 501,
                    "mobile": "9999988881",
                    "email": "One@example.com",
                    "external_id": "E1",
                    "card_number": "C1",
                    "card_external_id": "X1",
                    "status": "FRAUD",
                },
                {"id": 502, "mobile": "9999988882"},
            ],
            "promotions": [PROMOTION, {"id": "p2", "codes": [{"id": "c3", "code": "CODE3"}]}],
            "earned_promotions": [
                {"id": "e1", "promotion": "p1", "customer": 501, "status": "LOCKED"},
                {"id": "e2", "promotion": "p1", "customer": 502},
            ],
            "coupon_series": [SERIES, catalogs.series(2, coupons=[{"code": "COUPON3"}])],
            **changes,
        }
    )


def bare(**changes: Any) -> dict[str, Any]:
    """The first object of each kind with only what is required."""
    return {
        "id": catalogs.ORG,
        "tills": [{"id": catalogs.TILL, "code": "till-1"}],
        "products": [{"id": 1, "sku": "S1"}],
        "customers": [{"id": 501}],
        "promotions": [{"id": "p1", "codes": [{"id": "c1", "code": "CODE1"}]}],
        "earned_promotions": [{"id": "e1", "promotion": "p1", "customer": 501}],
        "coupon_series": [
            {
                "id": 1,
                "discount_type": "ABS",
                "discount_value": "1",
                "coupons": [{"code": "COUPON1"}],
            }
        ],
        **changes,
    }


PROMOTION: dict[str, Any] = {
    "id": "p1",
    "name": "Promotion",
    "message_label": "label",
    "mode": "PAYMENT_VOUCHER",
    "active": False,
    "starts_at": "2025-01-01T00:00:00Z",
    "ends_at": "2035-01-01T00:00:00Z",
    "over_limit": "RECORD",
    "limits": {
        "redemptions_total": {"limit": 9, "window": "DAY"},
        "redemptions_per_customer": {"limit": 8, "window": "WEEK"},
        "redemptions_per_code": 7,
        "redemptions_per_transaction": 6,
        "discount_total": {"limit": "500.5", "window": "MONTH"},
    },
    "codes": [
        {"id": "c1", "code": "CODE1", "customer": 502, "active": False},
        {"id": "c2", "code": "CODE2"},
    ],
}
SERIES: dict[str, Any] = {
    "id": 1,
    "description": "Series",
    "discount_code": "D1",
    "discount_type": "PERC",
    "discount_value": "12.5",
    "discount_up_to": "100",
    "valid_from": "2025-01-01T00:00:00Z",
    "valid_until": "2035-01-01T00:00:00Z",
    "any_user": True,
    "validation_required": True,
    "transaction_number_required": True,
    "min_amount": "1",
    "max_amount": "1000",
    "max_redemptions": 9,
    "max_redemptions_per_coupon": 8,
    "max_redemptions_per_customer": 7,
    "same_customer_may_repeat": True,
    "min_days_between_redemptions": 6,
    "redeemable_after_days": 5,
    "redeemable_days_of_week": ["MON", "SUN"],
    "redeemable_days_of_month": [1, 31],
    "redeemable_hours": [0, 23],
    "tills": ["till-1"],
    "coupons": [
        {
            "code": "COUPON1",
            "customer": 502,
            "issued_at": "2025-01-01T00:00:00Z",
            "valid_until": "2035-01-01T00:00:00Z",
            "validation_code": "v",
            "revoked": True,
        },
        {"code": "COUPON2"},
    ],
}
