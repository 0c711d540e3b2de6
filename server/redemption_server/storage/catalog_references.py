"""Checks a catalog against what is stored: keys that others hold, and dangling references.

The first must be known before rows are written, the second only after: a catalog may name what it
brings itself, and may take away what it names.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson
from redemption.v1 import catalog_pb2
from sqlalchemy import Column, Connection, Table, select

from redemption_server.rules.normal import fold, mobile_digits
from redemption_server.rules.refusals import Violation, field_invalid
from redemption_server.storage import catalog_paths as paths
from redemption_server.storage.catalog_tables import (
    CouponRow,
    CouponSeriesRow,
    CredentialOrganizationRow,
    CustomerRow,
    EarnedPromotionRow,
    ProductRow,
    PromotionCodeRow,
    PromotionRow,
    TillRow,
)
from redemption_server.storage.dialect import among, table_of

_till = table_of(TillRow)
_product = table_of(ProductRow)
_customer = table_of(CustomerRow)
_promotion = table_of(PromotionRow)
_code = table_of(PromotionCodeRow)
_earned = table_of(EarnedPromotionRow)
_series = table_of(CouponSeriesRow)
_coupon = table_of(CouponRow)
_membership = table_of(CredentialOrganizationRow)

Named = tuple[str, Any]
"""A value with the path of the field that holds it."""


class _Mention(NamedTuple):
    """An object of the catalog, and the unique value that it holds; empty when it holds none."""

    path: str
    object_id: Any
    value: str


def check_keys(
    connection: Connection, organization: catalog_pb2.Organization, path: str, region: str
) -> Iterator[Violation]:
    """Objects that would move, and unique values that objects outside the catalog hold."""
    yield from _moved_objects(connection, organization, path)
    for table, column, mentions in _unique_values(organization, path, region):
        yield from _held_by_others(connection, organization.id, table, column, mentions)


def check_references(
    connection: Connection, organization: catalog_pb2.Organization, path: str
) -> Iterator[Violation]:
    """References of the organisation that lead nowhere, now that its rows are written."""
    earned = paths.indexed(f"{path}.earned_promotions", organization.earned_promotions)
    promotions = ((f"{item_path}.promotion", item.promotion) for item_path, item in earned)
    for column, named in (
        (_customer.c.id, _customers_named(organization, path)),
        (_till.c.code, _tills_named(organization, path)),
        (_promotion.c.id, promotions),
    ):
        yield from _dangling(connection, organization.id, column, list(named))
    if organization.tills:
        yield from _lost_tills(connection, organization, f"{path}.tills")


def _customers_named(organization: catalog_pb2.Organization, path: str) -> Iterator[Named]:
    sources: tuple[Iterable[tuple[str, Any]], ...] = (
        paths.promotion_codes(organization, path),
        paths.coupons(organization, path),
        paths.indexed(f"{path}.earned_promotions", organization.earned_promotions),
    )
    for source in sources:
        for item_path, item in source:
            if item.customer:
                yield f"{item_path}.customer", item.customer


def _tills_named(organization: catalog_pb2.Organization, path: str) -> Iterator[Named]:
    for item_path, credential in paths.indexed(f"{path}.credentials", organization.credentials):
        if credential.till:
            yield f"{item_path}.till", credential.till
    for item_path, series in paths.indexed(f"{path}.coupon_series", organization.coupon_series):
        yield from paths.indexed(f"{item_path}.tills", series.tills)


def _dangling(
    connection: Connection, org_id: int, column: Column[Any], named: Sequence[Named]
) -> Iterator[Violation]:
    if not named:
        return
    wanted = sorted({value for _, value in named})
    statement = select(column).select_from(among(connection, org_id, column, wanted))
    stored = set(connection.execute(statement).scalars())
    for path, value in named:
        if value not in stored:
            yield field_invalid(path, f"does not exist in the organisation: {value!r}")


def _lost_tills(
    connection: Connection, organization: catalog_pb2.Organization, path: str
) -> Iterator[Violation]:
    """Tills that objects outside the catalog name by a code that the catalog has changed."""
    org_id = organization.id
    keys = {credential.key for credential in organization.credentials}
    series_ids = {series.id for series in organization.coupon_series}
    codes = set(connection.execute(select(_till.c.code).where(_till.c.org_id == org_id)).scalars())
    credentials = select(_membership.c.credential_key, _membership.c.till_code).where(
        _membership.c.org_id == org_id, _membership.c.till_code != ""
    )
    for key, code in connection.execute(credentials):
        if key not in keys and code not in codes:
            yield field_invalid(path, f"no longer hold {code!r}, which credential {key!r} names")
    series = select(_series.c.id, _series.c.tills).where(_series.c.org_id == org_id)
    for series_id, tills in connection.execute(series):
        lost = set() if series_id in series_ids else set(orjson.loads(tills)) - codes
        for code in sorted(lost):
            yield field_invalid(path, f"no longer hold {code!r}, which series {series_id} names")


def _moved_objects(
    connection: Connection, organization: catalog_pb2.Organization, path: str
) -> Iterator[Violation]:
    """Objects cannot move below another parent: their counters and records would not follow."""
    parents: list[tuple[Column[Any], Column[Any], list[tuple[str, Any, Any]]]] = [
        (
            _code.c.id,
            _code.c.promotion_id,
            [
                (f"{p}.codes[{i}].id", code.id, promotion.id)
                for p, promotion in paths.indexed(f"{path}.promotions", organization.promotions)
                for i, code in enumerate(promotion.codes)
            ],
        ),
        (
            _earned.c.id,
            _earned.c.promotion_id,
            [
                (f"{p}.id", earned.id, earned.promotion)
                for p, earned in paths.indexed(
                    f"{path}.earned_promotions", organization.earned_promotions
                )
            ],
        ),
        (
            _coupon.c.code_key,
            _coupon.c.series_id,
            [
                (f"{p}.coupons[{i}].code", fold(coupon.code), series.id)
                for p, series in paths.indexed(f"{path}.coupon_series", organization.coupon_series)
                for i, coupon in enumerate(series.coupons)
            ],
        ),
    ]
    for key, parent, mentions in parents:
        if not mentions:
            continue
        values = sorted({mention[1] for mention in mentions})
        statement = select(key, parent).select_from(among(connection, organization.id, key, values))
        stored = {row[0]: row[1] for row in connection.execute(statement)}
        for field_path, value, mentioned_parent in mentions:
            if stored.get(value, mentioned_parent) != mentioned_parent:
                yield field_invalid(field_path, f"{value!r} belongs to {stored[value]} already")


def _unique_values(
    organization: catalog_pb2.Organization, path: str, region: str
) -> Iterator[tuple[Table, Column[Any], list[_Mention]]]:
    def mentions(
        items: Iterable[tuple[str, Any]], name: str, value: Callable[[Any], str]
    ) -> list[_Mention]:
        return [_Mention(f"{p}.{name}", item.id, value(item)) for p, item in items]

    tills = paths.indexed(f"{path}.tills", organization.tills)
    yield _till, _till.c.code, mentions(tills, "code", lambda t: t.code)
    products = paths.indexed(f"{path}.products", organization.products)
    yield _product, _product.c.sku, mentions(products, "sku", lambda p: p.sku)
    codes = paths.promotion_codes(organization, path)
    yield _code, _code.c.code_key, mentions(codes, "code", lambda c: fold(c.code))
    for name, column, value in (
        ("mobile", _customer.c.mobile, lambda c: mobile_digits(c.mobile, region)),
        ("email", _customer.c.email_key, lambda c: fold(c.email)),
        ("external_id", _customer.c.external_id, lambda c: c.external_id),
        ("card_number", _customer.c.card_number, lambda c: c.card_number),
        ("card_external_id", _customer.c.card_external_id, lambda c: c.card_external_id),
    ):
        customers = paths.indexed(f"{path}.customers", organization.customers)
        yield _customer, column, mentions(customers, name, value)


def _held_by_others(
    connection: Connection,
    org_id: int,
    table: Table,
    column: Column[Any],
    mentions: list[_Mention],
) -> Iterator[Violation]:
    values = sorted({mention.value for mention in mentions if mention.value})
    if not values:
        return
    statement = select(table.c.id, column).select_from(among(connection, org_id, column, values))
    replaced = {mention.object_id for mention in mentions}
    holders = {row[1]: row[0] for row in connection.execute(statement)}
    for mention in mentions:
        holder = holders.get(mention.value)
        # An object that the catalog mentions too is replaced, and gives the value up or keeps it.
        if holder is not None and holder not in replaced:
            yield field_invalid(mention.path, f"{mention.value!r} belongs to {holder} already")
