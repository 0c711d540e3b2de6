"""How a gRPC server takes calls: each method by itself, and paths that are no text without harm.

grpcio (up to 1.85.3 at least) decodes the path of a call for an unregistered method inside the one
loop that accepts calls; bytes that are no UTF-8 end that loop, and with it the server, for whoever
reaches its port. Registered methods are matched as bytes. So all of ours are registered, and every
other call is answered here without looking at its path.

With many registered methods that loop costs more than a call: for each it begins and ends to wait
for all of them. Here each method has a loop of its own instead, and grpcio's waits for their ends.
Nor is a handler looked up for each call: grpcio's way of doing so leaves a cycle of garbage behind,
and to collect fifty thousand of those stops everything for a tenth of a second.

There is no public way to do either, hence the bounds on grpcio in pyproject.toml and the private
names here; see decision record 14.
"""
# ruff: noqa: SLF001

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import grpc.aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]


class _Server(cygrpc.AioServer):  # type: ignore[misc]
    # AioServer takes its arguments when it is made; this begins empty, not there.
    _handlers: dict[str, Any]

    def add_registered_method_handlers(self, handlers: Mapping[str, Any]) -> None:
        super().add_registered_method_handlers(handlers)
        self._handlers = {**getattr(self, "_handlers", {}), **handlers}

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[Any]":
        return asyncio.get_running_loop().create_task(self._accept(method))

    async def _accept(self, method: bytes | None) -> None:
        """Takes calls of one method, or those of none; never ends by itself.

        The server cancels it when it stops.
        """
        loop = asyncio.get_running_loop()
        name = method.decode() if method else ""
        answer = self._answer(name)
        # The loop holds tasks weakly.
        tasks = set()
        while True:
            try:
                if method:
                    state = await self._request_registered_call(method)
                else:
                    state = await self._request_call()
            except cygrpc._RequestCallError:
                if not self.is_running():
                    raise
                continue
            answering = cygrpc._schedule_rpc_coro(answer(state, loop), state, loop, name)
            task = loop.create_task(answering)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    def _answer(self, name: str) -> "Callable[[Any, asyncio.AbstractEventLoop], Awaitable[None]]":
        """How calls of a method are answered; those of none are UNIMPLEMENTED."""
        handler = self._handlers.get(name)
        if handler is None or handler.request_streaming:
            methods = cygrpc._MethodResolver([], {name: handler} if handler else {})
            return lambda state, loop: cygrpc._handle_rpc(name, methods, (), state, loop, False)
        if handler.response_streaming:
            return partial(cygrpc._handle_unary_stream_rpc, handler)
        return partial(cygrpc._handle_unary_unary_rpc, handler)


def make_server(options: list[tuple[str, Any]]) -> grpc.aio.Server:
    """A server for registered methods alone: any other call is UNIMPLEMENTED."""
    server = grpc.aio.server(options=options)
    inner = _Server(cygrpc.get_working_loop(), None, (), (), tuple(options), None)
    server._server = inner  # type: ignore[attr-defined]
    return server
