"""The ceiling: a gRPC server that takes the same messages, answers the same way and does nothing.

python -m benchmarks.noop_server
"""

import asyncio
import json
import sys
from typing import Any

import grpc
import grpc.aio
import uvloop
from redemption.v1 import promotion_redemption_service_pb2 as messages

from benchmarks.requests import redeemed


class _Nothing(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        async def redeem(
            request: messages.RedeemPromotionsRequest, _: grpc.aio.ServicerContext[object, object]
        ) -> messages.RedeemPromotionsResponse:
            return redeemed(request)

        self._handler = grpc.unary_unary_rpc_method_handler(
            redeem,
            messages.RedeemPromotionsRequest.FromString,
            messages.RedeemPromotionsResponse.SerializeToString,
        )

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return self._handler


async def main() -> None:
    """Serves until it is killed."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([_Nothing()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stderr.write(json.dumps({"event": "gRPC server listens", "port": port}) + "\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
