"""Decodes coupon requests into commands, checking their shape."""

import hashlib

import orjson
from redemption.v1 import coupon_redemption_pb2, coupon_redemption_service_pb2

from redemption_server.access.identity import Identity
from redemption_server.rpc.shape import Shape
from redemption_server.rules.commands import CouponCustomer, CouponUse, IdSource, RedeemCoupons
from redemption_server.rules.decimals import DecimalError, parse_micros
from redemption_server.rules.facts import Operation, RequestKey
from redemption_server.rules.identity import coupon_identifier
from redemption_server.rules.normal import fold

COUPONS_MAX = 100
CUSTOM_FIELDS_MAX = 50
REQUEST_ID_LENGTH_MAX = 255

_Request = coupon_redemption_service_pb2.RedeemCouponsRequest


def decode_redeem_coupons(request: _Request, identity: Identity, ids: IdSource) -> RedeemCoupons:
    """The command in a request. Raises Refused with every violation of its shape."""
    shape = Shape()
    if not 1 <= len(request.coupons) <= COUPONS_MAX:
        shape.fail("coupons", f"must hold 1 to {COUPONS_MAX} coupons")
        shape.check()
    region = identity.membership.region
    coupons = tuple(
        _decode_use(f"coupons[{i}].", use, region, shape) for i, use in enumerate(request.coupons)
    )
    key = RequestKey(Operation.REDEEM_COUPONS_ONCE, ids.record_id())
    if request.request_id:
        key = RequestKey(Operation.REDEEM_COUPONS, decode_request_id(request.request_id, shape))
    shape.check()
    return RedeemCoupons(
        caller=identity.caller,
        key=key,
        content=_content(coupons, atomic=request.atomic),
        atomic=request.atomic,
        coupons=coupons,
    )


def decode_request_id(request_id: str, shape: Shape, field: str = "request_id") -> str:
    """The key of a request, which was given."""
    printable = request_id.isascii() and request_id.isprintable()
    if not printable or not 1 <= len(request_id) <= REQUEST_ID_LENGTH_MAX:
        shape.fail(field, f"must be 1 to {REQUEST_ID_LENGTH_MAX} printable ASCII characters")
    return request_id


def _decode_use(
    prefix: str, use: coupon_redemption_pb2.CouponUse, region: str, shape: Shape
) -> CouponUse:
    customer = CouponCustomer(
        mobile=shape.text(prefix + "customer.mobile", use.customer.mobile),
        email=shape.text(prefix + "customer.email", use.customer.email),
        external_id=shape.text(prefix + "customer.external_id", use.customer.external_id),
        customer_id=use.customer.customer_id,
        card_number=shape.text(prefix + "customer.card_number", use.customer.card_number),
        card_external_id=shape.text(
            prefix + "customer.card_external_id", use.customer.card_external_id
        ),
    )
    if len(use.custom_fields) > CUSTOM_FIELDS_MAX:
        shape.fail(prefix + "custom_fields", f"must hold at most {CUSTOM_FIELDS_MAX} fields")
    for i, field in enumerate(use.custom_fields):
        shape.text(f"{prefix}custom_fields[{i}].name", field.name, required=True)
        shape.text(f"{prefix}custom_fields[{i}].value", field.value)
    amount_text = shape.text(prefix + "transaction.amount", use.transaction.amount.value)
    return CouponUse(
        code=shape.text(prefix + "code", use.code),
        code_key=fold(use.code),
        customer=customer,
        identifier=coupon_identifier(customer, region),
        validation_code=shape.text(prefix + "validation_code", use.validation_code),
        transaction_number=shape.text(prefix + "transaction.number", use.transaction.number),
        amount_text=amount_text,
        amount=_amount(amount_text),
        custom_fields=tuple((field.name, field.value) for field in use.custom_fields),
    )


def _amount(text: str) -> int | None:
    """Micro-units; a malformed amount fails its coupon, not the request."""
    try:
        return parse_micros(text)
    except DecimalError:
        return None


def _content(coupons: tuple[CouponUse, ...], *, atomic: bool) -> bytes:
    """A digest of what the request means: amounts as numbers, codes without case."""
    meaning = [
        [
            use.code_key,
            use.identifier,
            use.validation_code,
            use.transaction_number,
            use.amount_text if use.amount is None else use.amount,
            use.custom_fields,
        ]
        for use in coupons
    ]
    return hashlib.sha256(orjson.dumps([atomic, meaning], default=list)).digest()
