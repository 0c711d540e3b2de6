"""The real `redemption up` in a process of its own, asked through both of its doors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import catalogs
from tests.support.process import Process, started
from tests.support.service import REDEMPTIONS
from tests.support.till import Till, open_till

LOOKUP = f"{REDEMPTIONS}?codes=CODE&mode=DISCOUNT"
LIMIT = 1_000_000


def catalog(folder: Path) -> str:
    """A catalog file with promotion p1, whose uses count for a limit and for the code CODE."""
    promotion = catalogs.promotion(
        limits={"redemptions_total": LIMIT}, codes=[{"id": "code", "code": "CODE"}]
    )
    return str(catalogs.write(folder, catalogs.organization(promotions=[promotion])))


@dataclass
class BothDoors:
    """A running process, a till at its gRPC port, and a client of its gateway."""

    process: Process
    grpc_port: int
    till: Till
    http: httpx.AsyncClient

    async def statuses(self) -> tuple[int, int]:
        """What the gateway says of its own life and of the service's."""
        alive, ready = [await self.http.get(path) for path in ("/healthz", "/readyz")]
        return alive.status_code, ready.status_code

    async def is_up(self) -> bool:
        """Whether both doors say so."""
        return await self.till.is_serving() and await self.statuses() == (200, 200)

    async def is_down(self) -> bool:
        """Whether both doors say so, while the process is alive."""
        return not await self.till.is_serving() and await self.statuses() == (200, 503)


@asynccontextmanager
async def both_doors(folder: Path, **settings: str) -> AsyncIterator[BothDoors]:
    """Starts `redemption up` with `catalog`; kills it at the end if it still runs."""
    with started("up", folder=folder, **{"catalog": catalog(folder), **settings}) as process:
        # Not in this thread: the database may be behind a proxy that runs in it.
        grpc_port = await asyncio.to_thread(process.port, "gRPC server listens")
        http_port = await asyncio.to_thread(process.port, "HTTP gateway listens")
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{http_port}",
            auth=(catalogs.KEY, catalogs.SECRET),
            timeout=30,
        )
        async with open_till(grpc_port) as till, client:
            yield BothDoors(process, grpc_port, till, client)
