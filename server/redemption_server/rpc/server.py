"""The gRPC listener: methods, health, reflection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from redemption.v1 import (
    catalog_service_pb2,
    coupon_redemption_service_pb2,
    coupon_service_pb2,
    feed_service_pb2,
    ledger_service_pb2,
    outcome_service_pb2,
    promotion_redemption_service_pb2,
    reversal_service_pb2,
    token_service_pb2,
)

from redemption_server.access.origin import TrustedProxies
from redemption_server.rpc.accepting import make_server
from redemption_server.rpc.origin import GrpcOrigin
from redemption_server.rpc.pipeline import Arrival, Method, Pipeline, StreamMethod
from redemption_server.rpc.reflection import add_reflection
from redemption_server.rpc.status import StatusError

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
PENDING_MAX = 100_000
STOP_GRACE_SECONDS = 30.0
_HAND_OVER_SECONDS = 0.1
# Who reads at all has learnt of the stop by then.
_WATCHES_SECONDS = 1.0

# As text: at run time these classes of gRPC take no parameters.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

SERVICES: tuple[str, ...] = tuple(
    service.full_name
    for file in (
        promotion_redemption_service_pb2,
        coupon_redemption_service_pb2,
        coupon_service_pb2,
        reversal_service_pb2,
        feed_service_pb2,
        outcome_service_pb2,
        catalog_service_pb2,
        ledger_service_pb2,
        token_service_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
)


class PortTakenError(Exception):
    """The address cannot be listened on."""


class GrpcServer:
    """Serves methods over gRPC; make it inside the event loop that runs it.

    With `reuse_port` servers that all say so share an address; each connection stays with one.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        methods: Iterable[Method | StreamMethod],
        proxies: TrustedProxies,
        *,
        reuse_port: bool,
    ) -> None:
        self._server = make_server(
            [
                # Two servers must never share a port without being told to.
                ("grpc.so_reuseport", int(reuse_port)),
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                # Calls of a burst wait for the service's own word instead of being cut off.
                ("grpc.server.max_pending_requests", PENDING_MAX),
                ("grpc.server.max_pending_requests_hard_limit", PENDING_MAX),
            ]
        )
        self._calls, self._watches = _Calls(), _Calls()
        door = _Door(pipeline, proxies, self._calls, self._watches)
        for service, handlers in _handlers(door, methods).items():
            self._server.add_registered_method_handlers(service, handlers)
        self._health = health.aio.HealthServicer()
        self.serving = False
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        add_reflection(self._server, (*SERVICES, health.SERVICE_NAME))

    async def start(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Listens and serves, in clear without credentials; returns the port.

        Raises PortTakenError.
        """
        try:
            port = (
                self._server.add_secure_port(address, credentials)
                if credentials
                else self._server.add_insecure_port(address)
            )
        except RuntimeError as error:
            raise PortTakenError(f"cannot listen on {address}: the port is taken") from error
        await self._server.start()
        await self.set_serving(serving=True)
        return port

    async def set_serving(self, *, serving: bool) -> None:
        """What health checks are told, until `leave`."""
        self.serving = serving
        response = health_pb2.HealthCheckResponse
        for name in ("", *SERVICES):
            await self._health.set(name, response.SERVING if serving else response.NOT_SERVING)

    async def leave(self) -> None:
        """Tells health checks for good that this server takes no more calls; it still answers."""
        self.serving = False
        await self._health.enter_graceful_shutdown()

    async def stop(self) -> None:
        """Tells health checks first, then refuses new calls and finishes those under way."""
        await self.leave()
        stopping = asyncio.create_task(self._server.stop(STOP_GRACE_SECONDS))
        # Calls that came just before are handed over by then.
        await asyncio.sleep(_HAND_OVER_SECONDS)
        # Watches over the health never end by themselves: nobody waits for them.
        ended = asyncio.create_task(self._ended())
        await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        await self._server.stop(None)
        await stopping

    async def _ended(self) -> None:
        # A watcher that does not read cannot be told, and is not waited for.
        with suppress(TimeoutError):
            async with asyncio.timeout(_WATCHES_SECONDS):
                await self._watches.ended()
        await self._calls.ended()


class _Calls:
    """Counts the calls of our own methods that are under way."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._count += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._none.set()

    async def ended(self) -> None:
        """Returns when none is under way."""
        await self._none.wait()


def _handlers(
    door: "_Door", methods: Iterable[Method | StreamMethod]
) -> dict[str, dict[str, Handler]]:
    by_service: dict[str, dict[str, Handler]] = {}
    for method in methods:
        _, service, name = method.name.split("/")
        by_service.setdefault(service, {})[name] = door.handler(method)
    return by_service


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


class _Door:
    """Hands gRPC calls to the pipeline. Requests stay bytes until the caller is known."""

    def __init__(
        self, pipeline: Pipeline, proxies: TrustedProxies, calls: _Calls, watches: _Calls
    ) -> None:
        self._pipeline = pipeline
        self._proxies = proxies
        self._calls = calls
        self._watches = watches

    def handler(self, method: Method | StreamMethod) -> Handler:
        """The handler of a method, as gRPC wants it."""
        _, service, name = method.name.split("/")
        descriptor = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
        read = message_factory.GetMessageClass(descriptor.input_type).FromString
        if isinstance(method, StreamMethod):
            return grpc.unary_stream_rpc_method_handler(
                self._stream_behaviour(method, read), None, _serialize
            )
        return grpc.unary_unary_rpc_method_handler(self._behaviour(method, read), None, _serialize)

    def _behaviour(
        self, method: Method, read: Callable[[bytes], Message]
    ) -> Callable[[bytes, Context], Awaitable[Message]]:
        async def handle(request: bytes, context: Context) -> Message:
            trailers: dict[str, str] = {}
            async with _answering(context, self._calls, trailers):
                arrival = self._arrival(lambda: read(request), context, trailers)
                return await self._pipeline.run(method, arrival)

        return handle

    def _stream_behaviour(
        self, method: StreamMethod, read: Callable[[bytes], Message]
    ) -> Callable[[bytes, Context], AsyncIterator[Message]]:
        calls = self._watches if method.endless else self._calls

        async def handle(request: bytes, context: Context) -> AsyncIterator[Message]:
            trailers: dict[str, str] = {}
            async with _answering(context, calls, trailers):
                arrival = self._arrival(lambda: read(request), context, trailers)
                async for response in self._pipeline.stream(method, arrival):
                    yield response

        return handle

    def _arrival(
        self, read: Callable[[], Message], context: Context, trailers: dict[str, str]
    ) -> Arrival:
        metadata = _metadata(context)
        origin = GrpcOrigin(context, metadata, self._proxies)
        return Arrival(read, metadata, context.time_remaining(), origin, trailers.update)


def _metadata(context: Context) -> dict[str, str]:
    received = context.invocation_metadata() or ()
    return {key: value for key, value in received if isinstance(value, str)}


@asynccontextmanager
async def _answering(
    context: Context, calls: _Calls, trailers: dict[str, str]
) -> AsyncIterator[None]:
    """Has whatever a call fails with reach the client as a status, and `trailers` in any case."""
    try:
        with calls:
            yield
            if trailers:
                context.set_trailing_metadata(tuple(trailers.items()))
    except StatusError as error:
        await _abort(context, error, trailers)
    except asyncio.CancelledError:
        # Only a call that was itself cancelled may end so; any other would never be answered.
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        await context.abort(grpc.StatusCode.INTERNAL, "An internal error occurred")


async def _abort(context: Context, error: StatusError, trailers: dict[str, str]) -> None:
    code = next(c for c in grpc.StatusCode if c.value[0] == error.status.code)
    details = ("grpc-status-details-bin", error.status.SerializeToString())
    await context.abort(code, error.status.message, (details, *trailers.items()))
