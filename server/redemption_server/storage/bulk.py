"""Rows in bulk: chunks that are added in one transaction each, and pages that are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from redemption.v1 import catalog_pb2
from sqlalchemy import Column, Connection, Table, exists, select

from redemption_server.rules.normal import fold
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused, Violation
from redemption_server.storage import catalog_rows
from redemption_server.storage.catalog_references import check_keys, check_references
from redemption_server.storage.catalog_tables import (
    CouponRow,
    CouponSeriesRow,
    CustomerRow,
    OrganizationRow,
    PromotionCodeRow,
    PromotionRow,
)
from redemption_server.storage.dialect import (
    allow_pauses,
    among,
    delete_rows,
    insert_returning,
    insert_rows,
    table_of,
)

_organization = table_of(OrganizationRow)
_coupon = table_of(CouponRow)
_series = table_of(CouponSeriesRow)
_code = table_of(PromotionCodeRow)
_promotion = table_of(PromotionRow)
_customer = table_of(CustomerRow)
PATH = "organization"


class Stored(NamedTuple):
    """Where the rows of a kind are stored: by what they are told apart, and what they belong to."""

    table: Table
    key: Column[Any]
    target: Column[Any] | None
    rows: Callable[[catalog_pb2.Organization, str], list[tuple[Any, ...]]]


STORED: dict[str, Stored] = {
    "coupons": Stored(
        _coupon,
        _coupon.c.code_key,
        _coupon.c.series_id,
        lambda organization, _: catalog_rows.coupon_rows(organization),
    ),
    "promotion codes": Stored(
        _code,
        _code.c.id,
        _code.c.promotion_id,
        lambda organization, _: catalog_rows.promotion_code_rows(organization),
    ),
    "customers": Stored(_customer, _customer.c.id, None, catalog_rows.customer_rows),
}
_TARGETS: dict[str, tuple[Column[Any], Reason, str]] = {
    "coupons": (_series.c.id, Reason.SERIES_NOT_FOUND, "series_id"),
    "promotion codes": (_promotion.c.id, Reason.PROMOTION_NOT_FOUND, "promotion_ids"),
}


class AddedChunk(NamedTuple):
    """What became of a chunk: rows added or replaced, rows that were there, and what was wrong."""

    added: int
    kept: int
    violations: list[Violation]


@dataclass(frozen=True, slots=True)
class AddChunk:
    """Adds the rows of a kind that stand in an organisation, in one transaction.

    Rows that are there already stay as they are, unless `replace`. When anything is wrong nothing
    is added.
    """

    kind: str
    organization: catalog_pb2.Organization
    replace: bool

    def __call__(self, connection: Connection) -> AddedChunk:
        """Adds them. Raises Refused when what they belong to does not exist."""
        allow_pauses(connection)
        org_id = self.organization.id
        region = hold_alone(connection, org_id)
        stored = STORED[self.kind]
        rows = stored.rows(self.organization, region)
        violations = [
            *check_keys(connection, self.organization, PATH, region),
            *check_references(connection, self.organization, PATH),
        ]
        if violations:
            return AddedChunk(0, 0, violations)
        if self.replace:
            keys = len(stored.table.primary_key)
            delete_rows(connection, stored.table, [row[:keys] for row in rows])
            insert_rows(connection, stored.table, rows)
            return AddedChunk(len(rows), 0, [])
        there = _there(connection, org_id, stored, rows)
        position = list(stored.table.columns).index(stored.key)
        new = [row for row in rows if row[position] not in there]
        insert_rows(connection, stored.table, new)
        return AddedChunk(len(new), len(rows) - len(new), [])


@dataclass(frozen=True, slots=True)
class AddCodes:
    """Adds codes that were made up, as far as they are free; returns how many were."""

    kind: str
    organization: catalog_pb2.Organization

    def __call__(self, connection: Connection) -> int:
        """Adds them."""
        stored = STORED[self.kind]
        rows = stored.rows(self.organization, "")
        key = stored.key.name
        return len(insert_returning(connection, stored.table, rows, "ON CONFLICT DO NOTHING", key))


def hold_alone(connection: Connection, org_id: int) -> str:
    """Keeps redemptions of the organisation out until the transaction ends; gives its region.

    Raises Refused (FIELD_INVALID) when there is no such organisation.
    """
    region = connection.execute(
        select(_organization.c.region).where(_organization.c.id == org_id).with_for_update()
    ).scalar_one_or_none()
    if region is None:
        raise Refused.because(
            Reason.FIELD_INVALID, "names no organisation that there is", field="organization"
        )
    return str(region)


def require_target(connection: Connection, org_id: int, kind: str, target_id: int | str) -> None:
    """Raises Refused when the series or promotion does not exist."""
    if kind not in _TARGETS:
        return
    column, reason, name = _TARGETS[kind]
    known = exists().where(column.table.c.org_id == org_id, column == target_id)
    if not connection.execute(select(known)).scalar_one():
        what = "Coupon series" if kind == "coupons" else "Promotion"
        raise Refused.because(
            reason, f"{what} {target_id} does not exist", **{name: str(target_id)}
        )


def organization_ids_and_regions(connection: Connection) -> dict[int, str]:
    """All organisations with their regions."""
    rows = connection.execute(select(_organization.c.id, _organization.c.region))
    return {row.id: row.region for row in rows}


def load_page(
    connection: Connection, org_id: int, kind: str, target_id: int | str, after: str, count: int
) -> list[Any]:
    """At most `count` rows of a series or promotion behind a key, in the order of their keys."""
    stored = STORED[kind]
    assert stored.target is not None
    statement = (
        select(stored.table)
        .where(stored.table.c.org_id == org_id, stored.target == target_id, stored.key > after)
        .order_by(stored.key)
        .limit(count)
    )
    return list(connection.execute(statement).all())


def ids_of_codes(
    connection: Connection, org_id: int, promotion_id: str, codes: Sequence[str]
) -> dict[str, str]:
    """The ids of those codes that the promotion has, by folded code."""
    keys = sorted(set(map(fold, codes)))
    statement = (
        select(_code.c.code_key, _code.c.id)
        .select_from(among(connection, org_id, _code.c.code_key, keys))
        .where(_code.c.promotion_id == promotion_id)
    )
    return dict(row.t for row in connection.execute(statement))


def _there(
    connection: Connection, org_id: int, stored: Stored, rows: Sequence[tuple[Any, ...]]
) -> set[Any]:
    position = list(stored.table.columns).index(stored.key)
    keys = sorted({row[position] for row in rows})
    statement = select(stored.key).select_from(among(connection, org_id, stored.key, keys))
    return set(connection.execute(statement).scalars())
