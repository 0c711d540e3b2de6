"""A failure of the gateway itself is answered in the form of the surface that was called."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from google.protobuf.message import Message
from redemption_gateway.app import Gateway
from redemption_gateway.caller import CallAnswer
from redemption_gateway.routes import make_routes

from tests.support.load import redeem_body
from tests.support.service import COUPONS, REDEMPTIONS, basic


class FailingCaller:
    """A seam that breaks, with something in its text that must not leak."""

    async def call(
        self, method: str, request: Message, metadata: Mapping[str, str], timeout_seconds: float
    ) -> CallAnswer:
        raise ZeroDivisionError("internals")

    async def is_serving(self) -> bool:
        return True

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("verb", "path", "body", "key"),
    [
        pytest.param("POST", REDEMPTIONS, redeem_body("t1"), "errorCode", id="A"),
        pytest.param("GET", f"{REDEMPTIONS}?codes=A&mode=DISCOUNT", None, "errors", id="B"),
        pytest.param("POST", COUPONS, {"root": {"coupon": {"code": "A"}}}, "response", id="C"),
        pytest.param(
            "POST", "/v3/oauth/token/generate", {"key": "k", "secret": "s"}, "errors", id="D"
        ),
    ],
)
async def test_a_failure_of_the_gateway_has_the_form_of_its_surface(
    verb: str, path: str, body: Any, key: str
) -> None:
    gateway = Gateway(make_routes(ZoneInfo("UTC")), FailingCaller(), 1.0)
    transport = httpx.ASGITransport(gateway)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.request(verb, path, json=body, headers={"Authorization": basic()})
    assert answer.status_code == 500
    assert key in answer.json()
    assert "internals" not in answer.text
    assert len(answer.headers["X-Cap-RequestID"]) == 32
