"""The requests: each is granted to whoever has the names that it is made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from redemption.v1 import (
    catalog_pb2,
    catalog_service_pb2,
    coupon_redemption_pb2,
    coupon_service_pb2,
    feed_service_pb2,
    reversal_service_pb2,
    token_service_pb2,
)
from redemption.v1 import coupon_redemption_service_pb2 as coupons_pb2
from redemption.v1 import outcome_service_pb2 as outcome_pb2
from redemption.v1 import promotion_redemption_service_pb2 as promotions_pb2
from redemption.v1.ledger_service_pb2 import VerifyLedgerRequest
from redemption.v1.promotion_redemption_pb2 import PROMOTION_MODE_DISCOUNT
from redemption.v1.reversal_pb2 import REVERSAL_REASON_CANCEL
from redemption_server.rpc.server import SERVICES

from tests.access.apart.names import BOTHS, FRESH, Names

RPCS = {
    f"{service}/{method.name}": method
    for service in SERVICES
    for method in descriptor_pool.Default().FindServiceByName(service).methods
}
APPLY = "redemption.v1.CatalogService/ApplyCatalog"
COUPONS = "redemption.v1.CouponRedemptionService/RedeemCoupons"
VALIDATE = "redemption.v1.CouponRedemptionService/ValidateCoupons"
CREATE = "redemption.v1.CouponService/CreateCouponSeries"
UPDATE = "redemption.v1.CouponService/UpdateCouponSeries"
SERIES = "redemption.v1.CouponService/GetCouponSeries"
GENERATE = "redemption.v1.CouponService/GenerateCoupons"
JOB = "redemption.v1.CouponService/GetCouponJob"
IMPORT = "redemption.v1.CouponService/ImportCoupons"
EXPORT = "redemption.v1.CouponService/ExportCoupons"
ISSUE = "redemption.v1.CouponService/IssueCoupon"
REVOKE = "redemption.v1.CouponService/RevokeCoupon"
COUPON = "redemption.v1.CouponService/GetCoupon"
WATCH = "redemption.v1.FeedService/WatchRedemptions"
VERIFY = "redemption.v1.LedgerService/VerifyLedger"
OUTCOME = "redemption.v1.OutcomeService/GetOutcome"
LIST = "redemption.v1.PromotionRedemptionService/ListPromotionRedemptions"
REDEEM = "redemption.v1.PromotionRedemptionService/RedeemPromotions"
REVERSE = "redemption.v1.ReversalService/ReverseRedemption"
TOKEN = "redemption.v1.TokenService/GenerateToken"


def put(message: Any, path: str, value: Any) -> None:
    """Sets a field, of the first element where there may be several; None clears it."""
    *parents, name = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
        if not isinstance(message, Message):
            message = message[0] if message else message.add()
    if value is None:
        message.ClearField(name)
    elif message.DESCRIPTOR.fields_by_name[name].is_repeated:
        getattr(message, name)[:] = [value]
    else:
        setattr(message, name, value)


# Promotions.


def redeem_promotions(own: Names) -> Message:
    use = {
        "sku": own["sku"],
        "promotion_id": own["promotion"],
        "redemption_count": own["count"],
        "discount": {"value": own["amount"]},
        "discount_applied_on_quantity": {"value": "1"},
        "promotion_applied_on_quantity": {"value": "1"},
    }
    return promotions_pb2.RedeemPromotionsRequest(
        customer_id=own["customer"],
        transaction_identifier=own["transaction"],
        transaction_number=own["bill"],
        transaction_date={"seconds": 1_700_000_000},
        amount={"value": "100"},
        cart_evaluation_id=own["evaluation"],
        line_items=[use],
        redemptions=[use],
    )


def try_promotions(own: Names) -> Message:
    message = redeem_promotions(own)
    put(message, "validate_only", True)
    return message


def redeem_boths(transaction: str = BOTHS["transaction"], *, earned: bool = False) -> Message:
    """Redeems what both have, in the same words whoever sends it."""
    message = redeem_promotions({**BOTHS, "transaction": transaction})
    for uses in ("line_items", "redemptions"):
        put(message, f"{uses}.promo_code", BOTHS["code"])
    if earned:
        put(message, "redemptions.earned_promotion_id", BOTHS["earned"])
    return message


def list_promotion_redemptions(own: Names) -> Message:
    return promotions_pb2.ListPromotionRedemptionsRequest(
        codes=[own["code"]], mode=PROMOTION_MODE_DISCOUNT, include_redemptions=True, page_size=1
    )


# Redemptions of coupons.


def coupon_uses(own: Names) -> list[dict[str, Any]]:
    coupon = {
        "code": own["coupon"],
        "customer": {"customer_id": own["customer"]},
        "validation_code": own["validation_code"],
        "transaction": {"number": own["bill"], "amount": {"value": "100"}},
        "custom_fields": [{"name": "gift", "value": "yes"}],
    }
    return [coupon]


def redeem_coupons(own: Names) -> Message:
    return coupons_pb2.RedeemCouponsRequest(coupons=coupon_uses(own), request_id=own["request"])


def try_coupons(own: Names) -> Message:
    message = redeem_coupons(own)
    put(message, "validate_only", True)
    return message


def validate_coupons(own: Names) -> Message:
    return coupons_pb2.ValidateCouponsRequest(coupons=coupon_uses(own))


# What was redeemed.


def reverse_redemption(own: Names) -> Message:
    return reversal_service_pb2.ReverseRedemptionRequest(
        transaction_identifier=own["sold"],
        reason=REVERSAL_REASON_CANCEL,
        request_id=own["reversal"],
        note="brought back",
    )


def watch_redemptions(_own: Names) -> Message:
    """All that has happened so far."""
    return feed_service_pb2.WatchRedemptionsRequest(after_sequence=0)


def get_outcome(own: Names) -> Message:
    return outcome_pb2.GetOutcomeRequest(transaction_identifier=own["transaction"])


def verify_ledger(_own: Names) -> Message:
    return VerifyLedgerRequest()


# Coupons and their series.


def a_series(own: Names, number: int) -> Any:
    return catalog_pb2.CouponSeries(
        id=number,
        description=own["name"],
        discount_code=own["discount_code"],
        discount_type=coupon_redemption_pb2.DISCOUNT_TYPE_ABS,
        discount_value={"value": own["amount"]},
        any_user=True,
        tills=[own["till_code"]],
    )


def create_coupon_series(own: Names) -> Message:
    series = a_series(own, FRESH["series"])
    return coupon_service_pb2.CreateCouponSeriesRequest(series=series)


def update_coupon_series(own: Names) -> Message:
    """Replaces the whole series."""
    series = a_series(own, own["series"])
    return coupon_service_pb2.UpdateCouponSeriesRequest(series=series)


def update_some_fields(own: Names) -> Message:
    message = update_coupon_series(own)
    message.update_mask.paths[:] = ["discount_code", "tills"]  # type: ignore[attr-defined]
    return message


def get_coupon_series(own: Names) -> Message:
    return coupon_service_pb2.GetCouponSeriesRequest(series_id=own["series"])


def generate_coupons(own: Names) -> Message:
    """Makes one code, which sorts behind the series' own coupon."""
    return coupon_service_pb2.GenerateCouponsRequest(
        series_id=own["series"], count=1, prefix=f"{own['coupon']}-", request_id=own["job"]
    )


def get_coupon_job(own: Names) -> Message:
    return coupon_service_pb2.GetCouponJobRequest(job_id=own["begun"])


def import_coupons(own: Names) -> Message:
    coupon = {"code": FRESH["coupon"], "validation_code": FRESH["validation_code"]}
    coupon |= {"customer": own["customer"]}
    return coupon_service_pb2.ImportCouponsRequest(series_id=own["series"], coupons=[coupon])


def import_in_place(own: Names) -> Message:
    """Replaces coupons that are there, and skips those that are wrong."""
    message = import_coupons(own)
    put(message, "replace", True)
    put(message, "skip_bad", True)
    return message


def export_coupons(own: Names) -> Message:
    return coupon_service_pb2.ExportCouponsRequest(series_id=own["series"])


def issue_coupon(own: Names) -> Message:
    return coupon_service_pb2.IssueCouponRequest(
        code=own["coupon"], customer_id=own["customer"], request_id=own["issue"]
    )


def issue_new_coupon(own: Names) -> Message:
    """A coupon that is made for the customer, in the series that both have."""
    message = issue_coupon(own)
    put(message, "series_id", BOTHS["series"])
    return message


def revoke_coupon(own: Names) -> Message:
    return coupon_service_pb2.RevokeCouponRequest(code=own["coupon"])


def get_coupon(own: Names) -> Message:
    return coupon_service_pb2.GetCouponRequest(code=own["coupon"])


# The rest.


def apply_catalog(own: Names) -> Message:
    """Adds one fresh thing of each kind."""
    return catalog_service_pb2.ApplyCatalogRequest(catalog=own["additions"])


def generate_token(own: Names) -> Message:
    return token_service_pb2.GenerateTokenRequest(key=own["key"], secret=own["secret"])


Build = Callable[[Names], Message]
REQUESTS: dict[str, Build] = {
    REDEEM: redeem_promotions,
    LIST: list_promotion_redemptions,
    COUPONS: redeem_coupons,
    VALIDATE: validate_coupons,
    CREATE: create_coupon_series,
    UPDATE: update_coupon_series,
    SERIES: get_coupon_series,
    GENERATE: generate_coupons,
    JOB: get_coupon_job,
    IMPORT: import_coupons,
    EXPORT: export_coupons,
    ISSUE: issue_coupon,
    REVOKE: revoke_coupon,
    COUPON: get_coupon,
    REVERSE: reverse_redemption,
    WATCH: watch_redemptions,
    OUTCOME: get_outcome,
    APPLY: apply_catalog,
    VERIFY: verify_ledger,
    TOKEN: generate_token,
}


class Form(NamedTuple):
    """One of the ways to fill in the request of an RPC."""

    rpc: str
    build: Build

    @property
    def is_plain(self) -> bool:
        return REQUESTS[self.rpc] is self.build


FORMS = (
    *(Form(rpc, build) for rpc, build in REQUESTS.items()),
    # A switch in each of these has the server go another way with the same names.
    Form(REDEEM, try_promotions),
    Form(COUPONS, try_coupons),
    Form(UPDATE, update_some_fields),
    Form(IMPORT, import_in_place),
    Form(ISSUE, issue_new_coupon),
)
