"""What authentication, authorisation and rate limiting add to a call on the gRPC door.

    python -m benchmarks.access_cost

Two servers, one with its gate and one without, get the same durable `RedeemPromotions` in
alternation. What is compared is the processor time of the server per call, from the kernel.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal
from redemption.v1 import promotion_redemption_pb2, promotion_redemption_service_pb2
from redemption.v1.promotion_redemption_service_pb2_grpc import PromotionRedemptionServiceStub

from benchmarks.open_server import ORG

IN_FLIGHT = 64
AT_MOST = 1.15
_ROOT = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_METADATA = (("authorization", "Basic YmVuY2g6YmVuY2g="),)
# A limit that is counted and never reached.
_CATALOG = f"""
organizations:
  - id: {ORG}
    redemption_without_evaluation: true
    rate_limit_per_minute: 1000000000
    credentials: [{{key: bench, secret: bench, access: {{customer: write}}}}]
    customers: [{{id: 1}}]
    promotions: [{{id: p1}}]
"""


@dataclass
class Server:
    """A server in a process of its own."""

    pid: int
    stub: Any

    def cpu_seconds(self) -> float:
        """Processor time that it has used, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def redeem(self, calls: int) -> None:
        """So many redemptions, each answer checked."""
        left = iter(range(calls))

        async def caller() -> None:
            for _ in left:
                answer = await self.stub.RedeemPromotions(_request(), metadata=_METADATA)
                assert answer.org_id == ORG
                assert not answer.replayed

        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))

    async def cost(self, calls: int) -> float:
        """Processor seconds per call."""
        before = self.cpu_seconds()
        await self.redeem(calls)
        return (self.cpu_seconds() - before) / calls


@asynccontextmanager
async def started(folder: Path, *command: str) -> AsyncIterator[Server]:
    """Runs a server over a fresh database; ends it."""
    _furnish(folder)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("REDEMPTION_")}
    environment = {
        **kept,
        "PYTHONPATH": str(_ROOT),
        "REDEMPTION_CATALOG": "catalog.yaml",
        "REDEMPTION_GRPC_ADDRESS": "127.0.0.1:0",
        "REDEMPTION_LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        address = f"127.0.0.1:{await _port(process)}"
        async with grpc.aio.insecure_channel(address) as channel:
            yield Server(process.pid, PromotionRedemptionServiceStub(channel))  # type: ignore[no-untyped-call]
    finally:
        process.terminate()
        await process.communicate()


def _furnish(folder: Path) -> None:
    folder.mkdir()
    (folder / "catalog.yaml").write_text(_CATALOG)


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stderr
    async for line in process.stderr:
        if b"gRPC server listens" in line:
            return int(json.loads(line)["port"])
    raise RuntimeError("the server did not start")


def _request() -> Any:
    one = Decimal(value="1")
    use = promotion_redemption_pb2.PromotionUse(
        promotion_id="p1",
        redemption_count=1,
        discount=one,
        discount_applied_on_quantity=one,
        promotion_applied_on_quantity=one,
    )
    return promotion_redemption_service_pb2.RedeemPromotionsRequest(
        customer_id=1,
        transaction_identifier=uuid.uuid4().hex,
        transaction_number="1",
        transaction_date=Timestamp(seconds=1_743_521_508),
        amount=one,
        redemptions=[use],
    )


async def measure(rounds: int, calls: int) -> list[tuple[float, float]]:
    """Costs per call in microseconds, with and without the gate, round by round."""
    with tempfile.TemporaryDirectory() as name:
        async with (
            started(
                Path(name) / "gated", str(Path(sys.executable).parent / "redemption"), "server"
            ) as gated,
            started(Path(name) / "open", sys.executable, "-m", "benchmarks.open_server") as opened,
        ):
            for server in (gated, opened):
                await server.redeem(calls)
            costs = []
            for number in range(rounds):
                order = (gated, opened) if number % 2 else (opened, gated)
                cost = {server.pid: await server.cost(calls) * 1e6 for server in order}
                costs.append((cost[gated.pid], cost[opened.pid]))
            return costs


def main() -> int:
    """Prints the ratio; 1 when it is above the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=61)
    parser.add_argument("--calls", type=int, default=1_000)
    arguments = parser.parse_args()
    costs = asyncio.run(measure(arguments.rounds, arguments.calls))
    ratios = sorted(gated / opened for gated, opened in costs)
    ratio = statistics.median(ratios)
    for name, values in zip(("with", "without"), zip(*costs, strict=True), strict=True):
        print(f"CPU per call {name} access: {statistics.median(values):.0f} µs (median)")
    print(f"ratio: {ratio:.3f} (median of {len(ratios)}, {ratios[0]:.3f} to {ratios[-1]:.3f})")
    print(f"at most {AT_MOST}: {'yes' if ratio <= AT_MOST else 'NO'}")
    return ratio > AT_MOST


if __name__ == "__main__":
    sys.exit(main())
