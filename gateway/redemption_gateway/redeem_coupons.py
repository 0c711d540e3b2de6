"""Surface C: `POST /v1.1/coupon/redeem`."""

from typing import Any

from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from google.type.decimal_pb2 import Decimal
from redemption.v1 import coupon_redemption_pb2, coupon_redemption_service_pb2

from redemption_gateway.coupon_items import SUCCESS, item_status
from redemption_gateway.decimals import two_decimals
from redemption_gateway.fields import Body, Fields
from redemption_gateway.http import REPLAYED, Decoded, HttpAnswer, HttpRequest
from redemption_gateway.json_text import parse_json

_Request = coupon_redemption_service_pb2.RedeemCouponsRequest
_Response = coupon_redemption_service_pb2.RedeemCouponsResponse
_Result = coupon_redemption_pb2.CouponResult
_Customer = coupon_redemption_pb2.CouponCustomer

_COUPON_FIELDS = frozenset({"code", "customer", "validation_code", "transaction", "custom_fields"})
_CUSTOMER_FIELDS = frozenset(
    {"mobile", "email", "external_id", "id", "card_number", "card_external_id"}
)
_NAMES = (
    ("coupons", "root.coupon"),
    ("request_id", "Idempotency-Key"),
    ("custom_fields[", "custom_fields.field["),
)


class RedeemCouponsSurface:
    """Codec of surface C."""

    method = "redemption.v1.CouponRedemptionService/RedeemCoupons"
    error_form = "C"
    needs_credential = True
    only_reads = False

    def decode(self, request: HttpRequest) -> Decoded:
        """See `Surface`. The context is whether `user_id` was asked for."""
        body = Body()
        root = body.root(parse_json(request.body, comments=True), ("root",))
        coupons = root.object("root", ("coupon",)).objects("coupon", _COUPON_FIELDS, single=True)
        message = _Request(
            coupons=map(_use, coupons),
            request_id=_unquoted(request.headers.get("idempotency-key", "")),
        )
        body.check()
        with_user_id = ("user_id", "true") in request.query
        unknown = body.unknown_fields + sum(1 for name, _ in request.query if name != "user_id")
        return Decoded(message, with_user_id, unknown)

    def encode(self, response: _Response, context: bool) -> HttpAnswer:  # noqa: FBT001
        """See `Surface`."""
        items = [_item(result, with_user_id=context) for result in response.results]
        succeeded = sum(1 for result in response.results if result.HasField("redemption"))
        body = {
            "response": {
                "status": _status(succeeded, len(items)),
                "coupons": {"coupon": items[0] if len(items) == 1 else items},
            }
        }
        return HttpAnswer(200, body, {REPLAYED: "true"} if response.replayed else {})

    def json_name(self, field: str) -> str:
        """See `Surface`."""
        for name, shown in _NAMES:
            field = field.replace(name, shown)
        return field


def _use(fields: Fields) -> coupon_redemption_pb2.CouponUse:
    customer = fields.object("customer", _CUSTOMER_FIELDS)
    transactions = fields.objects("transaction", ("number", "amount"), single=True)
    custom = fields.object("custom_fields", ("field",)).objects(
        "field", ("name", "value"), single=True
    )
    return coupon_redemption_pb2.CouponUse(
        code=fields.text("code"),
        customer=_Customer(
            mobile=customer.text("mobile"),
            email=customer.text("email"),
            external_id=customer.text("external_id"),
            customer_id=_customer_id(customer),
            card_number=customer.text("card_number"),
            card_external_id=customer.text("card_external_id"),
        ),
        validation_code=fields.text("validation_code"),
        transaction=_transaction(transactions[0]) if transactions else None,
        custom_fields=[
            coupon_redemption_pb2.CustomField(name=item.text("name"), value=item.text("value"))
            for item in custom
        ],
    )


def _customer_id(customer: Fields) -> int:
    # An empty string counts as absent; a zero is an id, though nobody's.
    return (customer.integer("id") or -1) if customer.number("id") else 0


def _transaction(fields: Fields) -> coupon_redemption_pb2.CouponTransaction:
    amount = fields.number("amount")
    return coupon_redemption_pb2.CouponTransaction(
        number=fields.text("number"), amount=Decimal(value=amount) if amount else None
    )


def _unquoted(header: str) -> str:
    quoted = len(header) >= 2 and header.startswith('"') and header.endswith('"')
    return header[1:-1] if quoted else header


def _status(succeeded: int, total: int) -> dict[str, Any]:
    if succeeded == total:
        return {"success": "true", "code": 200, "message": "Success"}
    if succeeded:
        message = "Some requests have failed due to errors"
        return {"success": "true", "code": 201, "message": message}
    message = "All requests have failed due to errors"
    return {"success": "false", "code": 500, "message": message}


def _item(result: _Result, *, with_user_id: bool) -> dict[str, Any]:
    redemption = result.redemption if result.HasField("redemption") else None
    shown: dict[str, Any] = {"customer": _customer(result, with_user_id=with_user_id)}
    if redemption:
        shown["redemption_id"] = str(redemption.redemption_id)
    shown["code"] = result.code
    if redemption:
        shown["discount_code"] = redemption.discount_code
        shown["series_code"] = str(redemption.series_id)
        shown["series_info"] = []
    absolute = redemption and redemption.discount_type == coupon_redemption_pb2.DISCOUNT_TYPE_ABS
    shown["is_absolute"] = "true" if absolute else "false"
    if redemption:
        shown["coupon_value"] = redemption.discount_value.value
    shown["transaction"] = {
        "amount": two_decimals(result.transaction.amount.value),
        "number": result.transaction.number,
    }
    shown["side_effects"] = []
    shown["item_status"] = _item_status(result)
    return shown


def _customer(result: _Result, *, with_user_id: bool) -> dict[str, str]:
    customer = result.customer
    shown = {
        "mobile": customer.mobile,
        "email": customer.email,
        "external_id": customer.external_id,
    }
    if not result.customer_found:
        shown["id"] = str(customer.customer_id) if customer.customer_id else ""
        shown["card_number"] = customer.card_number
        shown["card_external_id"] = customer.card_external_id
    elif with_user_id:
        shown["user_id"] = str(customer.customer_id)
    return {name: value for name, value in shown.items() if value}


def _item_status(result: _Result) -> dict[str, Any]:
    if not result.HasField("error"):
        code, message = SUCCESS
        return {"success": "true", "code": code, "message": message}
    code, message = item_status(*_reason(result.error))
    return {"success": "false", "code": code, "message": message}


def _reason(status: Status) -> tuple[str, dict[str, str]]:
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            break
    return info.reason, dict(info.metadata)
