"""Callers that do as tills do: a request goes out again, with its key, until it is answered."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import grpc
import grpc.aio
import httpx
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from redemption.v1 import (
    coupon_redemption_pb2,
    coupon_redemption_service_pb2,
    coupon_redemption_service_pb2_grpc,
    promotion_redemption_service_pb2_grpc,
)

from tests.support import catalogs
from tests.support.load import METADATA, redeem_body, redeem_request
from tests.support.service import COUPONS, REDEMPTIONS, basic, detail

_ANSWER_SECONDS = 60.0
_ATTEMPT_SECONDS = 10.0
_PAUSE_SECONDS = 0.05
# Reasons that say: nothing is decided, send it again.
_TRY_AGAIN = frozenset({"CONTENTION", "DEADLINE_EXCEEDED", "OVERLOADED", "UNAVAILABLE"})

Result = TypeVar("Result")


class Ask(NamedTuple):
    """One use of a promotion, or one coupon where there is a `code`; repeated under its `key`."""

    key: str
    promotion_id: str = ""
    code: str = ""
    customer_id: int = catalogs.CUSTOMER
    lines: int = 1


class Answer(NamedTuple):
    """What a service said; `reason` is empty when it granted, `content` is equal in a replay."""

    reason: str = ""
    scope: str = ""
    replayed: bool = False
    redemption_id: str = ""
    content: str = ""

    @property
    def granted(self) -> bool:
        return not self.reason


class Unanswered(Exception):
    """The reply was lost, or said to try again."""


class Door(Protocol):
    """A way into the service."""

    async def redeem(self, ask: Ask) -> Answer:
        """One attempt. Raises Unanswered."""
        ...

    async def aclose(self) -> None: ...


async def until_answered(
    attempt: Callable[[], Awaitable[Result]], seconds: float = _ANSWER_SECONDS
) -> Result:
    """Attempts until it is answered, which takes no longer than `seconds`."""
    last: Unanswered | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await attempt()
                except Unanswered as unanswered:
                    last = unanswered
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        raise AssertionError(f"no answer within {seconds} s, the last was {last!r}") from last


class GrpcDoor:
    """The gRPC door at a port of this machine."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{port}",
            options=[
                # Nothing is repeated but by a till; doors share no connection; a lost one is soon
                # replaced.
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.enable_retries", 0),
                ("grpc.initial_reconnect_backoff_ms", 50),
                ("grpc.min_reconnect_backoff_ms", 50),
                ("grpc.max_reconnect_backoff_ms", 100),
            ],
        )
        self._promotions: Any = (
            promotion_redemption_service_pb2_grpc.PromotionRedemptionServiceStub(self._channel)  # type: ignore[no-untyped-call]
        )
        self._coupons: Any = coupon_redemption_service_pb2_grpc.CouponRedemptionServiceStub(  # type: ignore[no-untyped-call]
            self._channel
        )

    async def redeem(self, ask: Ask) -> Answer:
        """See `Door`."""
        method, request = self._call(ask)
        try:
            response = await method(request, metadata=METADATA, timeout=_ATTEMPT_SECONDS)
        except grpc.aio.AioRpcError as error:
            return _refusal(error)
        replayed, response.replayed = response.replayed, False
        answer = _coupon_answer(response.results[0]) if ask.code else Answer()
        return answer._replace(replayed=replayed, content=str(response))

    async def aclose(self) -> None:
        """See `Door`."""
        # Without a grace, attempts under way would look as if the test had cancelled them.
        await self._channel.close(_ATTEMPT_SECONDS)

    def _call(self, ask: Ask) -> tuple[Any, Any]:
        if ask.code:
            customer = coupon_redemption_pb2.CouponCustomer(customer_id=ask.customer_id)
            use = coupon_redemption_pb2.CouponUse(code=ask.code, customer=customer)
            request = coupon_redemption_service_pb2.RedeemCouponsRequest(
                coupons=[use], request_id=ask.key
            )
            return self._coupons.RedeemCoupons, request
        redeem = redeem_request(ask.key, customer_id=ask.customer_id)
        redeem.redemptions[0].promotion_id = ask.promotion_id
        redeem.redemptions.extend([redeem.redemptions[0]] * (ask.lines - 1))
        return self._promotions.RedeemPromotions, redeem


def _refusal(error: grpc.aio.AioRpcError) -> Answer:
    status = rpc_status.from_call(error)
    if status is None:
        # The transport gave up; the service said nothing.
        raise Unanswered(error.details()) from error
    info = detail(status, error_details_pb2.ErrorInfo)
    if info.reason in _TRY_AGAIN:
        raise Unanswered(info.reason) from error
    return Answer(info.reason, info.metadata.get("scope", ""))


def _coupon_answer(result: coupon_redemption_pb2.CouponResult) -> Answer:
    if result.HasField("redemption"):
        return Answer(redemption_id=str(result.redemption.redemption_id))
    info = detail(result.error, error_details_pb2.ErrorInfo)
    return Answer(info.reason, info.metadata.get("scope", ""))


class HttpDoor:
    """The HTTP door at a port of this machine."""

    def __init__(self, port: int) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": basic(), "Content-Type": "application/json"},
            timeout=_ATTEMPT_SECONDS,
        )

    async def redeem(self, ask: Ask) -> Answer:
        """See `Door`."""
        path, body, headers = self._call(ask)
        try:
            response = await self._client.post(path, content=json.dumps(body), headers=headers)
        except httpx.TransportError as error:
            raise Unanswered(repr(error)) from error
        if response.status_code == 504 or "retry-after" in response.headers:
            raise Unanswered(response.text)
        assert response.status_code == 200, response.text
        replayed = response.headers.get("idempotent-replayed") == "true"
        answer = _coupon_item_answer(response.json()) if ask.code else Answer()
        return answer._replace(replayed=replayed, content=response.text)

    async def aclose(self) -> None:
        """See `Door`."""
        await self._client.aclose()

    def _call(self, ask: Ask) -> tuple[str, Any, dict[str, str]]:
        if ask.code:
            coupon = {"code": ask.code, "customer": {"id": ask.customer_id}}
            return COUPONS, {"root": {"coupon": [coupon]}}, {"Idempotency-Key": ask.key}
        body = redeem_body(ask.key)
        body["customerId"] = ask.customer_id
        body["redemptions"][0]["promotionId"] = ask.promotion_id
        body["redemptions"] *= ask.lines
        return REDEMPTIONS, body, {}


def _coupon_item_answer(body: Any) -> Answer:
    item = body["response"]["coupons"]["coupon"]
    if item["item_status"]["success"] == "true":
        return Answer(redemption_id=item["redemption_id"])
    return Answer(item["item_status"]["message"])
