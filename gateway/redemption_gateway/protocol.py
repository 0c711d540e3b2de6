"""uvicorn's HTTP protocol, answering what is no HTTP in our own form instead of as plain text."""

import secrets
import time

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from redemption_gateway.errors import error_answer


class GatewayProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 — it may quote the request
        """Answers a request that could not be read, and closes: what follows cannot be either."""
        text = "The request is not valid HTTP"
        answer = error_answer("B", 400, text, [text], time.time_ns() // 1_000_000)
        body = orjson.dumps(answer.body)
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "Content-Type: application/json; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"X-Cap-RequestID: {secrets.token_hex(16)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
