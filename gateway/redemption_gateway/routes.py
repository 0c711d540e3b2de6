"""The documented paths. A test compares them with the `google.api.http` annotations."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from redemption_gateway.generate_token import GenerateTokenSurface
from redemption_gateway.http import Surface
from redemption_gateway.list_promotion_redemptions import ListPromotionRedemptionsSurface
from redemption_gateway.redeem_coupons import RedeemCouponsSurface
from redemption_gateway.redeem_promotions import RedeemPromotionsSurface

Routes = Mapping[str, Mapping[str, Surface]]
"""Path, then verb, then surface. Paths are exact."""


def make_routes(zone: ZoneInfo) -> Routes:
    """The routes; `zone` is the one of `…ISO` fields."""
    return {
        "/api_gateway/v1/promotions/redemptions": {
            "GET": ListPromotionRedemptionsSurface(zone),
            "POST": RedeemPromotionsSurface(zone),
        },
        "/v1.1/coupon/redeem": {"POST": RedeemCouponsSurface()},
        "/v3/oauth/token/generate": {"POST": GenerateTokenSurface()},
    }
