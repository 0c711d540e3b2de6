"""A consumer of the feed in a process of its own, which may be killed at any moment.

Its file has a line for each event. It begins behind the last whole line, as a consumer does that
keeps its position beside what it has done.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import grpc.aio
from redemption.v1.feed_service_pb2 import FeedEvent

from tests.support.watching import watching

SECONDS = 60.0


def record_id(event: FeedEvent) -> str:
    """The id of the record that an event is about."""
    return event.promotion_redemption.id or str(event.coupon_redemption.redemption_id)


def consumed(file: Path) -> list[tuple[int, str]]:
    """The numbers and records of the events in a file, in its order."""
    whole, _, _ = file.read_text().rpartition("\n")
    lines = [line.split(" ") for line in whole.splitlines()]
    return [(int(number), record) for number, record in lines]


async def consume(port: int, file: Path) -> None:
    """Appends what comes, for as long as it comes."""
    seen = consumed(file)
    whole = "".join(f"{number} {record}\n" for number, record in seen)
    os.truncate(file, len(whole))
    after: Any = seen[-1][0] if seen else 0
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        watching(channel, after_sequence=after) as watch,
    ):
        with file.open("a") as lines:
            while True:
                for event in (await watch.response(SECONDS)).events:
                    lines.write(f"{event.sequence} {record_id(event)}\n")
                    lines.flush()


if __name__ == "__main__":
    asyncio.run(consume(int(sys.argv[1]), Path(sys.argv[2])))
