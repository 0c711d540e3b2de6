"""Loads what a batch is judged by: catalog facts, with a few set-based statements per organisation.

The organisation's row is taken first, shared: a catalog change takes it alone, so that facts hold
still until the batch has committed.
"""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, select

from redemption_server.rules.commands import (
    Command,
    RedeemCoupons,
    RedeemPromotions,
    ReverseRedemption,
)
from redemption_server.rules.facts import (
    Customer,
    CustomerIdentifier,
    CustomerStatus,
    Facts,
    IdentifierKind,
    Organization,
)
from redemption_server.storage import coupon_facts, promotion_facts, reversals
from redemption_server.storage.catalog_tables import CustomerRow, OrganizationRow
from redemption_server.storage.dialect import Search, table_of

_organization = table_of(OrganizationRow)
_customer = table_of(CustomerRow)

_IDENTIFIER_COLUMNS = {
    IdentifierKind.ID: _customer.c.id,
    IdentifierKind.MOBILE: _customer.c.mobile,
    IdentifierKind.EMAIL: _customer.c.email_key,
    IdentifierKind.EXTERNAL_ID: _customer.c.external_id,
    IdentifierKind.CARD_NUMBER: _customer.c.card_number,
    IdentifierKind.CARD_EXTERNAL_ID: _customer.c.card_external_id,
}
_CUSTOMERS = {
    kind: Search([column], lambda found: select(_customer).select_from(found.source))
    for kind, column in _IDENTIFIER_COLUMNS.items()
}
_ORGANIZATION = select(_organization).where(_organization.c.id == bindparam("org_id"))
_ORGANIZATION_HELD = _ORGANIZATION.with_for_update(read=True)


def load_facts(
    connection: Connection, org_id: int, commands: Sequence[Command], *, hold: bool = True
) -> Facts:
    """The facts that the commands, all of one organisation, refer to; counters not yet.

    With `hold` they stay as they are until the transaction ends.
    """
    facts = Facts(load_organization(connection, org_id, hold=hold))
    facts.customers = load_customers(connection, org_id, _identifiers(commands))
    promotions = [command for command in commands if isinstance(command, RedeemPromotions)]
    if promotions:
        promotion_facts.load(connection, facts, promotions)
    code_keys = {
        use.code_key for c in commands if isinstance(c, RedeemCoupons) for use in c.coupons
    }
    code_keys.discard("")
    if code_keys:
        coupon_facts.load(connection, facts, sorted(code_keys))
    reversing = [command for command in commands if isinstance(command, ReverseRedemption)]
    if reversing:
        reversals.load(connection, facts, reversing)
    return facts


def load_organization(connection: Connection, org_id: int, *, hold: bool) -> Organization:
    """The organisation; with `hold` it is kept from changing until the transaction ends."""
    statement = _ORGANIZATION_HELD if hold else _ORGANIZATION
    return organization_of(connection.execute(statement, {"org_id": org_id}).one())


def organization_of(row: Row[tuple[object, ...]]) -> Organization:
    """The organisation in a row of its table."""
    return Organization(
        id=row.id,
        region=row.region,
        zone=ZoneInfo(row.time_zone),
        redemption_without_evaluation=row.redemption_without_evaluation,
        check_earned_promotion_owner=row.check_earned_promotion_owner,
    )


def load_customers(
    connection: Connection, org_id: int, identifiers: Iterable[CustomerIdentifier]
) -> dict[CustomerIdentifier, Customer]:
    """The known customers among the identifiers."""
    by_kind: dict[IdentifierKind, set[str]] = {}
    for kind, value in identifiers:
        if value:
            by_kind.setdefault(kind, set()).add(value)
    customers: dict[CustomerIdentifier, Customer] = {}
    for kind, values in by_kind.items():
        wanted = [int(value) for value in values] if kind is IdentifierKind.ID else list(values)
        for row in _CUSTOMERS[kind].run_for(connection, org_id, sorted(wanted)):
            value = str(getattr(row, _IDENTIFIER_COLUMNS[kind].name))
            customers[CustomerIdentifier(kind, value)] = _customer_of(row)
    return customers


def _customer_of(row: Row[tuple[object, ...]]) -> Customer:
    return Customer(
        id=row.id,
        mobile=row.mobile or "",
        email=row.email or "",
        external_id=row.external_id or "",
        card_number=row.card_number or "",
        card_external_id=row.card_external_id or "",
        status=CustomerStatus(row.status),
    )


def _identifiers(commands: Sequence[Command]) -> Iterable[CustomerIdentifier]:
    for command in commands:
        if isinstance(command, RedeemPromotions) and command.identifier:
            yield command.identifier
        if isinstance(command, RedeemCoupons):
            for use in command.coupons:
                if use.identifier:
                    yield use.identifier
