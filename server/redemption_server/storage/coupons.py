"""Single coupons: issued, revoked, and read with all that is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from redemption.v1 import catalog_pb2
from sqlalchemy import Connection, Row, exists, select

from redemption_server.rules.facts import CounterKey, Coupon, CouponSeries, Scope
from redemption_server.rules.normal import fold
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.bulk import hold_alone, require_target
from redemption_server.storage.catalog_messages import coupon_message
from redemption_server.storage.catalog_tables import CouponRow, CouponSeriesRow, CustomerRow
from redemption_server.storage.counted import coupon_sums, sums
from redemption_server.storage.coupon_facts import coupon_of, series_of
from redemption_server.storage.dialect import insert_rows, table_of
from redemption_server.storage.feed_events import FoundCouponRedemption, load_coupon_redemptions
from redemption_server.storage.instants import to_ms
from redemption_server.storage.record_tables import CouponRedemptionRow
from redemption_server.storage.usage import read_usage

_coupon = table_of(CouponRow)
_series = table_of(CouponSeriesRow)
_customer = table_of(CustomerRow)
_redemption = table_of(CouponRedemptionRow)
REDEMPTIONS_MAX = 100


class CouponDetails(NamedTuple):
    """A coupon and its series, how much of both is used, and the newest redemptions."""

    message: catalog_pb2.Coupon
    coupon: Coupon
    series: CouponSeries
    used: int
    series_used: int
    redemptions: Sequence[FoundCouponRedemption]


@dataclass(frozen=True, slots=True)
class IssueCoupon:
    """The work of issuing a coupon; with `series_id` it is made if it is not there."""

    org_id: int
    code: str
    series_id: int | None
    customer_id: int
    now: datetime

    def __call__(self, connection: Connection) -> catalog_pb2.Coupon:
        """Issues it; returns it as stored. Raises Refused."""
        hold_alone(connection, self.org_id)
        self._require_customer(connection)
        if self.series_id is not None:
            require_target(connection, self.org_id, "coupons", self.series_id)
            row = (
                self.org_id,
                fold(self.code),
                self.code,
                self.series_id,
                self.customer_id,
                to_ms(self.now),
                None,
                "",
                False,
            )
            insert_rows(connection, _coupon, [row], "ON CONFLICT DO NOTHING")
        found = _require(connection, self.org_id, fold(self.code), self.code)
        if found.revoked:
            raise Refused.because(Reason.COUPON_REVOKED, "The coupon has been revoked")
        if found.customer_id not in (None, self.customer_id):
            raise Refused.because(
                Reason.COUPON_ISSUED,
                f"Coupon {self.code} was issued to another customer",
                code=self.code,
            )
        if found.customer_id is None:
            connection.execute(
                _coupon.update()
                .where(_coupon.c.org_id == self.org_id, _coupon.c.code_key == found.code_key)
                .values(customer_id=self.customer_id, issued_at_ms=to_ms(self.now))
            )
            found = _require(connection, self.org_id, found.code_key, self.code)
        return coupon_message(found, with_validation_code=True)

    def _require_customer(self, connection: Connection) -> None:
        known = exists().where(
            _customer.c.org_id == self.org_id, _customer.c.id == self.customer_id
        )
        if not connection.execute(select(known)).scalar_one():
            raise Refused.because(
                Reason.CUSTOMER_NOT_FOUND, "The customer does not exist", field="customer_id"
            )


@dataclass(frozen=True, slots=True)
class RevokeCoupon:
    """The work of revoking a coupon."""

    org_id: int
    code: str

    def __call__(self, connection: Connection) -> catalog_pb2.Coupon:
        """Revokes it; returns it as stored. Raises Refused (CODE_NOT_FOUND)."""
        hold_alone(connection, self.org_id)
        key = fold(self.code)
        _require(connection, self.org_id, key, self.code)
        connection.execute(
            _coupon.update()
            .where(_coupon.c.org_id == self.org_id, _coupon.c.code_key == key)
            .values(revoked=True)
        )
        found = _require(connection, self.org_id, key, self.code)
        return coupon_message(found, with_validation_code=True)


def load_coupon(connection: Connection, org_id: int, code: str) -> CouponDetails:
    """A coupon with all that is known of it. Raises Refused (CODE_NOT_FOUND)."""
    row = _require(connection, org_id, fold(code), code)
    series_row = connection.execute(
        select(_series).where(_series.c.org_id == org_id, _series.c.id == row.series_id)
    ).one()
    of_coupon = CounterKey(Scope.COUPON, row.code_key)
    of_series = CounterKey(Scope.SERIES, str(row.series_id))
    usage = read_usage(connection, org_id, sorted([of_coupon, of_series]))
    ids = connection.execute(
        select(_redemption.c.id)
        .where(_redemption.c.org_id == org_id, _redemption.c.code_key == row.code_key)
        .order_by(_redemption.c.id.desc())
        .limit(REDEMPTIONS_MAX)
    ).scalars()
    found = load_coupon_redemptions(connection, org_id, sorted(ids))
    series = series_of(series_row)
    used = usage[of_coupon].used
    if series.max_redemptions_per_coupon is None:
        # What has no limit has no counter.
        of_code = _redemption.c.code_key == row.code_key
        used = sum(s.used for s in sums(connection, coupon_sums(org_id, Scope.COUPON, of_code)))
    return CouponDetails(
        coupon_message(row, with_validation_code=False),
        coupon_of(row),
        series,
        used,
        usage[of_series].used,
        sorted(found, key=lambda redemption: -redemption.redemption_id),
    )


def _require(connection: Connection, org_id: int, code_key: str, code: str) -> Row[Any]:
    row = connection.execute(
        select(_coupon).where(_coupon.c.org_id == org_id, _coupon.c.code_key == code_key)
    ).one_or_none()
    if row is None:
        raise Refused.because(
            Reason.CODE_NOT_FOUND, f"Coupon {code} does not exist", field="code", code=code
        )
    return row
