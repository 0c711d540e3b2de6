"""The receiver of a benchmark's webhook: checks signatures, and that events come in order.

python -m benchmarks.receiver
"""

import asyncio
import base64
import json
import time
from contextlib import suppress
from typing import Any

import uvloop
from standardwebhooks import Webhook

from benchmarks.children import answer

SECRET = "whsec_" + base64.b64encode(b"benchmark-benchmark-benchmark-32").decode()
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver:
    """Takes everything. `repeated` is allowed, `missed`, after the first event, is not."""

    def __init__(self) -> None:
        self._verifier = Webhook(SECRET)
        self._sequence = 0
        self._received = 0
        self._repeated = 0
        self._missed = 0
        self._more = asyncio.Event()

    async def listen(self) -> dict[str, Any]:
        """Listens on a free port, and tells it."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return {"port": server.sockets[0].getsockname()[1]}

    async def reached(self, sequence: int, within: float) -> dict[str, Any]:
        """How long it takes until the event has come, at most `within`, and what came so far."""
        begun, before = time.monotonic(), self._received
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._sequence < sequence:
                    await self._more.wait()
                    self._more.clear()
        return {
            "seconds": time.monotonic() - begun,
            "before": before,
            "received": self._received,
            "sequence": self._sequence,
            "repeated": self._repeated,
            "missed": self._missed,
        }

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                _, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                cells = (line.split(": ", 1) for line in lines if line)
                headers = {name.lower(): value for name, value in cells}
                body = await reader.readexactly(int(headers["content-length"]))
                self._verifier.verify(body, headers)
                self._take(int(json.loads(body)["sequence"]))
                writer.write(_ANSWER)
        writer.close()

    def _take(self, sequence: int) -> None:
        self._received += 1
        self._repeated += sequence <= self._sequence
        self._missed += self._sequence > 0 and sequence > self._sequence + 1
        self._sequence = max(self._sequence, sequence)
        self._more.set()


async def main() -> None:
    """Answers `listen` and `reached`."""
    receiver = Receiver()
    await answer({"listen": receiver.listen, "reached": receiver.reached})


if __name__ == "__main__":
    uvloop.run(main())
