"""Adds, changes and reads single coupon series."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redemption.v1 import catalog_pb2
from sqlalchemy import Connection, Row, select

from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused, field_invalid
from redemption_server.storage import catalog_rows
from redemption_server.storage.bulk import hold_alone
from redemption_server.storage.catalog_counters import rebuild_series
from redemption_server.storage.catalog_messages import series_message
from redemption_server.storage.catalog_references import check_references
from redemption_server.storage.catalog_tables import CouponSeriesRow
from redemption_server.storage.coupon_facts import series_of
from redemption_server.storage.dialect import delete_rows, insert_rows, table_of

_series = table_of(CouponSeriesRow)


@dataclass(frozen=True, slots=True)
class CreateSeries:
    """The work of adding a checked series."""

    org_id: int
    series: catalog_pb2.CouponSeries

    def __call__(self, connection: Connection) -> catalog_pb2.CouponSeries:
        """Adds it; returns it as stored. Raises Refused."""
        hold_alone(connection, self.org_id)
        if _find(connection, self.org_id, self.series.id):
            raise Refused.because(
                Reason.SERIES_EXISTS,
                f"Coupon series {self.series.id} exists already",
                series_id=str(self.series.id),
            )
        return _store(connection, self.org_id, self.series)


@dataclass(frozen=True, slots=True)
class UpdateSeries:
    """The work of changing a series. `change` gives the new one, and refuses what is wrong."""

    org_id: int
    series_id: int
    change: Callable[[catalog_pb2.CouponSeries], catalog_pb2.CouponSeries]

    def __call__(self, connection: Connection) -> catalog_pb2.CouponSeries:
        """Changes it; returns it as stored. Raises Refused."""
        hold_alone(connection, self.org_id)
        before = _require(connection, self.org_id, self.series_id)
        changed = self.change(series_message(before))
        delete_rows(connection, _series, [(self.org_id, self.series_id)])
        stored = _store(connection, self.org_id, changed)
        after = _require(connection, self.org_id, self.series_id)
        rebuild_series(connection, self.org_id, series_of(before), series_of(after))
        return stored


def load_series(connection: Connection, org_id: int, series_id: int) -> catalog_pb2.CouponSeries:
    """A series, without its coupons. Raises Refused (SERIES_NOT_FOUND)."""
    return series_message(_require(connection, org_id, series_id))


def series_not_found(series_id: int) -> Refused:
    """There is no such series."""
    return Refused.because(
        Reason.SERIES_NOT_FOUND,
        f"Coupon series {series_id} does not exist",
        series_id=str(series_id),
    )


def _find(connection: Connection, org_id: int, series_id: int) -> Row[Any] | None:
    return connection.execute(
        select(_series).where(_series.c.org_id == org_id, _series.c.id == series_id)
    ).one_or_none()


def _require(connection: Connection, org_id: int, series_id: int) -> Row[Any]:
    row = _find(connection, org_id, series_id)
    if row is None:
        raise series_not_found(series_id)
    return row


def _store(
    connection: Connection, org_id: int, series: catalog_pb2.CouponSeries
) -> catalog_pb2.CouponSeries:
    organization = catalog_pb2.Organization(id=org_id, coupon_series=[series])
    insert_rows(connection, _series, catalog_rows.coupon_series_rows(organization))
    violations = [
        field_invalid(v.field.replace("o.coupon_series[0]", "series"), v.description)
        for v in check_references(connection, organization, "o")
    ]
    if violations:
        raise Refused(violations)
    return load_series(connection, org_id, series.id)
