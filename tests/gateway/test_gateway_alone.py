"""The gateway when its server is away, slow or broken, and what it counts of what it ignored."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from redemption_gateway.app import Gateway
from redemption_gateway.caller import ChannelCaller
from redemption_gateway.routes import make_routes
from redemption_gateway.server import running_gateway
from redemption_gateway.settings import GatewaySettings

from tests.gateway.door import assert_common_headers, coupon, coupons, line, promotions, texts
from tests.support.service import COUPONS, REDEMPTIONS, Service, basic

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = "ipv4:127.0.0.1:1"
LOOKUP = REDEMPTIONS + "?codes=PAGED&mode=DISCOUNT&includeRedemptions=true"
SURFACES = [
    pytest.param("POST", REDEMPTIONS, promotions(), "A", id="A"),
    pytest.param("GET", LOOKUP, None, "B", id="B"),
    pytest.param("POST", COUPONS, coupons(), "C", id="C"),
]
AUTHORIZATION = {"Authorization": basic()}


async def ask(gateway: GatewaySettings, verb: str, path: str, body: Any) -> httpx.Response:
    async with running_gateway(gateway) as port, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}{path}"
        return await client.request(verb, url, json=body, headers=AUTHORIZATION)


@pytest.mark.provokes("UNAVAILABLE")
@pytest.mark.parametrize(("verb", "path", "body", "form"), SURFACES)
async def test_without_a_server_it_is_503_with_retry_after(
    verb: str, path: str, body: Any, form: str
) -> None:
    gateway = GatewaySettings("127.0.0.1:0", NOBODY, "UTC")
    response = await ask(gateway, verb, path, body)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    (text,) = texts(response, form)
    assert "127.0.0.1" not in text


@pytest.mark.provokes("DEADLINE_EXCEEDED")
@pytest.mark.parametrize(("verb", "path", "body", "form"), SURFACES)
async def test_after_the_deadline_it_is_504(
    door: Service, verb: str, path: str, body: Any, form: str
) -> None:
    target = f"ipv4:127.0.0.1:{door.grpc_port}"
    gateway = GatewaySettings("127.0.0.1:0", target, "UTC", deadline_seconds=1e-6)
    response = await ask(gateway, verb, path, body)
    assert response.status_code == 504
    assert len(texts(response, form)) == 1


async def test_without_a_server_it_is_alive_and_not_ready() -> None:
    gateway = GatewaySettings("127.0.0.1:0", NOBODY, "UTC")
    alive = await ask(gateway, "GET", "/healthz", None)
    ready = await ask(gateway, "GET", "/readyz", None)
    assert (alive.status_code, ready.status_code) == (200, 503)
    for response in (alive, ready):
        assert_common_headers(response)


@pytest.mark.provokes("INTERNAL")
async def test_an_unknown_failure_is_500_with_a_fixed_text(door: Service) -> None:
    with closing(sqlite3.connect(door.database_file)) as connection:
        connection.execute("ALTER TABLE promotion_redemption RENAME TO promotion_redemption_away")
    try:
        for verb, path, body, form in (
            ("GET", LOOKUP, None, "B"),
            ("POST", REDEMPTIONS, promotions(redemptions=[line()]), "A"),
        ):
            response = await door.http.request(verb, path, json=body)
            assert response.status_code == 500
            assert texts(response, form) == ["An internal error occurred"]
    finally:
        with closing(sqlite3.connect(door.database_file)) as connection:
            connection.execute(
                "ALTER TABLE promotion_redemption_away RENAME TO promotion_redemption"
            )


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(door: Service) -> AsyncIterator[Gateway]:
    """A gateway in front of the same server, to be looked into."""
    caller = ChannelCaller(f"ipv4:127.0.0.1:{door.grpc_port}", None)
    yield Gateway(make_routes(ZoneInfo("UTC")), caller, 10)
    await caller.close()


@pytest.mark.parametrize(
    ("verb", "path", "body", "count"),
    [
        pytest.param("POST", REDEMPTIONS, promotions(), 0, id="A, nothing"),
        pytest.param("POST", COUPONS, coupons(), 0, id="C, nothing"),
        pytest.param("GET", LOOKUP, None, 0, id="B, nothing"),
        pytest.param(
            "POST",
            REDEMPTIONS,
            promotions(x=1, CustomerId=2, redemptions=[line(x={"y": 1})]),
            3,
            id="A, fields",
        ),
        pytest.param(
            "POST",
            COUPONS,
            {"x": 1, **coupons(coupon(x=1, transaction={"x": 1}, customer={"x": 1, "id": 501}))},
            4,
            id="C, fields",
        ),
        pytest.param("GET", LOOKUP + "&x=1&y", None, 2, id="B, parameters"),
        pytest.param("POST", COUPONS + "?user_id=true&x=1", coupons(), 1, id="C, parameters"),
        pytest.param(
            "POST",
            REDEMPTIONS + "?x=1",
            promotions(),
            1,
            id="A, parameters",
        ),
    ],
)
async def test_what_is_ignored_is_counted(
    gateway: Gateway, verb: str, path: str, body: Any, count: int
) -> None:
    transport = httpx.ASGITransport(gateway)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        content = b"" if body is None else json.dumps(body).encode()
        response = await client.request(verb, path, content=content, headers=AUTHORIZATION)
    assert response.status_code in (200, 404)
    assert gateway.statistics.unknown_fields == count
