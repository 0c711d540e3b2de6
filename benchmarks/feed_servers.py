"""The servers, loads and listeners that `benchmarks.feed_cost` measures."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import children, requests
from benchmarks.children import Child
from benchmarks.generator import PROMOTIONS
from benchmarks.loads import REDEEM_PROMOTIONS, GrpcLoad
from benchmarks.receiver import SECRET
from tests.support import catalogs
from tests.support.process import run
from tests.support.process import started as started_command

WATCHERS = 3
IN_FLIGHT = 64
_PATIENCE_SECONDS = 600.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Round:
    """What a load showed: calls per second, and the server's processor time per call."""

    calls: int
    per_second: float
    cpu_microseconds: float


@dataclass(slots=True)
class Server:
    """A server with its load; `sequence` is the number of its last event."""

    pid: int
    port: int
    generator: Child
    most: GrpcLoad
    sequence: int = 0

    def cpu_seconds(self) -> float:
        """Processor time that it has used, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def load(self, calls: int) -> Round:
        """So many redemptions as fast as they go, with so little work for the machine as can be."""
        before = self.cpu_seconds()
        sent = await asyncio.to_thread(self.most.send, self.port, calls)
        cpu = self.cpu_seconds() - before
        self.sequence += calls
        return Round(calls, sent.per_second, cpu / calls * 1e6)

    async def load_steadily(self, rate: float, seconds: float) -> Round:
        """Redemptions at a steady rate."""
        before = self.cpu_seconds()
        sent = await self.generator.ask("opened", rate=rate, seconds=seconds)
        cpu, calls = self.cpu_seconds() - before, sent["calls"]
        self.sequence += calls
        return Round(calls, calls / sent["seconds"], cpu / calls * 1e6)


@dataclass(slots=True)
class Told:
    """The server that tells, and who is told."""

    server: Server
    watchers: Child
    receiver: Child

    async def begin(self) -> None:
        """Begins to watch, and waits until the webhook has begun."""
        while not (await self.receiver.ask("reached", sequence=1, within=0.5))["received"]:
            await self.server.load_steadily(1, 1)
        begun = await self.watchers.ask("begin", count=WATCHERS)
        assert begun["sequence"] == self.server.sequence
        await self.drained(_PATIENCE_SECONDS)

    async def watched(self) -> list[int]:
        """Waits until the watchers have seen everything; how late they were each time, in ms."""
        watched = await self.watchers.ask(
            "reached", sequence=self.server.sequence, within=_PATIENCE_SECONDS
        )
        assert not watched["wrong"], "a watcher missed an event or saw one twice"
        assert len(set(watched["events"])) == 1
        lags: list[int] = watched["lags"]
        return sorted(lags)

    async def drained(self, within: float) -> dict[str, Any]:
        """Waits until the webhook was told everything."""
        told = await self.receiver.ask("reached", sequence=self.server.sequence, within=within)
        assert not told["missed"], "the webhook was told of events out of order"
        return told


def _furnish(folder: Path, webhooks: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    promotions = [catalogs.promotion(promotion) for promotion in PROMOTIONS]
    return catalogs.write(folder, catalogs.organization(promotions=promotions, webhooks=webhooks))


@asynccontextmanager
async def serving(folder: Path, *webhooks: dict[str, Any]) -> AsyncIterator[Server]:
    """Runs a server over a fresh database, and a generator for it."""
    catalog = _furnish(folder, list(webhooks))
    key = run("webhooks", "key", folder=folder).stdout.strip()
    settings = {"webhook_keys": key, "webhook_private_addresses": "true"} if webhooks else {}
    with started_command("server", folder=folder, catalog=catalog.name, **settings) as process:
        port = process.port("gRPC server listens")
        async with children.started("benchmarks.generator", port) as generator:
            protoset = folder / "image.binpb"
            requests.write_protoset(protoset)
            data = requests.redeem_promotions()
            most = GrpcLoad(REDEEM_PROMOTIONS, data, IN_FLIGHT, protoset)
            server = Server(process.pid, port, generator, most)
            yield server
        process.signal(signal.SIGTERM)
        assert not await asyncio.to_thread(process.wait)


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[Told, Server]]:
    """The server that tells and the one that does not, both warm."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = await stack.enter_async_context(children.started("benchmarks.receiver"))
        port = (await receiver.ask("listen"))["port"]
        webhook = {
            "id": "w1",
            "url": f"http://127.0.0.1:{port}/",
            "secret": SECRET,
            "events": ["PROMOTION_REDEEMED"],
        }
        quiet = await stack.enter_async_context(serving(folder / "quiet"))
        telling = await stack.enter_async_context(serving(folder / "telling", webhook))
        watchers = await stack.enter_async_context(
            children.started("benchmarks.watchers", telling.port)
        )
        told = Told(telling, watchers, receiver)
        await told.begin()
        yield told, quiet
