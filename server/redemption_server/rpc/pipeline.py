"""What every call goes through, whichever door it came by.

Authenticate, authorise, handle, map errors. Nothing but a response or a StatusError leaves it, and
no exception text ever does.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog
from google.protobuf.message import Message
from sqlalchemy.exc import SQLAlchemyError

from redemption_server.access.authenticate import Access, Authenticator, Identity
from redemption_server.rpc.status import StatusError, status_of
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import unavailable
from redemption_server.storage.failures import Failure, failure_of

REQUEST_ID = "x-request-id"
_WELL_FORMED_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
_log = structlog.get_logger(__name__)


class Call(NamedTuple):
    """The surroundings of a request: who sent it, under which id it is logged, and until when.

    `deadline` is in the time of the event loop, None when the caller waits for ever.
    """

    identity: Identity
    request_id: str
    deadline: float | None


def _always(_request: Message) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC: its full name, what a caller needs, and who handles it.

    `repeatable` says of a request whether sending it twice does the same as sending it once.
    """

    name: str
    access: Access
    handle: Callable[[Any, Call], Awaitable[Message]]
    repeatable: Callable[[Any], bool] = _always


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """An RPC that answers with a stream."""

    name: str
    access: Access
    handle: Callable[[Any, Call], AsyncGenerator[Message, None]]

    def repeatable(self, request: Message) -> bool:
        """Streams only read."""
        return _always(request)


class Pipeline:
    """Runs calls."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def run(
        self,
        method: Method,
        request: Message,
        metadata: Mapping[str, str],
        timeout_seconds: float | None,
    ) -> Message:
        """The response to a request. Raises StatusError."""
        async with self._call(method, request, metadata, timeout_seconds) as call:
            return await method.handle(request, call)

    async def stream(
        self,
        method: StreamMethod,
        request: Message,
        metadata: Mapping[str, str],
        timeout_seconds: float | None,
    ) -> AsyncIterator[Message]:
        """The responses to a request. Raises StatusError."""
        async with (
            self._call(method, request, metadata, timeout_seconds) as call,
            aclosing(method.handle(request, call)) as responses,
        ):
            async for response in responses:
                yield response

    @asynccontextmanager
    async def _call(
        self,
        method: Method | StreamMethod,
        request: Message,
        metadata: Mapping[str, str],
        timeout_seconds: float | None,
    ) -> AsyncIterator[Call]:
        """Lets a call in and maps whatever it fails with."""
        request_id = request_id_of(metadata)
        timeout = asyncio.timeout(timeout_seconds)
        try:
            async with timeout:
                identity = await self._authenticator.authenticate(metadata)
                identity.require(method.access)
                yield Call(identity, request_id, timeout.when())
                return
        except Refused as caught:
            refused, cause = caught, caught.__cause__
        except Exception as error:  # noqa: BLE001 — whatever it is, the caller is answered
            # Drivers have time-outs of their own.
            late = isinstance(error, TimeoutError) and timeout.expired()
            refused = _deadline_exceeded() if late else _unexpected(error, method, request_id)
            cause = error
        status = status_of(refused, request_id, repeatable=method.repeatable(request))
        raise StatusError(status) from cause


def _deadline_exceeded() -> Refused:
    refused = Refused.because(
        Reason.DEADLINE_EXCEEDED,
        "The deadline passed; send the request again to learn its outcome",
    )
    refused.maybe_recorded = True
    return refused


def request_id_of(metadata: Mapping[str, str]) -> str:
    """The request id that came with a call if it is well-formed, else a new one: 32 hex digits."""
    given = metadata.get(REQUEST_ID, "")
    return given if _WELL_FORMED_REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def _unexpected(error: Exception, method: Method | StreamMethod, request_id: str) -> Refused:
    # Handlers only read by themselves: a connection that broke there is as good as none.
    from_database = isinstance(error, SQLAlchemyError | OSError)
    if from_database and failure_of(error) is not Failure.OTHER:
        _log.error("database unavailable", rpc=method.name, request_id=request_id)
        return unavailable()
    _log.exception("call failed", rpc=method.name, request_id=request_id)
    refused = Refused.because(Reason.INTERNAL, "An internal error occurred")
    # The answer may have failed after what it tells of was committed.
    refused.maybe_recorded = True
    return refused
