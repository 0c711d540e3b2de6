"""Lets a gRPC server live through paths that are no text.

grpcio (up to 1.85.3 at least) decodes the path of a call for an unregistered method inside the one
loop that accepts calls; bytes that are no UTF-8 end that loop, and with it the server, for whoever
reaches its port. Registered methods are matched as bytes. So all of ours are registered, and every
other call is answered here without looking at its path. There is no public way to do that, hence
the bounds on grpcio in pyproject.toml and the private names here; see decision record 14.
"""
# ruff: noqa: SLF001

import asyncio
from typing import Any

import grpc.aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]


class _Server(cygrpc.AioServer):  # type: ignore[misc]
    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[Any]":
        if method is not None:
            return super()._make_request_call_future(method)  # type: ignore[no-any-return]
        return asyncio.get_running_loop().create_task(self._answer_unknown())

    async def _answer_unknown(self) -> None:
        """Never ends by itself; the server cancels it when it stops."""
        loop = asyncio.get_running_loop()
        nothing = cygrpc._MethodResolver([], {})
        # The loop holds tasks weakly.
        tasks = set()
        while True:
            try:
                state = await self._request_call()
            except cygrpc._RequestCallError:
                if not self.is_running():
                    raise
                continue
            answering = cygrpc._handle_rpc("", nothing, (), state, loop, False)
            task = loop.create_task(cygrpc._schedule_rpc_coro(answering, state, loop, ""))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


def make_server(options: list[tuple[str, Any]]) -> grpc.aio.Server:
    """A server for registered methods alone: any other call is UNIMPLEMENTED."""
    server = grpc.aio.server(options=options)
    inner = _Server(cygrpc.get_working_loop(), None, (), (), tuple(options), None)
    server._server = inner  # type: ignore[attr-defined]
    return server
