"""Who asks, by which door, and how they say who they are."""

import json
from typing import Any, NamedTuple

from tests.gateway.raw_http import HOST, LAST_CHUNK, chunk, head
from tests.soak.calls import GrpcAsk, HttpAsk
from tests.support.service import basic

JSON = "Content-Type: application/json"
_CHUNK_BYTES = 100


class Sender(NamedTuple):
    """Headers and metadata have the same names; an HTTP body may go in chunks."""

    by_http: bool
    headers: tuple[tuple[str, str], ...] = (("Authorization", basic()),)
    in_chunks: bool = False

    def ask_http(self, verb: str, target: str, *lines: str) -> HttpAsk:
        """A request without a body."""
        return HttpAsk(head(f"{verb} {target} HTTP/1.1", HOST, *self._lines(), *lines), verb)

    def post(self, target: str, body: Any, *lines: str) -> HttpAsk:
        """A request with JSON as its body, or with bytes that are sent as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        framing = f"Content-Length: {len(content)}"
        if self.in_chunks:
            framing = "Transfer-Encoding: chunked"
            pieces = range(0, len(content), _CHUNK_BYTES)
            content = b"".join(chunk(content[i : i + _CHUNK_BYTES]) for i in pieces) + LAST_CHUNK
        asked = self.ask_http("POST", target, JSON, framing, *lines)
        return asked._replace(data=asked.data + content)

    def ask_grpc(self, path: str, message: Any) -> GrpcAsk:
        """A call with a message, or with bytes that are sent as they are."""
        content = message if isinstance(message, bytes) else message.SerializeToString()
        return GrpcAsk(path, content, tuple((name.lower(), value) for name, value in self.headers))

    def _lines(self) -> list[str]:
        return [f"{name}: {value}" for name, value in self.headers]


def over_http(*headers: tuple[str, str]) -> Sender:
    """A sender over HTTP with the usual credential, and more headers."""
    return Sender(True, (("Authorization", basic()), *headers))
