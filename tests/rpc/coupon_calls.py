"""Calls of `RedeemCoupons` over real gRPC."""

import sqlite3
from contextlib import closing
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from redemption.v1 import coupon_redemption_pb2 as messages
from redemption.v1 import coupon_redemption_service_pb2 as service_messages

from tests.support import catalogs
from tests.support.service import Service, detail, status_of

ME = messages.CouponCustomer(customer_id=catalogs.CUSTOMER)
ME_AS_KNOWN = messages.CouponCustomer(
    customer_id=catalogs.CUSTOMER,
    mobile="919999988881",
    email="One@example.com",
    external_id="E1",
)


def a_use(code: str = "COUPON1", **fields: Any) -> messages.CouponUse:
    return messages.CouponUse(**{"code": code, "customer": ME, **fields})


async def redeem(service: Service, *uses: messages.CouponUse, **fields: Any) -> Any:
    request = service_messages.RedeemCouponsRequest(coupons=uses, **fields)
    return await service.coupons.RedeemCoupons(request, metadata=service.metadata)


async def refusal(service: Service, *uses: messages.CouponUse, **fields: Any) -> Status:
    """The status of a call that is refused as a whole; nothing is recorded."""
    before = rows(service)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await redeem(service, *uses, **fields)
    assert rows(service) == before
    return status_of(caught.value)


def rows(service: Service) -> list[Any]:
    with closing(sqlite3.connect(service.database_file)) as connection:
        return [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            for table in ("coupon_redemption", "claim", "usage", "event")
        ]


def fields_of(status: Status) -> list[str]:
    request = detail(status, error_details_pb2.BadRequest)
    return [violation.field for violation in request.field_violations]
