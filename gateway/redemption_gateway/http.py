"""Requests and answers as the codecs see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from google.protobuf.message import Message


class HttpRequest(NamedTuple):
    """A request that was routed; header names are lower-case, `query` holds decoded pairs."""

    path: str
    headers: Mapping[str, str]
    query: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class HttpAnswer:
    """An answer: a JSON value for `orjson`, and headers beyond those that every answer has."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class HttpRefused(Exception):
    """The gateway refuses a request without asking the server; a sentence for each thing wrong."""

    def __init__(
        self, status: int, texts: list[str], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(texts[0])
        self.status = status
        self.texts = texts
        self.headers = headers or {}


class Decoded(NamedTuple):
    """A request message, with what the codec needs again to encode the response."""

    message: Message
    context: Any = None
    unknown_fields: int = 0


class Surface(Protocol):
    """One documented operation: its RPC and how its JSON looks."""

    method: str
    """Full name of the RPC, `package.Service/Method`."""

    error_form: str
    """Which body an error has: A, B or C."""

    needs_credential: bool
    """Whether a request without any credential is refused before anything else."""

    only_reads: bool
    """Whether a call is given up when its client has gone."""

    def decode(self, request: HttpRequest) -> Decoded:
        """The request message. Raises JsonError, WrongTypesError."""
        ...

    def encode(self, response: Any, context: Any) -> HttpAnswer:
        """The answer to a call that succeeded."""
        ...

    def json_name(self, field: str) -> str:
        """How the JSON names a field of the request message."""
        ...


REPLAYED = "Idempotent-Replayed"


def camel_case(field: str) -> str:
    """`line_items[0].promotion_id` → `lineItems[0].promotionId`."""
    first, *rest = field.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
