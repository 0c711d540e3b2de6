"""Health and reflection, asked the way tools ask."""

from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from redemption_server.rpc.server import SERVICES

from tests.support.service import Service

REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


async def reflect(service: Service, name: str, **request: str) -> Any:
    ask = service.channel.stream_stream(
        f"/{name}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    call = ask(iter([reflection_pb2.ServerReflectionRequest(**request)]))
    return await anext(aiter(call))


@pytest.mark.parametrize("name", ["", *SERVICES])
async def test_health_answers_for_the_server_and_each_service(service: Service, name: str) -> None:
    stub = health_pb2_grpc.HealthStub(service.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("name", REFLECTION)
async def test_reflection_lists_all_services(service: Service, name: str) -> None:
    answer = await reflect(service, name, list_services="")
    listed = {entry.name for entry in answer.list_services_response.service}
    assert listed == {*SERVICES, *REFLECTION, "grpc.health.v1.Health"}


@pytest.mark.parametrize("name", REFLECTION)
async def test_reflection_describes_every_service_that_it_lists(
    service: Service, name: str
) -> None:
    for symbol in (*SERVICES, *REFLECTION, "grpc.health.v1.Health"):
        answer = await reflect(service, name, file_containing_symbol=symbol)
        assert answer.file_descriptor_response.file_descriptor_proto, symbol
