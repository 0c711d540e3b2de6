"""The gateway's way to a server of the same process: straight into the pipeline.

No message is serialised and no port is asked; everything else a call goes through is the same.
"""

from collections.abc import Mapping

from google.protobuf.message import Message
from redemption_gateway.caller import CallAnswer, CallFailedError

from redemption_server.access.origin import KnownOrigin
from redemption_server.app import RunningServer
from redemption_server.rpc.origin import FORWARDED_FOR
from redemption_server.rpc.pipeline import Arrival, Method
from redemption_server.rpc.status import StatusError


class InProcessCaller:
    """See `redemption_gateway.caller.Caller`."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._methods = {
            method.name.removeprefix("/"): method
            for method in server.methods
            if isinstance(method, Method)
        }

    async def call(
        self, method: str, request: Message, metadata: Mapping[str, str], timeout_seconds: float
    ) -> CallAnswer:
        """See `Caller`."""
        announced: dict[str, str] = {}
        arrival = Arrival(
            read=lambda: request,
            metadata=metadata,
            timeout_seconds=timeout_seconds,
            origin=KnownOrigin(metadata.get(FORWARDED_FOR, "")),
            announce=announced.update,
        )
        try:
            response = await self._server.pipeline.run(self._methods[method], arrival)
        except StatusError as error:
            raise CallFailedError(error.status, announced) from error
        return CallAnswer(response, announced)

    async def is_serving(self) -> bool:
        """See `Caller`."""
        return self._server.is_serving()

    async def close(self) -> None:
        """See `Caller`. The server is ended by whoever runs it."""
