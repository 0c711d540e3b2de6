"""By which identifier a request names its customer."""

from redemption_server.rules.commands import CouponCustomer
from redemption_server.rules.facts import (
    ANONYMOUS_CUSTOMER_ID,
    CustomerIdentifier,
    IdentifierKind,
)
from redemption_server.rules.normal import fold, mobile_digits


def promotion_identifier(
    customer_id: int | None, identifier_type: str, value: str, region: str
) -> CustomerIdentifier | None:
    """The identifier that counts: the id wins over the pair; None for the anonymous customer.

    Raises ValueError for an unknown identifier type.
    """
    if customer_id is not None:
        if customer_id == ANONYMOUS_CUSTOMER_ID:
            return None
        return CustomerIdentifier(IdentifierKind.ID, str(customer_id))
    return normal_identifier(IdentifierKind(identifier_type.lower()), value, region)


def coupon_identifier(customer: CouponCustomer, region: str) -> CustomerIdentifier | None:
    """The first identifier that was sent, in the order of the contract; None without any."""
    for kind, value in (
        (IdentifierKind.ID, str(customer.customer_id) if customer.customer_id else ""),
        (IdentifierKind.MOBILE, customer.mobile),
        (IdentifierKind.EMAIL, customer.email),
        (IdentifierKind.EXTERNAL_ID, customer.external_id),
        (IdentifierKind.CARD_NUMBER, customer.card_number),
        (IdentifierKind.CARD_EXTERNAL_ID, customer.card_external_id),
    ):
        if value:
            return normal_identifier(kind, value, region)
    return None


def normal_identifier(kind: IdentifierKind, value: str, region: str) -> CustomerIdentifier:
    """The identifier in the normal form in which the catalog stores it.

    A value that cannot name anybody (no phone number, no number) becomes empty, which no customer
    has.
    """
    if kind is IdentifierKind.MOBILE:
        value = mobile_digits(value, region)
    elif kind is IdentifierKind.EMAIL:
        value = fold(value)
    elif kind is IdentifierKind.ID:
        value = _id_text(value)
    return CustomerIdentifier(kind, value)


def _id_text(value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) <= 19):
        return ""
    number = int(value)
    return str(number) if 0 < number < 2**63 else ""
