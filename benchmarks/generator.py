"""The load of a benchmark: durable redemptions, uniform over the promotions, each answer checked.

    python -m benchmarks.generator PORT

It runs in a process of its own, so that its interpreter is not the server's.
"""

import asyncio
import gc
import random
import sys
import time
import uuid
from typing import Any

import grpc.aio
import uvloop
from redemption.v1.promotion_redemption_service_pb2_grpc import PromotionRedemptionServiceStub

from benchmarks.children import answer
from tests.support import catalogs
from tests.support.load import METADATA, redeem_request

PROMOTIONS = [f"p{number}" for number in range(100)]
_TICK_SECONDS = 0.002


class Generator:
    """Sends redemptions to a server."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = PromotionRedemptionServiceStub(channel)  # type: ignore[no-untyped-call]

    async def opened(self, rate: float, seconds: float) -> dict[str, Any]:
        """Calls at a steady rate, whether or not those before are answered.

        Latencies, in milliseconds, are counted from when a call was due, not from when it was sent.
        """
        begun, calls = time.monotonic(), int(rate * seconds)
        latencies: list[float] = []
        under_way: set[asyncio.Task[None]] = set()
        most = sent = 0

        async def call(due: float) -> None:
            await self._redeem()
            latencies.append((time.monotonic() - due) * 1e3)

        while sent < calls:
            due = min(calls, int((time.monotonic() - begun) * rate) + 1)
            under_way |= {
                asyncio.create_task(call(begun + number / rate)) for number in range(sent, due)
            }
            sent = due
            await asyncio.sleep(_TICK_SECONDS)
            most = max(most, len(under_way))
            for task in [task for task in under_way if task.done()]:
                under_way.discard(task)
                task.result()
        await asyncio.gather(*under_way)
        elapsed = time.monotonic() - begun
        return {
            "calls": calls,
            "seconds": elapsed,
            "in_flight_max": most,
            "latencies": [round(latency, 2) for latency in latencies],
        }

    async def _redeem(self) -> None:
        identifier, promotion = uuid.uuid4().hex, random.choice(PROMOTIONS)
        request = redeem_request(identifier)
        request.redemptions[0].promotion_id = promotion
        answered = await self._stub.RedeemPromotions(request, metadata=METADATA)
        assert answered.org_id == catalogs.ORG
        assert answered.transaction_identifier == identifier
        assert [use.promotion_id for use in answered.redemptions] == [promotion]
        assert not answered.replayed


async def main(port: int) -> None:
    """Answers `opened`."""
    # Its own pauses are not the server's.
    gc.disable()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        generator = Generator(channel)
        await answer({"opened": generator.opened})


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
