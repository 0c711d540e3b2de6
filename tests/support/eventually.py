"""Waiting for a state, with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> float:
    """Returns when `holds` does, and after how many seconds."""
    begun = time.monotonic()
    while not await holds():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - begun
