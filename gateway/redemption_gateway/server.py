"""Runs the gateway: uvicorn as a library, in the event loop of whoever composes it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import structlog
import uvicorn

from redemption_gateway.app import Gateway
from redemption_gateway.caller import Caller, ChannelCaller
from redemption_gateway.protocol import ConnectionLimits, GatewayProtocol
from redemption_gateway.routes import make_routes
from redemption_gateway.settings import GatewaySettings
from redemption_gateway.tls import server_context

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


class TlsFilesError(Exception):
    """Certificates, keys or authorities cannot be used; the message names them."""


@asynccontextmanager
async def running_gateway(
    settings: GatewaySettings, caller: Caller | None = None
) -> AsyncIterator[int]:
    """A gateway that answers until the block is left, then drains; gives its port.

    It calls over a channel to the target of its settings, unless it is given a caller. Raises
    AddressTakenError, TlsFilesError.
    """
    context = _tls_context(settings)
    caller = caller or _channel(settings)
    listener = _listen(settings.address)
    gateway = Gateway(make_routes(ZoneInfo(settings.time_zone)), caller, settings.deadline_seconds)
    server = _Server(_config(settings, gateway, context))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    port = listener.getsockname()[1]
    _log.info("HTTP gateway listens", address=settings.address, port=port, tls=context is not None)
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


def _config(
    settings: GatewaySettings, gateway: Gateway, context: ssl.SSLContext | None
) -> uvicorn.Config:
    limits = ConnectionLimits(settings.connections_max)
    config = uvicorn.Config(
        gateway,
        # It is called like the class.
        http=cast("type[asyncio.Protocol]", partial(GatewayProtocol, limits)),
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=settings.idle_seconds,
        timeout_graceful_shutdown=_STOP_GRACE_SECONDS,
    )
    config.load()
    config.ssl = context
    return config


def _tls_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    if settings.tls is None:
        return None
    try:
        return server_context(settings.tls)
    except OSError as error:
        raise _unusable(settings.tls, error) from error


def _channel(settings: GatewaySettings) -> ChannelCaller:
    try:
        return ChannelCaller(settings.server_target, settings.server_tls)
    except OSError as error:
        raise _unusable(settings.server_tls or (), error) from error


def _unusable(files: Iterable[Path | None], error: OSError) -> TlsFilesError:
    names = ", ".join(str(file) for file in files if file)
    reason = getattr(error, "reason", "") or error.strerror or "not PEM"
    return TlsFilesError(f"cannot use the TLS files {names}: {reason}")


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
