"""A network that fails: a TCP proxy that cuts connections at chosen moments of a call."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from typing import Protocol

_CHUNK_BYTES = 65_536
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Cut(Enum):
    """Where the connection is cut."""

    NOWHERE = auto()
    BEFORE_THE_REQUEST = auto()
    """The server never sees the call."""
    BEFORE_THE_REPLY = auto()
    """The server has answered, and so has committed; nothing of the answer arrives."""
    WITHIN_THE_REPLY = auto()
    """Some of the answer arrives."""


class Framing(Protocol):
    """Finds where a request or a reply begins in what one side sends."""

    def begins_at(self, chunk: bytes) -> int | None:
        """The offset in the next chunk, None while there is only what is about the connection."""
        ...


class Http1:
    """All that is sent belongs to a request or a reply."""

    def begins_at(self, chunk: bytes) -> int | None:
        """See `Framing`."""
        return 0


class Http2:
    """Settings, pings and windows are about the connection; HEADERS frames begin a message."""

    _HEADER_BYTES = 9
    _HEADERS = 1

    def __init__(self, preface_bytes: int = 0) -> None:
        self._skip = preface_bytes
        self._header = b""

    def begins_at(self, chunk: bytes) -> int | None:
        """See `Framing`."""
        found = None
        position = 0
        while position < len(chunk):
            if self._skip:
                skipped = min(self._skip, len(chunk) - position)
                self._skip -= skipped
                position += skipped
                continue
            begun = position
            missing = self._HEADER_BYTES - len(self._header)
            self._header += chunk[position : position + missing]
            position += missing
            if len(self._header) == self._HEADER_BYTES:
                if self._header[3] == self._HEADERS and found is None:
                    found = begun
                self._skip = int.from_bytes(self._header[:3])
                self._header = b""
        return found


_CLIENT_PREFACE_BYTES = 24
FRAMINGS: dict[str, tuple[Callable[[], Framing], Callable[[], Framing]]] = {
    "http/1": (Http1, Http1),
    "http/2": (lambda: Http2(_CLIENT_PREFACE_BYTES), Http2),
}
"""How a client frames, and how a server."""


class Proxy:
    """Forwards to a port; `choose` says where to cut, for each call on an idle connection."""

    def __init__(
        self, to_port: int, framing: str, choose: Callable[[], Cut], chance: random.Random
    ) -> None:
        self._to_port = to_port
        self._framing = FRAMINGS[framing]
        self._choose = choose
        self._chance = chance
        self._connections: set[asyncio.Task[None]] = set()
        self.cuts: Counter[Cut] = Counter()
        """What was chosen how often."""
        self.port = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards one connection until it ends or is cut."""
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        # `close` cancels it, and asyncio would complain of a handler that ends so.
        with suppress(asyncio.CancelledError):
            async with _aborted(writer):
                there = await asyncio.open_connection("127.0.0.1", self._to_port)
                async with _aborted(there[1]):
                    await self._forward((reader, writer), there)
        self._connections.discard(task)

    async def _forward(self, here: _Streams, there: _Streams) -> None:
        client_framing, server_framing = (framing() for framing in self._framing)
        connection = _Connection(self)
        ends = [
            asyncio.create_task(connection.requests(here[0], there[1], client_framing)),
            asyncio.create_task(connection.replies(there[0], here[1], server_framing)),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            # A side that reset the connection has ended it as well.
            await asyncio.gather(*ends, return_exceptions=True)

    def choose(self) -> Cut:
        """Where to cut the call that begins."""
        cut = self._choose()
        self.cuts[cut] += 1
        return cut

    def some_of(self, chunk: bytes, begin: int) -> bytes:
        """All before a reply that begins in the chunk, and some of the reply."""
        return chunk[: self._chance.randrange(begin, len(chunk))]

    async def close(self) -> None:
        """Cuts what is left."""
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


class _Connection:
    """One call after the other: the cut of the one that is under way, None between two."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._cut: Cut | None = None

    async def requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, framing: Framing
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if framing.begins_at(chunk) is not None and self._cut is None:
                self._cut = self._proxy.choose()
                if self._cut is Cut.BEFORE_THE_REQUEST:
                    return
            writer.write(chunk)
            await writer.drain()

    async def replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, framing: Framing
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            begin = framing.begins_at(chunk)
            if begin is not None:
                if self._cut is Cut.BEFORE_THE_REPLY:
                    return
                if self._cut is Cut.WITHIN_THE_REPLY:
                    writer.write(self._proxy.some_of(chunk, begin))
                    return
                self._cut = None
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def _aborted(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def running_proxy(
    to_port: int, framing: str, choose: Callable[[], Cut], chance: random.Random
) -> AsyncIterator[Proxy]:
    """A proxy on a free port; `framing` is "http/1" or "http/2", which is what gRPC speaks."""
    proxy = Proxy(to_port, framing, choose, chance)
    listener = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.close()
