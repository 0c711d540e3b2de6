"""What the benchmarks send: redemptions of one promotion, as generators of load want them."""

import itertools
import json
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from redemption.v1 import promotion_redemption_service_pb2 as messages

from tests.support import catalogs

PROMOTIONS = 100
LIMITED, UNLIMITED = "limited", "p0"
SERIES = 1
_ZIPF_EXPONENT = 1.1
_DATE_SECONDS = 1_743_521_508
UNIFORM = f"p{{{{randomInt 0 {PROMOTIONS}}}}}"
"""A promotion, each as often as any other; a template of ghz, as what follows."""


def zipf() -> str:
    """A promotion, the first much more often than the last."""
    weights = [1 / (rank + 1) ** _ZIPF_EXPONENT for rank in range(PROMOTIONS)]
    whole = 1_000_000
    bounds = [int(whole * w / sum(weights)) for w in itertools.accumulate(weights)]
    chosen = f"{{{{$r := randomInt 0 {whole}}}}}p{{{{if lt $r {bounds[0]}}}}}0"
    for number, bound in enumerate(bounds[1:-1], 1):
        chosen += f"{{{{else if lt $r {bound}}}}}{number}"
    return chosen + f"{{{{else}}}}{PROMOTIONS - 1}{{{{end}}}}"


def redeem_promotions(promotion: str = UNIFORM, code: str = "") -> str:
    """A request of `RedeemPromotions` in JSON."""
    use = {
        "promotion_id": promotion,
        "redemption_count": 1,
        "discount": {"value": "10"},
        "discount_applied_on_quantity": {"value": "1"},
        "promotion_applied_on_quantity": {"value": "1"},
    }
    request = {
        "customer_id": str(catalogs.CUSTOMER),
        "transaction_identifier": "{{newUUID}}",
        "transaction_number": "bill-1",
        "transaction_date": "2025-04-01T15:31:48Z",
        "amount": {"value": "100"},
        "redemptions": [{**use, "promo_code": code} if code else use],
    }
    return json.dumps(request)


def redeem_coupons(codes: int) -> str:
    """A request of `RedeemCoupons` for one of so many coupons."""
    coupon = {
        "code": f"COUPON{{{{randomInt 0 {codes}}}}}",
        "customer": {"customer_id": str(catalogs.CUSTOMER)},
    }
    return json.dumps({"request_id": "{{newUUID}}", "coupons": [coupon]})


def list_promotion_redemptions(codes: int) -> str:
    """A lookup of one of so many codes."""
    request = {
        "codes": [f"CODE{{{{randomInt 0 {codes}}}}}"],
        "mode": "PROMOTION_MODE_DISCOUNT",
        "include_redemptions": True,
    }
    return json.dumps(request)


def redeemed(request: messages.RedeemPromotionsRequest) -> messages.RedeemPromotionsResponse:
    """An answer like that of the service, which was not thought about."""
    response = messages.RedeemPromotionsResponse(
        org_id=catalogs.ORG,
        customer_id=request.customer_id,
        transaction_identifier=request.transaction_identifier,
        transaction_number=request.transaction_number,
        transaction_date=request.transaction_date,
        amount=request.amount,
    )
    for use in request.redemptions:
        shown = response.redemptions.add(promotion_id=use.promotion_id)
        shown.redemption_count = use.redemption_count
        shown.discount.CopyFrom(use.discount)
    return response


def write_protoset(file: Path) -> None:
    """Writes the descriptors that a generator of load needs, since reflection costs a call."""
    pool = descriptor_pool.Default()
    found: dict[str, FileDescriptor] = {}

    def add(descriptor: FileDescriptor) -> None:
        if descriptor.name not in found:
            for needed in descriptor.dependencies:
                add(needed)
            found[descriptor.name] = descriptor

    for service in ("PromotionRedemptionService", "CouponRedemptionService"):
        add(pool.FindServiceByName(f"redemption.v1.{service}").file)
    files = descriptor_pb2.FileDescriptorSet()
    for descriptor in found.values():
        descriptor.CopyToProto(files.file.add())
    file.write_bytes(files.SerializeToString())


def organization(**changes: Any) -> dict[str, Any]:
    """A hundred promotions without limits, one with a limit that is never reached, coupons."""
    promotions = [catalogs.promotion(f"p{number}") for number in range(PROMOTIONS)]
    limited = catalogs.promotion(LIMITED, limits={"redemptions_total": 10**12})
    unlimited = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}
    return catalogs.organization(
        promotions=[*promotions, limited],
        coupon_series=[catalogs.series(SERIES, coupons=[], **unlimited)],
        **changes,
    )
