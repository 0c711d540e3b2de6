"""Servers in processes of their own that are killed, frozen and started again."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support import catalogs
from tests.support.process import Process, run, started
from tests.support.tills import Answer, Ask, Door, GrpcDoor, Unanswered

_LOAD_SECONDS = 30.0
LISTENS = "gRPC server listens"


class Server:
    """`redemption server`, on a new port at each start; callers always find it at `redeem`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings
        self._life = ExitStack()
        self._process: Process | None = None
        self._door: Door | None = None
        self.port = 0
        self.answered = 0
        """How many answers it has given since it started."""

    async def start(self) -> None:
        """Starts it; returns once it listens."""
        self._process = self._life.enter_context(
            started("server", folder=self._folder, **self._settings)
        )
        self.port = await asyncio.to_thread(self._process.port, LISTENS)
        self.answered = 0
        self._door = GrpcDoor(self.port)

    async def kill(self) -> None:
        """Kills it and waits for its end."""
        self.signal(signal.SIGKILL)
        await self.aclose()

    async def kill_while_it_starts(self, after_seconds: float) -> None:
        """Starts it and kills it some time after."""
        with started("server", folder=self._folder, **self._settings) as process:
            await asyncio.sleep(after_seconds)
            process.signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.signal(number)

    async def aclose(self) -> None:
        """Ends the process, if it still runs, and the connection to it."""
        door, self._door = self._door, None
        await asyncio.to_thread(self._life.close)
        if door:
            await door.aclose()

    async def redeem(self, ask: Ask) -> Answer:
        """One attempt. Raises Unanswered."""
        if self._door is None:
            raise Unanswered("not started")
        answer = await self._door.redeem(ask)
        self.answered += 1
        return answer

    async def is_under_load(self, answers: int) -> None:
        """Waits until it has given this many answers since its start."""
        deadline = time.monotonic() + _LOAD_SECONDS
        while self.answered < answers:
            assert time.monotonic() < deadline, f"{self.answered} answers in {_LOAD_SECONDS} s"
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running_servers(
    url: str, folder: Path, organization: dict[str, Any], processes: int
) -> AsyncIterator[list[Server]]:
    """Servers on one database that holds an organisation."""
    catalog = catalogs.write(folder, organization)
    applied = run("catalog", "apply", str(catalog), folder=folder, database_url=url)
    assert applied.returncode == 0, applied.stderr
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(aclosing(Server(folder, database_url=url)))
            for _ in range(processes)
        ]
        for server in servers:
            await server.start()
        yield servers
