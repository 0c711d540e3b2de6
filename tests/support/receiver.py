"""A receiver of webhooks: a real HTTP server, which may be told to behave badly."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"a receiver's secret of 32 bytes.").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret, also of 32 bytes").decode()
_SECONDS = 15.0


class Message(NamedTuple):
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def sequence(self) -> int:
        return int(self.event["sequence"])


@dataclass(frozen=True)
class Manner:
    """How a request is answered: with `answer`, and `endlessly` what follows it, with pauses.

    `early` answers before the body was read; `times` is how often it answers; `closes` and `early`
    end the connection.
    """

    answer: bytes
    endlessly: bytes = b""
    pause: float = 0.0
    early: bool = False
    closes: bool = False
    times: int = 1
    held: asyncio.Event | None = None

    @property
    def takes(self) -> bool:
        """Whether it says that it took the message."""
        return self.answer.startswith(b"HTTP/1.1 2")


def status(code: int, *headers: str, body: bytes = b"") -> Manner:
    """Answers a status."""
    lines = [f"HTTP/1.1 {code} Said", *headers, f"Content-Length: {len(body)}", "", ""]
    return Manner("\r\n".join(lines).encode() + body)


TAKES = status(200)
FAILS = status(500)


def waits_for(event: asyncio.Event, manner: Manner = TAKES) -> Manner:
    """Answers only once the event has happened."""
    return Manner(manner.answer, held=event)


class Receiver:
    """Takes messages, unless `manner` or, for the next ones, `manners` say otherwise.

    Every signature is checked: with `clock`, which tells when it was signed, or else as receivers
    do it.
    """

    def __init__(self, secret: str = SECRET, clock: Callable[[], datetime] | None = None) -> None:
        self.secret = secret
        self.manner = TAKES
        self.manners: list[Manner] = []
        self.connections = 0
        self.messages: list[Message] = []
        """All that came."""
        self.taken: list[Message] = []
        """Those that it said it took."""
        self.faults: list[str] = []
        """What was wrong with messages."""
        self.port = 0
        self._clock = clock
        self._came = asyncio.Condition()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def sequences(self) -> list[int]:
        """The numbers of the events that it took, in the order in which they came."""
        return [message.sequence for message in self.taken]

    async def took(self, count: int, seconds: float = _SECONDS) -> None:
        """Returns once it has taken so many."""
        await self._until(lambda: len(self.taken) >= count, seconds)

    async def got(self, count: int, seconds: float = _SECONDS) -> None:
        """Returns once so many came."""
        await self._until(lambda: len(self.messages) >= count, seconds)

    async def _until(self, holds: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds), self._came:
            await self._came.wait_for(holds)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass  # the other side went away, or the test is over
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        manner = self.manners.pop(0) if self.manners else self.manner
        body = b""
        if not manner.early:
            body = await reader.readexactly(int(headers["content-length"]))
        await self._note(Message(first.split()[1], headers, body), manner)
        if manner.held:
            await manner.held.wait()
        for _ in range(manner.times):
            writer.write(manner.answer)
        while manner.endlessly:
            writer.write(manner.endlessly)
            await writer.drain()
            await asyncio.sleep(manner.pause)
        await writer.drain()
        return not (manner.early or manner.closes)

    async def _note(self, message: Message, manner: Manner) -> None:
        if not manner.early and not self._is_signed(message):
            self.faults.append(f"bad signature: {message.headers}")
        async with self._came:
            self.messages.append(message)
            if manner.takes and not manner.early:
                self.taken.append(message)
            self._came.notify_all()

    def _is_signed(self, message: Message) -> bool:
        webhook, headers = Webhook(self.secret), dict(message.headers)
        if self._clock is None:
            try:
                webhook.verify(message.body, headers)
            except Exception:  # noqa: BLE001 — whatever a receiver would stumble over
                return False
            return True
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        signed = webhook.sign(message.id, at, message.body.decode())
        fresh = abs((self._clock() - at).total_seconds()) <= 1
        return fresh and signed == headers["webhook-signature"]

    async def close(self) -> None:
        """Ends all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def running_receiver(
    secret: str = SECRET,
    clock: Callable[[], datetime] | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> AsyncIterator[Receiver]:
    """A receiver on this machine; at the end it must have found no fault with a message."""
    receiver = Receiver(secret, clock)
    # Callers keep connections open, so TLS would wait for their farewell.
    farewell = 0.1 if tls else None
    server = await asyncio.start_server(
        receiver.serve, "127.0.0.1", port, ssl=tls, ssl_shutdown_timeout=farewell
    )
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await receiver.close()
        await server.wait_closed()
    assert not receiver.faults
