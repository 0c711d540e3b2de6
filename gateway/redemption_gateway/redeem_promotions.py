"""Surface A: `POST /api_gateway/v1/promotions/redemptions`."""

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal
from redemption.v1 import promotion_redemption_pb2, promotion_redemption_service_pb2

from redemption_gateway.decimals import json_number, six_decimals
from redemption_gateway.fields import Body, Fields
from redemption_gateway.http import REPLAYED, Decoded, HttpAnswer, HttpRequest, camel_case
from redemption_gateway.instants import epoch_ms, iso, timestamp
from redemption_gateway.json_text import parse_json

_Request = promotion_redemption_service_pb2.RedeemPromotionsRequest
_Response = promotion_redemption_service_pb2.RedeemPromotionsResponse
_Use = promotion_redemption_pb2.PromotionUse

_FIELDS = frozenset(
    {
        "customerId",
        "customerIdentifierType",
        "customerIdentifierValue",
        "transactionIdentifier",
        "transactionNumber",
        "transactionDate",
        "amount",
        "cartEvaluationId",
        "evaluationId",
        "lineItems",
        "redemptions",
    }
)
_USE_FIELDS = frozenset(
    {
        "sku",
        "promotionId",
        "earnedPromotionId",
        "promoCode",
        "redemptionCount",
        "discount",
        "discountAppliedOnQuantity",
        "promotionAppliedOnQuantity",
        "amount",
    }
)
# Years 1 to 9999, which is what a Timestamp holds.
_MS_MIN, _MS_MAX = -62_135_596_800_000, 253_402_300_799_999


class RedeemPromotionsSurface:
    """Codec of surface A; `zone` is the one of `…ISO` fields."""

    method = "redemption.v1.PromotionRedemptionService/RedeemPromotions"
    error_form = "A"
    needs_credential = True
    only_reads = False

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def decode(self, request: HttpRequest) -> Decoded:
        """See `Surface`."""
        body = Body()
        fields = body.root(parse_json(request.body), _FIELDS)
        message = _Request(
            customer_id=fields.integer("customerId"),
            customer_identifier_type=fields.text("customerIdentifierType"),
            customer_identifier_value=fields.text("customerIdentifierValue"),
            transaction_identifier=fields.text("transactionIdentifier"),
            transaction_number=fields.text("transactionNumber"),
            transaction_date=_date(body, fields),
            amount=_decimal(fields, "amount"),
            cart_evaluation_id=fields.text("cartEvaluationId") or fields.text("evaluationId"),
            line_items=map(_use, fields.objects("lineItems", _USE_FIELDS)),
            redemptions=map(_use, fields.objects("redemptions", _USE_FIELDS)),
        )
        body.check()
        # The path has no query parameters.
        return Decoded(message, unknown_fields=body.unknown_fields + len(request.query))

    def encode(self, response: _Response, context: Any) -> HttpAnswer:  # noqa: ARG002
        """See `Surface`."""
        data: dict[str, Any] = {"orgId": response.org_id}
        if response.customer_identifier_value:
            data["customerIdentifierValue"] = response.customer_identifier_value
        if response.customer_identifier_type:
            data["customerIdentifierType"] = response.customer_identifier_type
        data["customerId"] = response.customer_id
        data["transactionIdentifier"] = response.transaction_identifier
        data["transactionNumber"] = response.transaction_number
        data["transactionDate"] = epoch_ms(response.transaction_date)
        data["transactionDateISO"] = iso(response.transaction_date, self._zone)
        data["amount"] = json_number(response.amount.value)
        if response.redemptions:
            data["redemptions"] = _encode_uses(response.redemptions, with_sku=False)
        if response.line_items:
            data["lineItems"] = _encode_uses(response.line_items, with_sku=True)
        headers = {REPLAYED: "true"} if response.replayed else {}
        return HttpAnswer(200, {"data": data}, headers)

    def json_name(self, field: str) -> str:
        """See `Surface`."""
        return camel_case(field)


def _date(body: Body, fields: Fields) -> Timestamp | None:
    ms = fields.integer("transactionDate")
    if ms is None:
        return None
    if not _MS_MIN <= ms <= _MS_MAX:
        body.violations.append("transactionDate must be milliseconds since 1970")
        return None
    return timestamp(ms)


def _decimal(fields: Fields, name: str) -> Decimal | None:
    return Decimal(value=fields.number(name)) if fields.has(name) else None


def _use(fields: Fields) -> _Use:
    return _Use(
        sku=fields.text("sku"),
        promotion_id=fields.text("promotionId"),
        earned_promotion_id=fields.text("earnedPromotionId"),
        promo_code=fields.text("promoCode"),
        redemption_count=fields.integer("redemptionCount") or 0,
        discount=_decimal(fields, "discount"),
        discount_applied_on_quantity=_decimal(fields, "discountAppliedOnQuantity"),
        promotion_applied_on_quantity=_decimal(fields, "promotionAppliedOnQuantity"),
        amount=_decimal(fields, "amount"),
    )


def _encode_uses(uses: Iterable[_Use], *, with_sku: bool) -> list[dict[str, Any]]:
    encoded = []
    for use in uses:
        shown: dict[str, Any] = {}
        if with_sku and use.sku:
            shown["sku"] = use.sku
        shown["promotionId"] = use.promotion_id
        if use.earned_promotion_id:
            shown["earnedPromotionId"] = use.earned_promotion_id
        shown["redemptionCount"] = use.redemption_count
        shown["discount"] = six_decimals(use.discount.value)
        shown["discountAppliedOnQuantity"] = six_decimals(use.discount_applied_on_quantity.value)
        shown["promotionAppliedOnQuantity"] = six_decimals(use.promotion_applied_on_quantity.value)
        encoded.append(shown)
    return encoded
