"""What the tests of `CouponService` share: two organisations, and calls to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from google.type.decimal_pb2 import Decimal
from redemption.v1 import catalog_pb2, coupon_redemption_pb2, coupon_service_pb2
from redemption.v1.coupon_service_pb2_grpc import CouponServiceStub

from tests.rpc.promotion_calls import failure
from tests.support import catalogs
from tests.support.books import books_at
from tests.support.catalogs import OTHER_KEY, OTHER_ORG, OTHER_SECRET
from tests.support.clock import FakeClock
from tests.support.service import Service, basic, detail, error_info, run_service

pb = coupon_service_pb2
Coupon, Series = catalog_pb2.Coupon, catalog_pb2.CouponSeries
THEIRS = (("authorization", basic(OTHER_KEY, OTHER_SECRET)),)
CLERK = (("authorization", basic("clerk", "clerk")),)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
THEIR_SERIES, THEIR_CODE = 7, "THEIRS"


@asynccontextmanager
async def open_service(url: str, folder: Path, clock: FakeClock) -> AsyncIterator[Service]:
    """Ours has series 1 with COUPON1; theirs has series 7 with a coupon of its own."""
    clerk = {"key": "clerk", "secret": "clerk", "access": {"customer": "write", "default": True}}
    theirs = {**catalogs.CREDENTIAL, "key": OTHER_KEY, "secret": OTHER_SECRET}
    file = catalogs.write(
        folder,
        catalogs.organization(
            credentials=[catalogs.CREDENTIAL, clerk], coupon_series=[catalogs.series()]
        ),
        catalogs.organization(
            id=OTHER_ORG,
            credentials=[theirs],
            coupon_series=[catalogs.series(THEIR_SERIES, coupons=[{"code": THEIR_CODE}])],
        ),
    )
    async with run_service(url, file, clock=clock) as service:
        yield service


def call(service: Service, name: str, metadata: Any = None, **fields: Any) -> Any:
    """A call of `CouponService` by its name, with the fields of its request."""
    return call_at(service.channel, name, metadata or service.metadata, **fields)


def call_at(channel: Any, name: str, metadata: Any, **fields: Any) -> Any:
    """The same over a channel."""
    stub: Any = CouponServiceStub(channel)  # type: ignore[no-untyped-call]
    return getattr(stub, name)(getattr(pb, f"{name}Request")(**fields), metadata=metadata)


async def refusal(service: Service, name: str, metadata: Any = None, **fields: Any) -> str:
    """The reason for which a call is refused."""
    status = await failure(call(service, name, metadata, **fields))
    return str(error_info(status).reason)


async def invalid(service: Service, name: str, **fields: Any) -> list[str]:
    """The fields for which a call is refused."""
    status = await failure(call(service, name, **fields))
    assert error_info(status).reason == "FIELD_INVALID", status
    request = detail(status, error_details_pb2.BadRequest)
    return [violation.field for violation in request.field_violations]


def series(number: int = 2, **changes: Any) -> catalog_pb2.CouponSeries:
    """A series that anyone may redeem; `changes` replace its fields."""
    fields = {
        "id": number,
        "discount_type": coupon_redemption_pb2.DISCOUNT_TYPE_ABS,
        "discount_value": Decimal(value="50"),
        "any_user": True,
        **changes,
    }
    return Series(**fields)


def instant(moment: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(moment)
    return found


async def create(service: Service, *codes: str | catalog_pb2.Coupon, **changes: Any) -> int:
    """A new series with coupons; returns its id."""
    made = await call(service, "CreateCouponSeries", series=series(**changes))
    coupons = [Coupon(code=code) if isinstance(code, str) else code for code in codes]
    if coupons:
        answer = await call(
            service, "ImportCoupons", series_id=made.series.id, coupons=coupons, skip_bad=False
        )
        assert answer.imported == len(coupons), answer
    return int(made.series.id)


async def exported(service: Service, series_id: int, **fields: Any) -> list[catalog_pb2.Coupon]:
    """The coupons that an export sends."""
    stream = call(service, "ExportCoupons", series_id=series_id, **fields)
    return [coupon async for response in stream for coupon in response.coupons]


async def assert_clean(url: str) -> None:
    """Nothing in the database contradicts itself."""
    assert (await books_at(url))["findings"] == []
