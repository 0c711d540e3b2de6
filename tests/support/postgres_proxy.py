"""A proxy before PostgreSQL that loses connections at the very moment that a test asks for.

It reads as much of the wire as it takes to know a batch: the statements since BEGIN, its COMMIT and
what the server replies.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto

from sqlalchemy import make_url


class Loss(Enum):
    """When the connection of a batch is lost."""

    AT_STATEMENT = auto()
    """A statement, counted from BEGIN, which is 0, does not arrive."""
    BEFORE_COMMIT = auto()
    """COMMIT does not arrive."""
    DURING_COMMIT = auto()
    """COMMIT arrives, and nobody is there for the reply."""
    AFTER_COMMIT = auto()
    """COMMIT is through; the reply does not arrive."""
    COMMIT_ON_ITS_WAY = auto()
    """The client's connection is lost; COMMIT arrives when `PostgresProxy.resume` is called."""
    STANDSTILL = auto()
    """Nothing is lost, but a statement arrives only when `PostgresProxy.resume` is called."""


class Then(Enum):
    """What becomes of connections that come after a loss."""

    ACCEPT = auto()
    REFUSE = auto()
    """They are refused until `PostgresProxy.accept` is called."""
    WAIT = auto()
    """They hang until `PostgresProxy.resume` is called."""


@dataclass
class _Plan:
    loss: Loss
    then: Then
    times: int
    statement: int


class PostgresProxy:
    """Forwards connections, until `lose`, `refuse` or `swallow` says otherwise."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._listener: asyncio.Server | None = None
        self._own_port = 0
        self._sessions: dict[asyncio.Task[None] | None, _Session] = {}
        self._plan: _Plan | None = None
        self._open = asyncio.Event()
        self._moving = asyncio.Event()
        self._heard = asyncio.Event()
        self.lost = asyncio.Event()
        self.losses = 0
        self.statements = 0
        """How many statements the latest batch consisted of, its COMMIT left out."""
        self._heard.set()
        self.resume()

    @property
    def url(self) -> str:
        """The database by way of this proxy."""
        url = self._target.set(host="127.0.0.1", port=self._own_port, query={"ssl": "disable"})
        return url.render_as_string(hide_password=False)

    def lose(
        self, loss: Loss, then: Then = Then.ACCEPT, *, times: int = 1, statement: int = 0
    ) -> None:
        """Has the next `times` batches lose their connections; `lost` is set when one has."""
        self.lost.clear()
        self._plan = _Plan(loss, then, times, statement)

    async def accept(self) -> None:
        """Takes connections, as at the start."""
        self.refuse()
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self._own_port)
        self._own_port = self._listener.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuses connections; those that there are stay."""
        if self._listener:
            self._listener.close()

    def resume(self) -> None:
        """Lets go on what is held up."""
        self._open.set()
        self._moving.set()

    def swallow(self) -> None:
        """Takes connections and all that they say, and forwards nothing, not even their ends."""
        self._heard.clear()

    def recover(self) -> None:
        """Ends `swallow`; whoever still waits on an old connection learns that it is lost."""
        self._heard.set()
        self.cut()

    def cut(self, *, idle_only: bool = False) -> None:
        """Cuts all connections, or only those without a batch under way."""
        for session in self._sessions.values():
            if not (idle_only and session.in_batch):
                session.cut()

    async def close(self) -> None:
        """Refuses connections and cuts those that there are."""
        self.refuse()
        self.resume()
        self.recover()
        await asyncio.gather(*(task for task in self._sessions if task))

    def due(self, *, statement: int, is_commit: bool) -> Loss | None:
        """What is to befall a batch that is about to forward its next statement."""
        if is_commit:
            self.statements = statement - 1
        if not self._plan:
            return None
        by_number = self._plan.loss in (Loss.AT_STATEMENT, Loss.STANDSTILL)
        is_due = statement == self._plan.statement if by_number else is_commit
        return self._plan.loss if is_due else None

    def happened(self) -> None:
        """What was due has happened; the client is about to notice."""
        assert self._plan
        if self._plan.loss in (Loss.COMMIT_ON_ITS_WAY, Loss.STANDSTILL):
            self._moving.clear()
        if self._plan.then is Then.REFUSE:
            self.refuse()
        if self._plan.then is Then.WAIT:
            self._open.clear()
        self._plan.times -= 1
        if not self._plan.times:
            self._plan = None
        self.losses += 1
        self.lost.set()

    @property
    def swallowing(self) -> bool:
        """Whether nothing is forwarded."""
        return not self._heard.is_set()

    async def heard(self) -> None:
        """Waits for `recover` when nothing is forwarded."""
        await self._heard.wait()

    async def moving(self) -> None:
        """Waits for `resume` when something is held up."""
        await self._moving.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        session = self._sessions[task] = _Session(self, reader, writer)
        # Whoever ends a connection, and how, is no concern of ours.
        with suppress(OSError, EOFError):
            await self._open.wait()
            await session.run(*await self._connect())
        session.cut()
        del self._sessions[task]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        folder, port = self._target.query.get("host"), self._target.port or 5432
        if folder:
            return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        return await asyncio.open_connection(self._target.host, port)


class _Session:
    """A connection of a client, and the one to the server that belongs to it."""

    def __init__(
        self, proxy: PostgresProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = reader, writer
        self._from_server: asyncio.StreamReader
        self._to_server: asyncio.StreamWriter | None = None
        self._runs_batches = False
        self.in_batch = False
        self._statement = 0
        self._reply_taken: asyncio.Event | None = None

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards both ways until one side ends."""
        self._from_server, self._to_server = reader, writer
        pumps = [asyncio.create_task(self._upstream()), asyncio.create_task(self._downstream())]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        await self._proxy.heard()
        self.cut()
        await asyncio.gather(*pumps, return_exceptions=True)

    def cut(self) -> None:
        """Cuts both connections."""
        self._to_client.transport.abort()
        if self._to_server:
            self._to_server.transport.abort()

    async def _upstream(self) -> None:
        await self._send(await _read(self._from_client, 0))
        while True:
            message = await _read(self._from_client, 1)
            loss = self._note(message)
            if loss is Loss.STANDSTILL:
                self._proxy.happened()
                await self._proxy.moving()
            elif loss:
                await self._lose(loss, message)
                return
            await self._send(message)

    def _note(self, message: bytes) -> Loss | None:
        kind, said = message[:1], message[5:]
        if kind == b"P" and b"\0INSERT INTO claim" in said:
            self._runs_batches = True
        if kind not in b"QB":
            return None
        begins, commits = (kind == b"Q" and said.startswith(word) for word in (b"BEGIN", b"COMMIT"))
        self._statement = 0 if begins else self._statement + 1
        self.in_batch = self._runs_batches and (begins or kind == b"B")
        if not self._runs_batches:
            return None
        return self._proxy.due(statement=self._statement, is_commit=commits)

    async def _lose(self, loss: Loss, message: bytes) -> None:
        if loss is Loss.AFTER_COMMIT:
            await self._send_and_take_reply(message)
        elif loss is Loss.DURING_COMMIT:
            await self._send(message)
        self._proxy.happened()
        self._to_client.transport.abort()
        if loss is Loss.COMMIT_ON_ITS_WAY:
            await self._proxy.moving()
            await self._send_and_take_reply(message)

    async def _send(self, message: bytes) -> None:
        if self._proxy.swallowing:
            return
        assert self._to_server
        self._to_server.write(message)
        await self._to_server.drain()

    async def _send_and_take_reply(self, message: bytes) -> None:
        self._reply_taken = asyncio.Event()
        await self._send(message)
        await self._reply_taken.wait()

    async def _downstream(self) -> None:
        while True:
            message = await _read(self._from_server, 1)
            if self._reply_taken:
                # ReadyForQuery ends a reply.
                if message[:1] == b"Z":
                    self._reply_taken.set()
            elif not self._proxy.swallowing:
                self._to_client.write(message)
                await self._to_client.drain()


async def _read(reader: asyncio.StreamReader, kind_bytes: int) -> bytes:
    """The next message: its kind, which the first one lacks, its length, and the rest."""
    head = await reader.readexactly(kind_bytes + 4)
    return head + await reader.readexactly(int.from_bytes(head[kind_bytes:], "big") - 4)


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[PostgresProxy]:
    """A proxy before the database at a URL."""
    proxy = PostgresProxy(url)
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.close()
