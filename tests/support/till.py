"""A till: sends redemptions over gRPC, and again what it is told to, and remembers every answer."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redemption.v1.promotion_redemption_service_pb2_grpc import PromotionRedemptionServiceStub

from tests.support.eventually import eventually
from tests.support.load import METADATA, redeem_request
from tests.support.service import detail, error_info, status_of

GRANTED, REPLAYED = "granted", "replayed"
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Answer:
    """What a call was answered, when it was sent and how long it took.

    `said` is "granted", "replayed", or the reason of a refusal; `advice` is the metadata of the
    refusal, nothing when the client itself gave up.
    """

    identifier: str
    said: str
    sent_at: float
    seconds: float
    advice: Mapping[str, str] = field(default_factory=dict)
    retry_seconds: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether the redemption is known to be recorded."""
        return self.said in (GRANTED, REPLAYED)

    @property
    def may_be_recorded(self) -> bool:
        """Whether a caller must reckon that the redemption is recorded."""
        return self.advice.get("state_changed") != "no"


class Till:
    """Redeems over a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._redemptions: Any = PromotionRedemptionServiceStub(channel)  # type: ignore[no-untyped-call]
        self._health: Any = health_pb2_grpc.HealthStub(channel)
        self.answers: list[Answer] = []

    async def redeem(self, identifier: str, timeout: float | None = None) -> Answer:  # noqa: ASYNC109 — gRPC's own
        """The answer to one redemption."""
        sent_at = time.monotonic()
        details: dict[str, Any] = {}
        try:
            response = await self._redemptions.RedeemPromotions(
                redeem_request(identifier), metadata=METADATA, timeout=timeout
            )
            said = REPLAYED if response.replayed else GRANTED
        except grpc.aio.AioRpcError as error:
            said, details = _read(error)
        answer = Answer(identifier, said, sent_at, time.monotonic() - sent_at, **details)
        self.answers.append(answer)
        return answer

    async def settle(self, identifier: str, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Sends one redemption until it is known to be recorded."""
        answer = await self.redeem(identifier, timeout)
        while not answer.is_settled:
            await asyncio.sleep(_PAUSE_SECONDS)
            answer = await self.redeem(identifier, timeout)

    async def is_serving(self) -> bool:
        """What the health service says."""
        answer = await self._health.Check(health_pb2.HealthCheckRequest())
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    @property
    def identifiers(self) -> set[str]:
        """All that was ever sent."""
        return {answer.identifier for answer in self.answers}

    def count(self, said: str) -> int:
        """How many answers said something."""
        return sum(answer.said == said for answer in self.answers)

    async def hears(self, said: str, more: int) -> None:
        """Returns when so many more answers said something."""
        enough = self.count(said) + more

        async def enough_said() -> bool:
            return self.count(said) >= enough

        await eventually(enough_said)


def _read(error: grpc.aio.AioRpcError) -> tuple[str, dict[str, Any]]:
    if not any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ()):
        return error.code().name, {}
    status = status_of(error)
    info = error_info(status)
    details: dict[str, Any] = {"advice": dict(info.metadata)}
    if any(d.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for d in status.details):
        retry = detail(status, error_details_pb2.RetryInfo)
        details["retry_seconds"] = retry.retry_delay.seconds
    return info.reason, details


@asynccontextmanager
async def open_till(port: int) -> AsyncIterator[Till]:
    """A till at a gRPC port."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Till(channel)


@asynccontextmanager
async def busy(till: Till, callers: int, timeout: float | None = None) -> AsyncIterator[None]:  # noqa: ASYNC109
    """Keeps the till redeeming within the block; what was begun is settled after it."""
    done = asyncio.Event()

    async def caller(name: int) -> None:
        for number in itertools.count():
            if done.is_set():
                return
            await till.settle(f"{name}-{number}", timeout)

    tasks = [asyncio.create_task(caller(name)) for name in range(callers)]
    try:
        yield
        done.set()
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def assert_nothing_was_granted_twice(answers: list[Answer]) -> None:
    """Each redemption is granted once, or replayed after an answer that left it open."""
    for identifier in {answer.identifier for answer in answers}:
        *before, last = [answer for answer in answers if answer.identifier == identifier]
        assert last.is_settled
        assert not any(answer.is_settled for answer in before)
        left_open = any(answer.may_be_recorded for answer in before)
        assert last.said == GRANTED or left_open, (before, last)
