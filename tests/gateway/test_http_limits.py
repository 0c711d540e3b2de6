"""How much, how slowly and how often a client may send: each limit has an answer of its own."""

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redemption_gateway import body, protocol
from redemption_gateway.server import running_gateway
from redemption_gateway.settings import GatewaySettings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from tests.gateway.door import promotions, texts
from tests.gateway.raw_http import (
    AUTHORIZATION,
    BODY,
    FAREWELL,
    FAREWELL_ID,
    HOST,
    Wire,
    chunk,
    exchange,
    get,
    head,
    post,
    wire,
)
from tests.support import catalogs
from tests.support.databases import Databases
from tests.support.eventually import eventually
from tests.support.service import COUPONS, REDEMPTIONS, run_service

KIB = 1024
PIECE = 1_400
SHORT = 0.3
"""Seconds of a limit under test."""
LONG = 5.0
"""Seconds after which a limit was certainly not kept."""


@asynccontextmanager
async def gateway(**settings: Any) -> AsyncIterator[int]:
    """A gateway whose server is away: what is tested here never gets that far."""
    alone = GatewaySettings("127.0.0.1:0", "ipv4:127.0.0.1:1", "UTC", **settings)
    async with running_gateway(alone) as port:
        yield port


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with gateway() as port:
        yield port


def in_pieces(data: bytes) -> list[bytes]:
    """As a network delivers it."""
    return [data[start : start + PIECE] for start in range(0, len(data), PIECE)]


async def statuses(port: int, pieces: list[bytes]) -> list[int]:
    """The statuses of all answers, those to errors checked; each piece is read on its own."""
    async with wire(port) as connection:
        for piece in pieces:
            await connection.send(piece)
            await asyncio.sleep(0)
        answers = await connection.answers()
    for answer in answers:
        if answer.status_code != 200:
            assert texts(answer, "B")
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Connection"] == "close"
    return [answer.status_code for answer in answers]


# Heads that are too large.


def with_url(size: int) -> bytes:
    return get("/healthz?".ljust(size, "a"))


def with_headers(number: int, size: int) -> bytes:
    """So many headers, whose names and values are so long together."""
    lines = [HOST, *(f"X-{position:03}: a" for position in range(number - 1))]
    missing = size - sum(len(line.replace(": ", "")) for line in lines)
    lines[-1] += "a" * missing
    return head("GET /healthz HTTP/1.1", *lines)


LARGE_HEADS = [
    pytest.param(with_url(64 * KIB - 1), with_url(64 * KIB), 414, id="URL"),
    pytest.param(with_headers(100, 1_000), with_headers(101, 1_000), 431, id="number of headers"),
    pytest.param(
        with_headers(10, 32 * KIB), with_headers(10, 32 * KIB + 1), 431, id="size of headers"
    ),
    pytest.param(
        with_headers(100, 32 * KIB), with_headers(100, 32 * KIB + 1), 431, id="size of many headers"
    ),
]


@pytest.mark.parametrize(("passes", "too_large", "status"), LARGE_HEADS)
async def test_a_head_may_be_as_large_as_its_limit(
    port: int, passes: bytes, too_large: bytes, status: int
) -> None:
    assert await statuses(port, [passes + FAREWELL]) == [200, 200]
    assert await statuses(port, [too_large + FAREWELL]) == [status]


@pytest.mark.parametrize(("passes", "too_large", "status"), LARGE_HEADS)
async def test_a_head_in_pieces_may_be_as_large_as_its_limit(
    port: int, passes: bytes, too_large: bytes, status: int
) -> None:
    assert await statuses(port, in_pieces(passes + FAREWELL)) == [200, 200]
    assert await statuses(port, in_pieces(too_large)) == [status]


async def test_a_head_whose_parts_are_all_as_large_as_they_may_be_passes(port: int) -> None:
    url = with_url(64 * KIB - 1).split(b"\r\n")[0]
    headers = with_headers(100, 32 * KIB).split(b"\r\n", 1)[1]
    whole = url + b"\r\n" + headers
    assert await statuses(port, [whole, FAREWELL]) == [200, 200]
    assert await statuses(port, [*in_pieces(whole), FAREWELL]) == [200, 200]


async def taken(port: int, begin: bytes, piece: bytes) -> tuple[int, list[int]]:
    """How much is taken of what never ends, and the statuses of the answers."""
    async with wire(port) as connection:
        await connection.send(begin)
        answers = asyncio.create_task(connection.answers())
        sent = 0
        while not answers.done():
            await connection.send(piece)
            await asyncio.sleep(0)
            sent += len(piece)
            assert sent < 32 * KIB * KIB, "it takes everything"
        return sent, [answer.status_code for answer in await answers]


CHUNKED = head(
    f"POST {COUPONS} HTTP/1.1", HOST, AUTHORIZATION, "Transfer-Encoding: chunked"
) + chunk(BODY)


@pytest.mark.parametrize(
    ("begin", "piece", "status"),
    [
        pytest.param(b"GET /healthz?", b"a", 414, id="URL"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nX-A: ", b"a", 431, id="value"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nX-", b"a", 431, id="name"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n", b"X-A: a\r\n", 431, id="headers"),
    ],
)
async def test_what_never_ends_in_a_head_is_refused_after_a_while(
    port: int, begin: bytes, piece: bytes, status: int
) -> None:
    sent, answers = await taken(port, begin, piece * (8 * KIB // len(piece)))
    assert answers == [status]
    assert sent < 1_000 * KIB


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(CHUNKED + b"0\r\nX-A: ", b"a", id="value of a trailer"),
        pytest.param(CHUNKED + b"0\r\n", b"X-A: a\r\n", id="trailers"),
        pytest.param(CHUNKED + b"1;", b"a", id="chunk extension"),
    ],
)
async def test_what_never_ends_beside_a_body_is_refused_after_a_while(
    port: int, begin: bytes, piece: bytes
) -> None:
    sent, answers = await taken(port, begin, piece * (8 * KIB // len(piece)))
    assert answers == [431]
    assert sent < 1_000 * KIB


# Clients that are too slow.


async def trickle(connection: Wire, data: bytes) -> tuple[list[int], float]:
    """Sends a byte now and then; the statuses until the end, and after how many seconds it came."""
    begun = time.monotonic()
    answers = asyncio.create_task(connection.answers())
    for position in range(len(data)):
        await connection.send(data[position : position + 1])
        await asyncio.wait([answers], timeout=SHORT / 10)
        if answers.done() or time.monotonic() - begun > LONG:
            break
    found = await answers
    return [answer.status_code for answer in found], time.monotonic() - begun


SLOW_HEAD = b"GET /healthz HTTP/1.1\r\nX-A: ".ljust(1_000, b"a")


@pytest.mark.parametrize("before", [b"", get("/healthz")], ids=["first", "second"])
async def test_a_head_that_takes_too_long_is_408(
    port: int, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS_MAX", SHORT)
    async with wire(port) as connection:
        if before:
            await connection.send(before)
            assert (await connection.answer()).status_code == 200
        answers, seconds = await trickle(connection, SLOW_HEAD)
    assert answers == [408]
    assert SHORT <= seconds < LONG


async def test_a_head_that_stops_is_408_after_the_answers_to_what_came_before_it(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS_MAX", SHORT)
    begun = time.monotonic()
    assert await statuses(port, [get("/healthz") * 2 + SLOW_HEAD]) == [200, 200, 408]
    assert SHORT <= time.monotonic() - begun < LONG


@pytest.mark.parametrize(
    "lines", [["Content-Length: 1000"], ["Transfer-Encoding: chunked"]], ids=["length", "chunks"]
)
async def test_a_body_that_takes_too_long_is_408(
    port: int, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS_MAX", SHORT)
    monkeypatch.setattr(body, "_UNWANTED_SECONDS_MAX", SHORT)
    async with wire(port) as connection:
        await connection.send(head(f"POST {COUPONS} HTTP/1.1", HOST, AUTHORIZATION, *lines))
        answers, seconds = await trickle(connection, chunk(b" ") * 100)
    assert answers == [408]
    assert SHORT <= seconds < LONG


async def test_a_body_that_stops_is_408_in_the_form_of_its_surface(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS_MAX", SHORT)
    monkeypatch.setattr(body, "_UNWANTED_SECONDS_MAX", SHORT)
    for target, form in ((REDEMPTIONS, "A"), (COUPONS, "C")):
        (answer,) = await exchange(port, post(target=target)[:-1])
        assert answer.status_code == 408
        assert texts(answer, form) == ["The request body arrived too slowly"]


async def seconds_to_the_end(connection: Wire) -> float:
    """After how many seconds the gateway ends the connection without a word."""
    begun = time.monotonic()
    assert await connection.is_ended()
    return time.monotonic() - begun


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with (
        gateway(idle_seconds=1) as port,
        wire(port) as fresh,
        wire(port) as used,
        wire(port) as blank,
    ):
        await blank.send(b"\r\n")
        await used.send(get("/healthz"))
        assert (await used.answer()).status_code == 200
        seconds = await asyncio.gather(*map(seconds_to_the_end, (fresh, used, blank)))
    assert all(0.9 <= each < LONG for each in seconds)


async def test_blank_lines_do_not_keep_a_connection_for_ever() -> None:
    async with gateway(idle_seconds=1) as port, wire(port) as connection:
        answers, seconds = await trickle(connection, b"\r\n" * 1_000)
    assert answers == []
    assert 0.9 <= seconds < LONG


async def test_requests_keep_a_connection() -> None:
    """Each of them comes before the idle time is over; all of them take longer."""
    async with gateway(idle_seconds=1) as port, wire(port) as connection:
        begun = time.monotonic()
        while time.monotonic() - begun < 1.5:
            await asyncio.sleep(SHORT)
            await connection.send(get("/healthz"))
            assert (await connection.answer()).status_code == 200


# Clients that read nothing.


def open_sockets(port: int) -> int:
    """How many connections the gateway at a port holds."""
    established, close_wait = "01", "08"
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_, inode = line.split()[:10]
        if local.endswith(f":{port:04X}") and state in (established, close_wait):
            found += inode != "0"
    return found


async def lets_go(port: int) -> float:
    """Waits until the gateway holds no connection; after how many seconds it was."""

    async def holds_none() -> bool:
        return open_sockets(port) == 0

    return await eventually(holds_none, LONG)


ANSWERS = 200
"""So many descriptions, 91 kB each, are more than all buffers on the way take in."""


async def test_a_client_that_reads_nothing_is_cut_off(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "WRITE_SECONDS_MAX", SHORT)
    async with wire(port, receive_buffer=4_096) as connection:
        await connection.send(get("/openapi.json") * ANSWERS)
        assert open_sockets(port) == 1
        await lets_go(port)


async def test_a_client_that_reads_slowly_gets_all(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "WRITE_SECONDS_MAX", SHORT)
    begun = time.monotonic()
    async with wire(port, receive_buffer=65_536) as connection:
        await connection.send(get("/openapi.json") * ANSWERS + FAREWELL)
        for number in range(ANSWERS):
            assert (await connection.answer()).status_code == 200
            if number % 20 == 0:
                await asyncio.sleep(SHORT / 4)
        assert (await connection.answer()).headers["X-Cap-RequestID"] == FAREWELL_ID
    assert time.monotonic() - begun > 2 * SHORT


def server_side() -> protocol.GatewayProtocol:
    """The gateway's end of the one connection that it holds."""
    found = (each for each in gc.get_objects() if isinstance(each, protocol.GatewayProtocol))
    (side,) = [each for each in found if each.transport and not each.transport.is_closing()]
    return side


async def test_a_client_that_leaves_little_unread_is_cut_off_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As little as the event loop holds without having the gateway wait for the client."""
    monkeypatch.setattr(protocol, "WRITE_SECONDS_MAX", SHORT)
    async with gateway(idle_seconds=1) as port, wire(port, 4_096) as connection:
        await connection.send(get("/healthz"))
        assert (await connection.answer()).status_code == 200
        side = server_side()
        kernel = side.transport.get_extra_info("socket")
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)

        while not side.transport.get_write_buffer_size():
            await connection.send(get("/healthz"))
            # One answer at a time, so that the last one is all that is left.
            await asyncio.sleep(0.01)
        assert not side.flow.write_paused
        await lets_go(port)


# Connections that are too many.


async def test_a_connection_too_many_is_503_and_closed() -> None:
    async with gateway(connections_max=2) as port, wire(port) as first:
        async with wire(port) as second:
            for connection in (first, second):
                await connection.send(get("/healthz"))
                assert (await connection.answer()).status_code == 200
            for data in (b"", FAREWELL):
                assert await statuses(port, [data]) == [503]
            await first.send(get("/healthz"))
            assert (await first.answer()).status_code == 200

        async def is_let_in() -> bool:
            return await statuses(port, [FAREWELL]) == [200]

        await eventually(is_let_in)


# Clients that go away.


@pytest.fixture
def postgresql_url(databases: Databases) -> Iterator[str]:
    with databases.postgresql() as url:
        yield url


@asynccontextmanager
async def held(url: str, table: str) -> AsyncIterator[AsyncConnection]:
    """Whoever wants anything of a table waits meanwhile; gives a connection to look around."""
    engine = create_async_engine(url)
    async with engine.connect() as holder, engine.connect() as other:
        await holder.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield await other.execution_options(isolation_level="AUTOCOMMIT")
    await engine.dispose()


_WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def waiting(connection: AsyncConnection, number: int) -> None:
    """Returns when so many wait for a lock."""

    async def wait() -> bool:
        return bool(await connection.scalar(text(_WAITING)) == number)

    await eventually(wait)


@pytest.mark.parametrize("in_process", [False, True], ids=["channel", "in-process"])
async def test_a_lookup_ends_with_its_client_and_a_redemption_does_not(
    postgresql_url: str, tmp_path: Path, in_process: bool
) -> None:
    promotion = catalogs.promotion(codes=[{"id": "code", "code": "CODE"}])
    file = catalogs.write(tmp_path, catalogs.organization(promotions=[promotion]))
    target = f"{REDEMPTIONS}?codes=CODE&mode=DISCOUNT&includeRedemptions=true"
    redemption = promotions()
    async with run_service(postgresql_url, file, in_process=in_process) as service:
        async with held(postgresql_url, "promotion_redemption") as others:
            async with wire(service.http_port) as connection:
                await connection.send(get(target))
                await waiting(others, 1)
            # Nobody let go of the table: the lookup was given up.
            await waiting(others, 0)
        async with held(postgresql_url, "promotion_transaction") as others:
            async with wire(service.http_port) as connection:
                body = service.http.build_request("POST", REDEMPTIONS, json=redemption).content
                await connection.send(post(target=REDEMPTIONS, body=body))
                await waiting(others, 1)

            async def is_gone() -> bool:
                return open_sockets(service.http_port) == 0

            await eventually(is_gone)
            assert await others.scalar(text(_WAITING)) == 1
        again = await service.post(REDEMPTIONS, redemption)
        assert again.status_code == 200
        assert again.headers["Idempotent-Replayed"] == "true"
