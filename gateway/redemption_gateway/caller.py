"""How the gateway reaches the server: the seam between the two doors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import grpc
import grpc.aio
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

# Several servers behind one target are used in turn.
_SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_MESSAGE_BYTES_MAX = 16 * 1024 * 1024


class CallFailedError(Exception):
    """A call failed with a status; `announced` is what the answer carries beside it."""

    def __init__(self, status: Status, announced: Mapping[str, str]) -> None:
        super().__init__(status.message)
        self.status = status
        self.announced = announced


class CallAnswer(NamedTuple):
    """A response, and what the answer carries beside it: names are lower-case."""

    response: Message
    announced: Mapping[str, str]


class Caller(Protocol):
    """Calls RPCs."""

    async def call(
        self, method: str, request: Message, metadata: Mapping[str, str], timeout_seconds: float
    ) -> CallAnswer:
        """The answer of `package.Service/Method`. Raises CallFailedError."""
        ...

    async def is_serving(self) -> bool:
        """Whether the server says that it is healthy."""
        ...

    async def close(self) -> None:
        """Lets the connection go, after the calls under way."""
        ...


class ServerTls(NamedTuple):
    """PEM files by which the server is known, and by which this client is known to it."""

    ca: Path
    client_certificate: Path | None = None
    client_key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Credentials of a channel. Raises OSError when a file cannot be read."""
        return grpc.ssl_channel_credentials(
            self.ca.read_bytes(),
            self.client_key.read_bytes() if self.client_key else None,
            self.client_certificate.read_bytes() if self.client_certificate else None,
        )


class ChannelCaller:
    """Calls over a gRPC channel; make it inside the event loop that uses it."""

    def __init__(self, target: str, tls: ServerTls | None) -> None:
        options = [
            ("grpc.service_config", _SERVICE_CONFIG),
            ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
        ]
        self._channel = (
            grpc.aio.secure_channel(target, tls.credentials(), options)
            if tls
            else grpc.aio.insecure_channel(target, options)
        )
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[Message, Message]] = {}
        self._health = health_pb2_grpc.HealthStub(self._channel)

    async def call(
        self, method: str, request: Message, metadata: Mapping[str, str], timeout_seconds: float
    ) -> CallAnswer:
        """See `Caller`."""
        call = self._callable(method)(
            request, timeout=timeout_seconds, metadata=tuple(metadata.items())
        )
        try:
            return CallAnswer(await call, _announced(await call.trailing_metadata()))
        except grpc.aio.AioRpcError as error:
            announced = _announced(error.trailing_metadata())
            raise CallFailedError(_status_of(error), announced) from error

    async def is_serving(self) -> bool:
        """See `Caller`."""
        try:
            response = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.aio.AioRpcError:
            return False
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    async def close(self) -> None:
        """See `Caller`."""
        await self._channel.close()

    def _callable(self, method: str) -> "grpc.aio.UnaryUnaryMultiCallable[Message, Message]":
        known = self._methods.get(method)
        if known is None:
            descriptor = descriptor_pool.Default().FindMethodByName(method.replace("/", "."))
            response_class = message_factory.GetMessageClass(descriptor.output_type)
            known = self._channel.unary_unary(
                f"/{method}",
                request_serializer=_serialize,
                response_deserializer=response_class.FromString,
            )
            self._methods[method] = known
        return known


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _announced(trailers: "grpc.aio.Metadata | None") -> dict[str, str]:
    return {key: value for key, value in trailers or () if isinstance(value, str)}


# What gRPC itself fails a call with, before or without the server's word.
_TRANSPORT_REASONS = {
    grpc.StatusCode.UNAVAILABLE: ("UNAVAILABLE", "The service is unavailable, try again later"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        "DEADLINE_EXCEEDED",
        "The deadline passed; send the request again to learn its outcome",
    ),
}


def _status_of(error: grpc.aio.AioRpcError) -> Status:
    status = rpc_status.from_call(error)
    if status is not None:
        return Status.FromString(status.SerializeToString())
    reason, message = _TRANSPORT_REASONS.get(
        error.code(), ("INTERNAL", "An internal error occurred")
    )
    made = Status(code=error.code().value[0], message=message)
    made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="redemption.v1"))
    if reason == "UNAVAILABLE":
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = 1
        made.details.add().Pack(retry)
    return made
