"""Both doors of a service, as its callers know them; a caller may leave at any moment."""

import asyncio
import socket
import struct
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
from grpc_status import rpc_status

from tests.gateway.door import assert_common_headers
from tests.gateway.raw_http import Wire, wire
from tests.soak.calls import CLOSED, Answer, FramesAsk, GrpcAsk, HttpAsk, Impatience
from tests.support.service import error_info

_ANSWER_SECONDS = 30
_CHANNELS = 4
_A_BIT = 16
_RESET = struct.pack("ii", 1, 0)
_PROBLEMS = (AssertionError, OSError, TimeoutError, ValueError)
_DOCUMENTED_FOR_DEADLINES = ("DEADLINE_EXCEEDED", "OVERLOADED")


class NoAnswerError(Exception):
    """There was no answer, or nothing that is one."""


class HttpDoor:
    """One connection to the HTTP door, made anew when it is used up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = AsyncExitStack()
        self._wire: Wire | None = None

    async def send(self, ask: HttpAsk, impatience: Impatience | None) -> list[Answer]:
        """The answers; none if the call was abandoned. Raises NoAnswerError."""
        try:
            if self._wire is None:
                self._wire = await self._connection.enter_async_context(wire(self._port))
            if impatience:
                await _abandon(self._wire, ask.data, impatience)
                await self.close()
                return []
            await self._wire.send(ask.data)
            return [await self._answer(self._wire, ask.verb) for _ in range(ask.answers)]
        except _PROBLEMS as error:
            await self.close()
            raise NoAnswerError(repr(error)) from error

    async def _answer(self, connection: Wire, verb: str) -> Answer:
        response = await connection.answer(verb)
        assert_common_headers(response)
        if response.headers.get("Connection") == "close":
            await self.close()
        return Answer(str(response.status_code), "", response.content, response.headers)

    async def close(self) -> None:
        """Ends the connection."""
        self._wire = None
        await self._connection.aclose()


async def _abandon(connection: Wire, data: bytes, impatience: Impatience) -> None:
    """Sends some of a request, or all of it, and goes: before an answer, or when one begins."""
    await connection.send(data[: int(len(data) * impatience.sent)])
    if impatience.sent == 1 and impatience.seconds == 0:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await asyncio.get_running_loop().sock_recv(connection.connection, _A_BIT)
    else:
        await asyncio.sleep(impatience.seconds)
    if impatience.abrupt:
        connection.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class GrpcDoor:
    """Channels to the gRPC door, each over a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        options = (("grpc.use_local_subchannel_pool", 1),)
        self._channels = [
            grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(_CHANNELS)
        ]

    async def send(self, ask: GrpcAsk, caller: int, impatience: Impatience | None) -> list[Answer]:
        """The answer; none if the call was abandoned before. Raises NoAnswerError."""
        method = self._channels[caller % _CHANNELS].unary_unary(ask.path, _as_it_is, _as_it_is)
        hurried = impatience is not None and impatience.abrupt
        seconds = impatience.seconds if impatience and hurried else _ANSWER_SECONDS
        call: Any = method(ask.message, metadata=ask.metadata, timeout=seconds)
        if impatience and not hurried:
            asyncio.get_running_loop().call_later(impatience.seconds, call.cancel)
        try:
            return [Answer("OK", "", await call)]
        except asyncio.CancelledError:
            if impatience is None or hurried:
                raise
            return []
        except grpc.aio.AioRpcError as error:
            answer = _refusal(error)
        # Who leaves so little time may be told at once that it will not do.
        said = answer.reason or answer.status
        return [] if hurried and said in _DOCUMENTED_FOR_DEADLINES else [answer]

    async def send_frames(self, ask: FramesAsk, impatience: Impatience | None) -> list[Answer]:
        """CLOSED once the door ends the connection; none if the caller does. See `send`."""
        try:
            async with wire(self._port) as connection:
                if impatience:
                    await _abandon(connection, ask.data, impatience)
                    return []
                await connection.send(ask.data)
                _say_no_more(connection)
                while await connection.receive():
                    pass
                return [CLOSED]
        except _PROBLEMS as error:
            raise NoAnswerError(repr(error)) from error

    async def close(self) -> None:
        """Ends all connections."""
        for channel in self._channels:
            await channel.close()


def _say_no_more(connection: Wire) -> None:
    try:
        connection.connection.shutdown(socket.SHUT_WR)
    except OSError:
        # It has been ended already.
        return


def _refusal(error: grpc.aio.AioRpcError) -> Answer:
    status = rpc_status.from_call(error)
    body = (error.details() or "").encode()
    return Answer(error.code().name, str(error_info(status).reason) if status else "", body)


def _as_it_is(message: bytes) -> bytes:
    return message
