"""uvicorn's HTTP protocol, made strict: limits on heads and time, and errors in our own form.

What a request means must be the same here and at every proxy before it, so whatever two readers
could read in two ways is refused and the connection closed.
"""

import asyncio
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from redemption_gateway.errors import error_answer

# A lookup may name 100 codes of 250 characters; the parser itself takes no longer URL.
URL_BYTES_MAX = 64 * 1024 - 1
HEADERS_BYTES_MAX = 32 * 1024
HEADERS_MAX = 100
# Of a line that has not ended, or of what stands between the pieces of a body.
UNSEEN_BYTES_MAX = URL_BYTES_MAX + 2 * HEADERS_BYTES_MAX
HEAD_SECONDS_MAX = 10.0
# How long a client may take no bytes of an answer.
WRITE_SECONDS_MAX = 30.0
_NOT_HTTP = (400, "The request is not valid HTTP")


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there may be at once."""

    connections_max: int


class _RefusedHead(Exception):
    """The head of a request is refused; which way, the connection knows."""


class GatewayProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def __init__(self, limits: ConnectionLimits, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._refusal = _NOT_HTTP
        # Requests in the order of their answers; only the last one may still be arriving.
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._in_head = False
        # Whether the framing of a body is being told to a parser anew; see `_go_on_after`.
        self._is_retold = False
        self._header_bytes = 0
        # What arrived since a request began, its head was whole or its body went on: a line that
        # does not end tells the parser's callbacks nothing.
        self._unseen_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts waiting for a first request."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections_max:
            self._refuse(503, "Too many connections are open")
            return
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends all waiting."""
        self._unset_keepalive_if_required()
        self._end_head()
        self._end_write_timer()
        if self.flow:
            super().resume_writing()
        for cycle in self._unanswered:
            # uvicorn tells the last one alone.
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def _wait_for_request(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """Feeds the parser."""
        self._unseen_bytes += len(data)
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._go_on_after_upgrade()
                continue
            except httptools.HttpParserError:
                self.send_400_response("")
                return
            break
        arriving = self._in_head or (self._unanswered and self._unanswered[-1].more_body)
        if arriving and self._unseen_bytes > UNSEEN_BYTES_MAX:
            self._refuse(*_head_too_large())

    def _go_on_after_upgrade(self) -> None:
        """Nothing is upgraded: a new parser goes on, and is told of the body that now follows.

        The parser takes whatever follows such a head for something else than its body.
        """
        self.parser = httptools.HttpRequestParser(self)
        framing = self._framing()
        if framing:
            self._is_retold = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
            self._is_retold = False

    def _framing(self) -> bytes:
        for name, value in self.headers:
            if name in (b"content-length", b"transfer-encoding") and value.strip(b"0"):
                return name + b": " + value
        return b""

    def on_message_complete(self) -> None:
        """A body is whole, or there is none."""
        if self.parser.should_upgrade() and self._framing():
            return
        super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._unseen_bytes = 0
        super().on_body(body)

    def on_message_begin(self) -> None:
        """A head begins."""
        if self._is_retold:
            return
        self._unset_keepalive_if_required()
        super().on_message_begin()
        self._in_head = True
        self._header_bytes = self._unseen_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._head_too_slow)

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        if self._is_retold:
            return
        super().on_url(url)
        if len(self.url) > URL_BYTES_MAX:
            self._refusal = (414, f"The URL must be at most {URL_BYTES_MAX} bytes")
            raise _RefusedHead

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if not self._in_head:
            # A trailer means nothing here.
            return
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value)
        if len(self.headers) > HEADERS_MAX or self._header_bytes > HEADERS_BYTES_MAX:
            self._refusal = _head_too_large()
            raise _RefusedHead

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._is_retold:
            return
        self._end_head()
        self._unset_keepalive_if_required()
        self._unseen_bytes = 0
        old = self.parser.get_http_version() != "1.1"
        if self.parser.get_method() == b"CONNECT" or not _has_one_meaning(self.headers, old=old):
            raise _RefusedHead
        if old:
            # It would take the 100 for its answer.
            self.expect_100_continue = False
        super().on_headers_complete()
        self._unanswered.append(self.cycle)

    def on_response_complete(self) -> None:
        """The oldest request is answered."""
        self._unanswered.popleft()
        super().on_response_complete()
        if self.transport.is_closing():
            self._limit_closing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 — it may quote the request
        """Answers what could not be read, and closes: what follows cannot be either."""
        self._refuse(*self._refusal)

    def _refuse(self, status: int, text: str) -> None:
        """Answers in place of the request that is arriving, after the answers before it."""
        arriving = self._unanswered and self._unanswered[-1].more_body and not self._in_head
        broken = self._unanswered[-1] if arriving else None
        self._end_head()
        before = [cycle for cycle in self._unanswered if cycle is not broken]
        if before:
            # They get their answers; the last of them closes the connection.
            before[-1].keep_alive = False
            self.pipeline = deque(waiting for waiting in self.pipeline if waiting[0] is not broken)
            return
        if broken:
            broken.disconnected = True
            broken.message_event.set()
        if not (broken and broken.response_started):
            self.transport.write(_closing_answer(status, text))
        self.transport.close()
        self._limit_closing()

    def timeout_keep_alive_handler(self) -> None:
        """The connection was idle for long."""
        super().timeout_keep_alive_handler()
        self._limit_closing()

    def _limit_closing(self) -> None:
        """A connection that is closed takes leave when its client has read all, but no later."""
        if not self._write_timer:
            self._write_timer = self.loop.call_later(WRITE_SECONDS_MAX, self.transport.abort)

    def _head_too_slow(self) -> None:
        self._refuse(408, "The request head arrived too slowly")

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def pause_writing(self) -> None:
        """The client takes no bytes at present."""
        super().pause_writing()
        self._end_write_timer()
        self._write_timer = self.loop.call_later(WRITE_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        if not self.transport.is_closing():
            self._end_write_timer()
        if self.flow:
            super().resume_writing()

    def _end_write_timer(self) -> None:
        if self._write_timer:
            self._write_timer.cancel()
            self._write_timer = None


def _has_one_meaning(headers: list[tuple[bytes, bytes]], *, old: bool) -> bool:
    """Whether all readers agree for whom a request is and where it ends; `old`: HTTP/1.0."""
    names = [name for name, _ in headers]
    encodings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if encodings and (old or encodings != [b"chunked"] or b"content-length" in names):
        return False
    hosts = names.count(b"host")
    return hosts == 1 or (old and not hosts)


def _head_too_large() -> tuple[int, str]:
    return 431, f"The headers must be at most {HEADERS_MAX} and {HEADERS_BYTES_MAX} bytes together"


def _closing_answer(status: int, text: str) -> bytes:
    answer = error_answer("B", status, text, [text], time.time_ns() // 1_000_000)
    body = orjson.dumps(answer.body)
    head = (
        "Content-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        f"X-Cap-RequestID: {secrets.token_hex(16)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return STATUS_LINE[status] + head.encode() + body
