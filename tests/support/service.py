"""A running service with both doors, and clients for them."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from pydantic import SecretStr
from redemption.v1 import (
    catalog_service_pb2_grpc,
    coupon_redemption_service_pb2_grpc,
    promotion_redemption_service_pb2_grpc,
    reversal_service_pb2_grpc,
)
from redemption_gateway.server import running_gateway
from redemption_gateway.settings import GatewaySettings
from redemption_server.app import running_server, system_clock
from redemption_server.commit.queue import CommitQueue
from redemption_server.in_process import InProcessCaller
from redemption_server.rules.commands import Clock
from redemption_server.settings import Settings

from tests.support import catalogs

REDEMPTIONS = "/api_gateway/v1/promotions/redemptions"
COUPONS = "/v1.1/coupon/redeem"
# What every error of a request that was judged says beside its own variables.
FINAL = {"state_changed": "no", "retry": "pointless"}


def basic(key: str = catalogs.KEY, secret: str = catalogs.SECRET) -> str:
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()


@dataclass
class Service:
    """`http` sends the credential of the test organisation; so does `metadata`, for the stubs."""

    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    queue: CommitQueue
    grpc_port: int
    http_port: int
    database_file: Path
    metadata: tuple[tuple[str, str], ...] = (("authorization", basic()),)

    @property
    def promotions(self) -> Any:
        return promotion_redemption_service_pb2_grpc.PromotionRedemptionServiceStub(self.channel)  # type: ignore[no-untyped-call]

    @property
    def coupons(self) -> Any:
        return coupon_redemption_service_pb2_grpc.CouponRedemptionServiceStub(self.channel)  # type: ignore[no-untyped-call]

    @property
    def reversals(self) -> Any:
        return reversal_service_pb2_grpc.ReversalServiceStub(self.channel)  # type: ignore[no-untyped-call]

    @property
    def catalog(self) -> Any:
        return catalog_service_pb2_grpc.CatalogServiceStub(self.channel)  # type: ignore[no-untyped-call]

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Posts JSON; `body` is a value, or bytes that are sent as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(
            path, content=content, headers={"Content-Type": "application/json", **headers}
        )


@asynccontextmanager
async def run_service(
    database_url: str,
    *catalog_files: Path,
    clock: Clock = system_clock,
    time_zone: str = "UTC",
    key: str = catalogs.KEY,
    secret: str = catalogs.SECRET,
    deadline_seconds: float = 10.0,
    in_process: bool = False,
    **settings: Any,
) -> AsyncIterator[Service]:
    """Both doors; the gateway calls over a channel, or `in_process` as `redemption up` does."""
    server_settings = Settings(
        database_url=SecretStr(database_url),
        grpc_address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        time_zone=time_zone,
        **settings,
    )
    async with running_server(server_settings, catalog_files, clock) as server:
        gateway = GatewaySettings(
            "127.0.0.1:0", f"ipv4:127.0.0.1:{server.port}", time_zone, deadline_seconds
        )
        caller = InProcessCaller(server) if in_process else None
        async with running_gateway(gateway, caller) as http_port:
            authorization = basic(key, secret)
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{http_port}",
                headers={"Authorization": authorization},
                timeout=30,
            )
            # Without it a client takes in megabytes that nobody has read yet.
            options = [("grpc.http2.bdp_probe", 0)]
            address = f"127.0.0.1:{server.port}"
            async with client, grpc.aio.insecure_channel(address, options) as channel:
                file = Path(database_url.removeprefix("sqlite+aiosqlite:///"))
                metadata = (("authorization", authorization),)
                yield Service(client, channel, server.queue, server.port, http_port, file, metadata)


def status_of(error: grpc.aio.AioRpcError) -> Status:
    """The `google.rpc.Status` that a call failed with."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    return status


def detail(status: Status, kind: Any) -> Any:
    """The only detail of a kind in a status."""
    found = []
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            found.append(message)
    assert len(found) == 1, status
    return found[0]


def error_info(status: Status) -> error_details_pb2.ErrorInfo:
    """The `ErrorInfo` of a status."""
    info: error_details_pb2.ErrorInfo = detail(status, error_details_pb2.ErrorInfo)
    return info
