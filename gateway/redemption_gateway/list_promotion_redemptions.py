"""Surface B: `GET /api_gateway/v1/promotions/redemptions`."""

from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from redemption.v1 import (
    promotion_redemption_pb2,
    promotion_redemption_service_pb2,
    reversal_pb2,
)

from redemption_gateway.decimals import six_decimals
from redemption_gateway.fields import WrongTypesError
from redemption_gateway.http import Decoded, HttpAnswer, HttpRequest, camel_case
from redemption_gateway.instants import epoch_ms, iso

_Request = promotion_redemption_service_pb2.ListPromotionRedemptionsRequest
_Response = promotion_redemption_service_pb2.ListPromotionRedemptionsResponse

RECORDS_MAX = 1_000
"""Records in one answer; more are behind its `Link` header."""

_PARAMETERS = ("codes", "mode", "includeRedemptions", "pageToken")
_MODES = {
    "DISCOUNT": promotion_redemption_pb2.PROMOTION_MODE_DISCOUNT,
    "PAYMENT_VOUCHER": promotion_redemption_pb2.PROMOTION_MODE_PAYMENT_VOUCHER,
}
_MODE_NAMES = {mode: name for name, mode in _MODES.items()}
_TYPES = {
    promotion_redemption_pb2.REDEMPTION_TYPE_CART: "CART",
    promotion_redemption_pb2.REDEMPTION_TYPE_LINEITEM: "LINEITEM",
    promotion_redemption_pb2.REDEMPTION_TYPE_PAYMENT_VOUCHER: "PAYMENT_VOUCHER",
}
_REASONS = {
    number: name.removeprefix("REVERSAL_REASON_")
    for name, number in reversal_pb2.ReversalReason.items()
}
_BOOLEANS = {"true": True, "false": False}


class ListPromotionRedemptionsSurface:
    """Codec of surface B; `zone` is the one of `…ISO` fields."""

    method = "redemption.v1.PromotionRedemptionService/ListPromotionRedemptions"
    error_form = "B"
    needs_credential = True
    only_reads = True

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def decode(self, request: HttpRequest) -> Decoded:
        """See `Surface`. The context is the path, the query and whether it is the first page."""
        violations: list[str] = []
        values = _parameters(request.query, violations)
        codes = [code.strip() for code in values["codes"].split(",") if code.strip()]
        if not codes:
            violations.append("codes is required")
        mode = _MODES.get(values["mode"])
        if mode is None:
            violations.append("mode must be DISCOUNT or PAYMENT_VOUCHER")
        include = _BOOLEANS.get(values["includeRedemptions"].lower() or "false")
        if include is None:
            violations.append("includeRedemptions must be true or false")
        if violations:
            raise WrongTypesError(violations)
        message = _Request(
            codes=codes,
            mode=mode,
            include_redemptions=include,
            page_size=RECORDS_MAX,
            page_token=values["pageToken"],
        )
        unknown = sum(1 for name, _ in request.query if name not in _PARAMETERS)
        return Decoded(message, (request.path, values), unknown)

    def encode(self, response: _Response, context: tuple[str, dict[str, str]]) -> HttpAnswer:
        """See `Surface`."""
        path, values = context
        data = [self._record(record) for record in response.redemptions]
        data += [_summary(summary) for summary in response.code_summaries]
        errors = [
            {"code": 404, "message": f"No redemptions found for promotion code {code}"}
            for code in response.missing_codes
        ]
        headers = {}
        if response.next_page_token:
            query = {k: v for k, v in values.items() if v} | {"pageToken": response.next_page_token}
            headers["Link"] = f'<{path}?{urlencode(query)}>; rel="next"'
        status = 404 if errors and not data else 200
        return HttpAnswer(status, {"data": data, "errors": errors}, headers)

    def json_name(self, field: str) -> str:
        """See `Surface`."""
        return camel_case(field)

    def _record(self, record: promotion_redemption_pb2.PromotionRedemption) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": record.id,
            "orgId": record.org_id,
            "promotionId": record.promotion_id,
        }
        if record.promo_code:
            shown["promoCode"] = record.promo_code
        if record.earned_promotion_id:
            shown["earnedPromotionId"] = record.earned_promotion_id
        shown["customerId"] = record.customer_id
        shown["redemptionDate"] = epoch_ms(record.redemption_date)
        shown["redemptionDateISO"] = iso(record.redemption_date, self._zone)
        shown["transactionIdentifier"] = record.transaction_identifier
        shown["transactionNumber"] = record.transaction_number
        shown["promotionName"] = record.promotion_name
        if record.HasField("promotion_message_label"):
            shown["promotionMessageLabel"] = record.promotion_message_label
        shown["transactionEntityIdentifier"] = record.transaction_entity_identifier
        if record.cart_evaluation_id:
            shown["cartEvaluationId"] = record.cart_evaluation_id
        if record.redemption_till:
            shown["redemptionTill"] = record.redemption_till
        shown["discount"] = six_decimals(record.discount.value)
        shown["redemptionCount"] = record.redemption_count
        shown |= _line_fields(record)
        if record.HasField("reversal"):
            shown["reversal"] = {
                "id": record.reversal.id,
                "reason": _REASONS[record.reversal.reason],
                "reversalDate": epoch_ms(record.reversal.reversed_at),
                "reversalDateISO": iso(record.reversal.reversed_at, self._zone),
            }
        return shown


def _line_fields(record: promotion_redemption_pb2.PromotionRedemption) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if record.HasField("discount_applied_quantity"):
        shown["discountAppliedQuantity"] = six_decimals(record.discount_applied_quantity.value)
        shown["promotionAppliedQuantity"] = six_decimals(record.promotion_applied_quantity.value)
    shown["amount"] = six_decimals(record.amount.value)
    if record.sku:
        shown["sku"] = record.sku
    shown["redemptionType"] = _TYPES[record.redemption_type]
    if record.product_id:
        shown["productId"] = record.product_id
    return shown


def _summary(summary: promotion_redemption_pb2.PromotionCodeSummary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "orgId": summary.org_id,
        "promotionId": summary.promotion_id,
        "promotionName": summary.promotion_name,
        "promoCode": summary.promo_code,
        "mode": _MODE_NAMES[summary.mode],
        "redemptionCount": summary.redemption_count,
        "discount": six_decimals(summary.discount.value),
    }


def _parameters(query: list[tuple[str, str]], violations: list[str]) -> dict[str, str]:
    """The known parameters, empty when absent; repeated `codes` add up."""
    values = dict.fromkeys(_PARAMETERS, "")
    for name, value in query:
        if name not in values:
            continue
        if values[name] and name != "codes":
            violations.append(f"{name} must be given once")
        values[name] = f"{values[name]},{value}" if name == "codes" and values[name] else value
    return values
