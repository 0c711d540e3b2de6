"""The requests as the HTTP door takes them."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from redemption_gateway.http import camel_case

from tests.access.apart.requests import COUPONS, LIST, REDEEM, TOKEN


def plain(message: Message, spell: Callable[[str], str] = str) -> dict[str, Any]:
    """A message as JSON."""

    def cell(value: Any) -> Any:
        if not isinstance(value, Message):
            return value
        if value.DESCRIPTOR.full_name == "google.type.Decimal":
            return float(value.value)  # type: ignore[attr-defined]
        if value.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
            return value.ToMilliseconds()  # type: ignore[attr-defined]
        return plain(value, spell)

    return {
        spell(field.name): [cell(one) for one in value] if field.is_repeated else cell(value)
        for field, value in message.ListFields()
    }


def coupons_body(message: Any) -> dict[str, Any]:
    coupons = [plain(coupon) for coupon in message.coupons]
    for coupon in coupons:
        customer = coupon["customer"]
        if "customer_id" in customer:
            customer["id"] = customer.pop("customer_id")
        coupon["custom_fields"] = {"field": coupon["custom_fields"]}
    headers = {"Idempotency-Key": message.request_id}
    return {"json": {"root": {"coupon": coupons}}, "headers": headers}


def query(message: Any) -> dict[str, Any]:
    codes, token = ",".join(message.codes), message.page_token
    params = {"codes": codes, "mode": "DISCOUNT", "includeRedemptions": "true"}
    return {"params": params | ({"pageToken": token} if token else {})}


HTTP: dict[str, Callable[[Message], dict[str, Any]]] = {
    REDEEM: lambda message: {"json": plain(message, camel_case)},
    LIST: query,
    COUPONS: coupons_body,
    TOKEN: lambda message: {"json": plain(message)},
}
