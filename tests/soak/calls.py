"""What a soak sends, as it goes over the wire, and what it gets back."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

Metadata = tuple[tuple[str, str], ...]


class HttpAsk(NamedTuple):
    """Bytes for the HTTP door, which holds so many requests; the answer to HEAD has no body."""

    data: bytes
    verb: str = "GET"
    answers: int = 1


class GrpcAsk(NamedTuple):
    """A call over a gRPC channel. Its message is bytes, since it may be none."""

    path: str
    message: bytes
    metadata: Metadata = ()


class FramesAsk(NamedTuple):
    """Bytes for the gRPC door itself. Nothing is expected but that it ends the connection."""

    data: bytes


Ask = HttpAsk | GrpcAsk | FramesAsk


class Impatience(NamedTuple):
    """How a call is abandoned: after which share of its bytes was sent, how long after, and how.

    An abrupt end is a reset of the connection, or over gRPC a deadline instead of a cancellation.
    """

    sent: float
    seconds: float
    abrupt: bool


class Answer(NamedTuple):
    """One answer; its status is a number of HTTP or a name of gRPC, its reason gRPC's alone."""

    status: str
    reason: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = {}


CLOSED = Answer("closed")
"""The gRPC door has ended a connection, as it should."""

Check = Callable[[Answer], str]
"""Says what is wrong with an answer; nothing when it is right."""


class Call(NamedTuple):
    """One call of a kind, and how each of its answers is looked at."""

    kind: str
    ask: Ask
    check: Check


def one_of(*allowed: str) -> Check:
    """A check of the status alone, or of the reason where gRPC gives one."""

    def check(answer: Answer) -> str:
        said = answer.reason or answer.status
        return "" if said in allowed else f"{said}, not {' or '.join(allowed)}"

    return check
