"""Reads request bodies: within a size and a time, and once the headers allow it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from redemption_gateway.http import HttpRefused

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BODY_BYTES_MAX = 1024 * 1024
BODY_SECONDS_MAX = 15.0
# A body that is not wanted and no longer than this is read before the answer, so that the
# connection can go on; of a longer one enough is read after it for its sender to see the answer.
_SMALL_BYTES_MAX = 64 * 1024
_UNWANTED_BYTES_MAX = 4 * 1024 * 1024
_UNWANTED_SECONDS_MAX = 2.0
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)


class RequestBody:
    """The body of one request; read at most once."""

    def __init__(self, headers: Mapping[str, str], receive: Receive) -> None:
        self._headers = headers
        self._receive = receive
        self.is_read = not self._is_announced()

    def _is_announced(self) -> bool:
        length = self._headers.get("content-length", "0")
        return length.strip("0") != "" or "transfer-encoding" in self._headers

    def check_type(self) -> None:
        """Raises HttpRefused unless the body is declared as JSON or not at all."""
        content_type = self._headers.get("content-type", "").strip()
        if content_type and not _JSON_TYPE.fullmatch(content_type):
            raise HttpRefused(415, ["The request body must be application/json"])
        if self._headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise HttpRefused(415, ["The request body must not be compressed"])

    async def read(self) -> bytes:
        """The whole body. Raises HttpRefused when it is too large, too slow or ends early."""
        declared = self._headers.get("content-length", "")
        if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
            raise _too_large()
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                body = await self._read(BODY_BYTES_MAX)
        except TimeoutError as error:
            raise HttpRefused(408, ["The request body arrived too slowly"]) from error
        if body is None:
            raise _too_large()
        self.is_read = True
        return body

    async def skip(self) -> None:
        """Reads a small body that nobody wanted. One that is asked for first is not sent then."""
        length = self._headers.get("content-length", "")
        if "expect" not in self._headers and length.isdigit() and int(length) <= _SMALL_BYTES_MAX:
            self.is_read = await self._read_for_a_while(_SMALL_BYTES_MAX)

    async def drop(self) -> None:
        """Reads on for a while: a sender who is cut off loses the answer that was sent."""
        await self._read_for_a_while(_UNWANTED_BYTES_MAX)

    async def _read_for_a_while(self, bytes_max: int) -> bool:
        """Whether the body came to its end."""
        try:
            async with asyncio.timeout(_UNWANTED_SECONDS_MAX):
                return await self._read(bytes_max) is not None
        except (TimeoutError, HttpRefused):
            return False

    async def _read(self, bytes_max: int) -> bytes | None:
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise HttpRefused(400, ["The request body ended early"])
            body += message.get("body", b"")
            if len(body) > bytes_max:
                return None
            if not message.get("more_body"):
                return bytes(body)


def _too_large() -> HttpRefused:
    return HttpRefused(413, [f"The request body must be at most {BODY_BYTES_MAX} bytes"])
