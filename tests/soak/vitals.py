"""What a process holds, read from /proc."""

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path

_PAUSE_SECONDS = 0.1
_RESTING_SECONDS = 1.0
# The HTTP door gives a client that long to take its last answer.
_SETTLE_SECONDS = 45.0


def rss_mib(pid: int) -> float:
    """Its resident memory; none when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def descriptors(pid: int) -> int:
    """How many file descriptors are open; none when it has ended."""
    with suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0


async def resting_descriptors(pid: int, at_most: int = sys.maxsize) -> int:
    """How many stay open: at most so many and the same for a while, or what is left in the end."""
    begun = changed = time.monotonic()
    count = descriptors(pid)
    while (now := time.monotonic()) < begun + _SETTLE_SECONDS:
        if count <= at_most and now > changed + _RESTING_SECONDS:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
        before, count = count, descriptors(pid)
        if count != before:
            changed = time.monotonic()
    return count
