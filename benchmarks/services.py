"""What is measured, in processes of its own: ours, the server that does nothing, the peer."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks import requests
from tests.support import catalogs
from tests.support.own_postgres import own_postgres
from tests.support.process import Process, environment, run
from tests.support.process import started as started_command

ROOT = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs."""

    name: str
    processes: Sequence[Process]
    grpc_ports: Sequence[int]
    http_port: int
    database_url: str = ""
    folder: Path | None = None

    def cpu_seconds(self) -> float:
        """Processor time of its processes so far, user and system."""
        return sum(_cpu_seconds(process.pid) for process in self.processes)

    def resident_mebibytes(self) -> float:
        """Resident memory of its processes."""
        return sum(_resident_mebibytes(process.pid) for process in self.processes)

    def recorded(self, table: str) -> int:
        """How many rows a table of its database has."""
        return int(_first(self.database_url, f"SELECT count(*) FROM {table}"))

    def verify(self) -> None:
        """Recomputes everything from the records. Raises AssertionError with what is wrong."""
        if self.folder:
            ended = run("verify", folder=self.folder, database_url=self.database_url)
            assert ended.returncode == 0, ended.stdout + ended.stderr


class Databases:
    """Makes empty databases in a folder; starts PostgreSQL, which syncs, when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._postgres = ExitStack()
        self._server: URL | None = None

    def new(self, engine: str) -> str:
        """The URL of a new database."""
        name = f"bench{next(self._numbers)}"
        if engine == "sqlite":
            return f"sqlite+aiosqlite:///{self._folder / name}.db"
        if self._server is None:
            url = self._postgres.enter_context(own_postgres()).url
            assert _first(url, "SHOW fsync") == "on"
            self._server = make_url(url)
        _first(self._server.render_as_string(hide_password=False), f"CREATE DATABASE {name}")
        return self._server.set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        """Stops PostgreSQL."""
        self._postgres.close()


@contextmanager
def ours(
    folder: Path,
    url: str,
    command: str = "server",
    servers: int = 1,
    stock: Callable[[str], None] | None = None,
    *,
    gateway: bool = False,
) -> Iterator[Service]:
    """Our service: `server` alone, or `up` with the gateway; on PostgreSQL several servers.

    With `gateway` one in a process of its own stands before them.
    """
    folder.mkdir()
    migrated = run("migrate", folder=folder, database_url=url)
    assert migrated.returncode == 0, migrated.stderr
    catalog = catalogs.write(folder, requests.organization())
    settings = {"database_url": url, "catalog": catalog.name}
    with ExitStack() as stack:
        processes, ports = [], []
        for _ in range(servers):
            process = stack.enter_context(started_command(command, folder=folder, **settings))
            processes.append(process)
            ports.append(process.port("gRPC server listens"))
        if gateway:
            target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
            before = started_command("gateway", folder=folder, server_target=target)
            processes.append(stack.enter_context(before))
        has_http = gateway or command == "up"
        http = processes[-1].port("HTTP gateway listens") if has_http else 0
        if stock:
            stock(url)
        yield Service("redemption", processes, ports, http, url, folder)


@contextmanager
def noop() -> Iterator[Service]:
    """The server that does nothing."""
    with _module("benchmarks.noop_server") as process:
        yield Service("no-op", [process], [process.port("gRPC server listens")], 0)


@contextmanager
def peer(url: str) -> Iterator[Service]:
    """The obvious build."""
    with _module("benchmarks.peer.app", url) as process:
        yield Service("peer", [process], [], process.port("listens"), url)


@contextmanager
def _module(name: str, *arguments: str) -> Iterator[Process]:
    process = Process(
        subprocess.Popen(
            [sys.executable, "-m", name, *arguments],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    try:
        yield process
    finally:
        process.stop()


def _first(url: str, statement: str) -> Any:
    """The first value that a statement returns, if it returns any."""

    async def execute() -> Any:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                result = await connection.execute(text(statement))
                return result.scalar() if result.returns_rows else None
        finally:
            await engine.dispose()

    return asyncio.run(execute())


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mebibytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_024
    raise RuntimeError(f"process {pid} has no memory")
