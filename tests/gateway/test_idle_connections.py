"""Ten thousand clients that are connected and say nothing."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.gateway.door import coupons, write_catalog
from tests.gateway.raw_http import get
from tests.support.process import Process, started
from tests.support.service import COUPONS, basic

pytestmark = pytest.mark.alone

CONNECTIONS = 10_000
GROWTH_MIB_MAX = 120
"""About 12 KiB each; 85 MiB were seen."""
USUAL_SOFT_LIMIT = 1_024
ALIVE = b'{"status":"ALIVE"}'


@contextmanager
def open_files(soft: int) -> Iterator[None]:
    """A soft limit for this process, and for those it starts meanwhile."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def rss_mib(process: Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    size = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(size.split()[1]) / 1_024


async def connect(stack: ExitStack, port: int, sent: bytes) -> socket.socket:
    """A connection on which this was sent, and answered if it is a whole request."""
    connection = stack.enter_context(socket.socket())
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.sock_sendall(connection, sent)
    if sent.endswith(b"\r\n\r\n"):
        await read_answer(connection)
    return connection


async def read_answer(connection: socket.socket) -> None:
    """Reads what `/healthz` answers; its head and its body may come one after the other."""
    answer = b""
    while not answer.endswith(ALIVE):
        received = await asyncio.get_running_loop().sock_recv(connection, 4_096)
        assert received, answer
        answer += received
    assert answer.startswith(b"HTTP/1.1 200 OK"), answer


async def test_10_000_idle_connections_take_bounded_memory_and_disturb_nobody(
    tmp_path: Path,
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 1_000:
        pytest.skip(f"only {hard} open files are allowed here")
    catalog = str(write_catalog(tmp_path))
    stack = ExitStack()
    with open_files(USUAL_SOFT_LIMIT):
        process = stack.enter_context(started("up", folder=tmp_path, catalog=catalog))
    port = process.port("HTTP gateway listens")
    with stack, open_files(hard):
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": basic()}
        )
        async with client:
            assert (await client.post(COUPONS, json=coupons())).status_code == 200
            before = rss_mib(process)
            # Who never spoke, who was answered and waits, who is in the middle of a request.
            kinds = (b"", get("/healthz"), get("/healthz")[:20])
            connections = []
            for begin in range(0, CONNECTIONS, 100):
                opening = (
                    connect(stack, port, kinds[number % 2 if number % 50 else 2])
                    for number in range(begin, begin + 100)
                )
                connections += await asyncio.gather(*opening)
            answer = await client.post(COUPONS, json=coupons())
            assert answer.status_code == 200
            growth = rss_mib(process) - before
            # All of them are still served.
            loop = asyncio.get_running_loop()
            for connection in connections[1::100]:
                await loop.sock_sendall(connection, get("/healthz"))
                await read_answer(connection)
    assert growth < GROWTH_MIB_MAX, growth
