"""HTTP as bytes: requests that no decent client sends, and answers that are read strictly."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from tests.gateway.door import coupons
from tests.support.service import COUPONS, basic

_SECONDS = 20.0
_STATUS_LINE = re.compile(r"HTTP/1\.1 (\d{3}) [A-Za-z -]+")
_HEADER = re.compile(r"([A-Za-z-]+): ([\x20-\x7e]*)")

HOST = "Host: gateway"
AUTHORIZATION = f"Authorization: {basic()}"
BODY = json.dumps(coupons()).encode()


def head(first_line: str, *lines: str) -> bytes:
    """The head of a request, its lines ended as they should be."""
    return "\r\n".join([first_line, *lines, "", ""]).encode("latin-1")


def get(target: str, *lines: str) -> bytes:
    return head(f"GET {target} HTTP/1.1", HOST, AUTHORIZATION, *lines)


def post(*lines: str, body: bytes = BODY, target: str = COUPONS) -> bytes:
    """A request whose length is declared; by default it redeems a coupon."""
    length = f"Content-Length: {len(body)}"
    return head(f"POST {target} HTTP/1.1", HOST, AUTHORIZATION, length, *lines) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
# Answered last, whatever was understood before it; then the connection ends.
FAREWELL_ID = "f" * 32
FAREWELL = get("/healthz", "Connection: close", f"X-Request-Id: {FAREWELL_ID}")


class Wire:
    """One connection to the gateway."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._received = b""
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> bool:
        """Whether all of it was taken."""
        with suppress(ConnectionError):
            async with asyncio.timeout(_SECONDS):
                await self._loop.sock_sendall(self.connection, data)
            return True
        return False

    async def receive(self) -> bool:
        """Waits for more bytes; False when the gateway has ended the connection."""
        try:
            async with asyncio.timeout(_SECONDS):
                data = await self._loop.sock_recv(self.connection, 1 << 20)
        except ConnectionError:
            return False
        self._received += data
        return bool(data)

    async def answer(self, verb: str = "GET") -> httpx.Response:
        """The next answer, also one of the 100s."""
        while b"\r\n\r\n" not in self._received:
            assert await self.receive(), self._received
        lines, self._received = self._received.split(b"\r\n\r\n", 1)
        first, *others = lines.decode("ascii").split("\r\n")
        matched = _STATUS_LINE.fullmatch(first)
        assert matched, first
        headers = []
        for other in others:
            parts = _HEADER.fullmatch(other)
            assert parts, other
            headers.append((parts[1], parts[2]))
        status = int(matched[1])
        response = httpx.Response(status, headers=headers)
        if status < 200:
            assert not headers
            return response
        assert "Transfer-Encoding" not in response.headers
        (length,) = response.headers.get_list("Content-Length")
        size = 0 if verb == "HEAD" else int(length)
        while len(self._received) < size:
            assert await self.receive(), self._received
        content, self._received = self._received[:size], self._received[size:]
        return httpx.Response(status, headers=headers, content=content)

    async def answers(self) -> list[httpx.Response]:
        """All answers until the gateway ends the connection."""
        found = []
        while self._received or await self.receive():
            found.append(await self.answer())
        return found

    async def is_ended(self) -> bool:
        """Whether the gateway ends the connection, and says nothing more before."""
        return not await self.receive() and not self._received


@asynccontextmanager
async def wire(port: int, receive_buffer: int | None = None) -> AsyncIterator[Wire]:
    """A connection to the gateway at a port."""
    with socket.socket() as connection:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        yield Wire(connection)


async def exchange(port: int, data: bytes) -> list[httpx.Response]:
    """All answers to what is sent in one write, until the gateway ends the connection."""
    async with wire(port) as connection:
        await connection.send(data)
        return await connection.answers()
