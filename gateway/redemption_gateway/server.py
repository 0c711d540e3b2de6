"""Runs the gateway: uvicorn as a library, in the event loop of whoever composes it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

import structlog
import uvicorn

from redemption_gateway.app import Gateway
from redemption_gateway.caller import ChannelCaller
from redemption_gateway.protocol import GatewayProtocol
from redemption_gateway.routes import make_routes
from redemption_gateway.settings import GatewaySettings

_STOP_GRACE_SECONDS = 30
_log = structlog.get_logger(__name__)


class AddressTakenError(Exception):
    """The address cannot be listened on."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the command line has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield


@asynccontextmanager
async def running_gateway(settings: GatewaySettings) -> AsyncIterator[int]:
    """A gateway that answers until the block is left, then drains; gives its port.

    Raises AddressTakenError.
    """
    listener = _listen(settings.address)
    caller = ChannelCaller(settings.server_target)
    routes = make_routes(ZoneInfo(settings.time_zone))
    gateway = Gateway(routes, caller, settings.deadline_seconds)
    config = uvicorn.Config(
        gateway,
        http=GatewayProtocol,
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_GRACE_SECONDS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    port = listener.getsockname()[1]
    _log.info("HTTP gateway listens", address=settings.address, port=port)
    try:
        # uvicorn offers a flag, no event; the socket listens already, so nobody is refused.
        while not server.started and not serving.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield port
    finally:
        gateway.leave()
        server.should_exit = True
        await serving
        await caller.close()


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(2048)
    except OSError as error:
        raise AddressTakenError(f"cannot listen on {address}: {error.strerror}") from error
    listener.setblocking(False)
    return listener
