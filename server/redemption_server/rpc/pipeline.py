"""What every call goes through, whichever door it came by.

Authenticate, authorise, limit, read, handle, map errors. Nothing but a response or a StatusError
leaves it, and no exception text ever does.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog
from google.protobuf.message import DecodeError, Message
from sqlalchemy.exc import SQLAlchemyError

from redemption_server.access.audit import audit
from redemption_server.access.gate import Gate
from redemption_server.access.identity import Access, Identity
from redemption_server.access.origin import Origin
from redemption_server.access.rate_limit import Allowance
from redemption_server.access.windows import WINDOW_SECONDS
from redemption_server.rpc.status import StatusError, status_of
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused, field_invalid
from redemption_server.storage.database import unavailable
from redemption_server.storage.failures import Failure, failure_of

REQUEST_ID = "x-request-id"
# Sent by whoever wants to know, with each answer, what is left of the rate: the gateway does.
ANNOUNCE_RATE = "x-announce-rate"
_WELL_FORMED_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
_IDENTIFY_AGAIN_SECONDS = 15.0
_log = structlog.get_logger(__name__)


class Misses:
    """How many codes that do not exist a call asked for."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Call(NamedTuple):
    """The surroundings of a request: who sent it from where, under which id it is logged.

    `deadline` is in the time of the event loop, None when the caller waits for ever. A handler
    notes in `misses` what it was asked for in vain.
    """

    identity: Identity
    origin: Origin
    request_id: str
    deadline: float | None
    misses: Misses


class Arrival(NamedTuple):
    """A call as it came to a door.

    `read` gives the request; it is asked only once the caller is known. `announce` is told what
    the answer must carry beside its body, whatever becomes of the call.
    """

    read: Callable[[], Message]
    metadata: Mapping[str, str]
    timeout_seconds: float | None
    origin: Origin
    announce: Callable[[Mapping[str, str]], None]


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
    """An RPC that answers with a stream; one that is `endless` does not end by itself."""

    name: str
    access: Access
    handle: Callable[[Any, Call], AsyncGenerator[Message, None]]
    endless: bool = False

    def repeatable(self, request: Message) -> bool:
        """Streams only read."""
        return _always(request)


class Pipeline:
    """Runs calls."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def run(self, method: Method, arrival: Arrival) -> Message:
        """The response to a request. Raises StatusError."""
        async with self._call(method, arrival) as (request, call):
            return await method.handle(request, call)

    async def stream(self, method: StreamMethod, arrival: Arrival) -> AsyncIterator[Message]:
        """The responses to a request. Raises StatusError.

        A credential that is taken back meanwhile ends it.
        """
        loop = asyncio.get_running_loop()
        async with (
            self._call(method, arrival) as (request, call),
            aclosing(method.handle(request, call)) as responses,
        ):
            known_until = loop.time() + _IDENTIFY_AGAIN_SECONDS
            async for response in responses:
                if loop.time() > known_until:
                    await self._identify(method, arrival)
                    known_until = loop.time() + _IDENTIFY_AGAIN_SECONDS
                yield response

    async def _identify(self, method: StreamMethod, arrival: Arrival) -> None:
        identity = await self._gate.identify(method.access, arrival.metadata, arrival.origin)
        identity.require(method.access)

    @asynccontextmanager
    async def _call(
        self, method: Method | StreamMethod, arrival: Arrival
    ) -> AsyncIterator[tuple[Message, Call]]:
        """Lets a call in and maps whatever it fails with."""
        request_id = request_id_of(arrival.metadata)
        # For whatever is logged on the way; each call has a task, and so a context, of its own.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        timeout = asyncio.timeout(arrival.timeout_seconds)
        identity: Identity | None = None
        request: Message | None = None
        misses = Misses()
        try:
            async with timeout:
                identity = await self._gate.identify(
                    method.access, arrival.metadata, arrival.origin
                )
                identity.require(method.access)
                wanted = ANNOUNCE_RATE in arrival.metadata
                allowance = await self._gate.take(identity, wanted=wanted)
                if allowance:
                    arrival.announce(_announced(allowance))
                    allowance.check()
                await self._gate.slow_down(identity)
                request = _read(arrival)
                yield request, Call(identity, arrival.origin, request_id, timeout.when(), misses)
                return
        except Refused as caught:
            refused, cause = caught, caught.__cause__
            if identity and caught.reason is Reason.PERMISSION_DENIED:
                _audit_denied(identity, method, caught)
            misses.count += sum(v.reason is Reason.CODE_NOT_FOUND for v in caught.violations)
        except Exception as error:  # noqa: BLE001 — whatever it is, the caller is answered
            # Drivers have time-outs of their own.
            late = isinstance(error, TimeoutError) and timeout.expired()
            refused = _deadline_exceeded() if late else _unexpected(error, method)
            cause = error
        finally:
            if identity and misses.count:
                await self._gate.missed(identity, misses.count)
        repeatable = request is None or method.repeatable(request)
        raise StatusError(status_of(refused, request_id, repeatable=repeatable)) from cause


def _read(arrival: Arrival) -> Message:
    try:
        return arrival.read()
    except DecodeError as error:
        raise Refused([field_invalid("request", "is not a message of its type")]) from error


def _announced(allowance: Allowance) -> Mapping[str, str]:
    """The headers of draft-ietf-httpapi-ratelimit-headers, which gRPC callers get as trailers."""
    remaining = allowance.remaining if allowance.granted else 0
    return {
        "ratelimit-policy": f'"requests";q={allowance.limit};w={WINDOW_SECONDS}',
        "ratelimit": f'"requests";r={remaining};t={allowance.reset_seconds}',
    }


def _audit_denied(identity: Identity, method: Method | StreamMethod, refused: Refused) -> None:
    audit(
        "authorisation failed",
        credential=identity.caller.credential_key,
        org_id=identity.caller.org_id,
        rpc=method.name,
        why=str(refused),
    )


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


def _unexpected(error: Exception, method: Method | StreamMethod) -> Refused:
    # Handlers only read by themselves: a connection that broke there is as good as none.
    from_database = isinstance(error, SQLAlchemyError | OSError)
    if from_database and failure_of(error) is not Failure.OTHER:
        _log.error("database unavailable", rpc=method.name)
        return unavailable()
    _log.exception("call failed", rpc=method.name)
    refused = Refused.because(Reason.INTERNAL, "An internal error occurred")
    # The answer may have failed after what it tells of was committed.
    refused.maybe_recorded = True
    return refused
