"""Server reflection under both of its names.

The package serves `grpc.reflection.v1alpha` only; newer clients ask `grpc.reflection.v1` first. The
two differ in nothing but the name, so that one servicer answers for both, and the descriptor of v1
is made from that of v1alpha.
"""

from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

_V1ALPHA = "grpc.reflection.v1alpha"
_V1 = "grpc.reflection.v1"
_SERVICE_V1 = f"{_V1}.ServerReflection"


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Lets clients list and describe the services, and reflection itself."""
    _add_v1_descriptor()
    names = [*services, reflection.SERVICE_NAME, _SERVICE_V1]
    servicer = reflection.aio.ReflectionServicer(service_names=names, pool=_Pool())
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    method = descriptor_pool.Default().FindMethodByName(f"{_SERVICE_V1}.ServerReflectionInfo")
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_registered_method_handlers(_SERVICE_V1, {method.name: handler})


class _Pool:
    """The default pool, which also finds the file of a method.

    The pool itself does not know methods as symbols: `grpcurl describe` of an RPC would fail.
    """

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802 — protobuf's name
        """The file that declares a symbol. Raises KeyError."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


def _add_v1_descriptor() -> None:
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    text = text_format.MessageToString(file)
    text = text.replace(_V1ALPHA, _V1).replace("/v1alpha/", "/v1/")
    renamed = text_format.Parse(text, descriptor_pb2.FileDescriptorProto())
    # Adding the same file again, as the next server in this process does, changes nothing.
    descriptor_pool.Default().AddSerializedFile(renamed.SerializeToString())
