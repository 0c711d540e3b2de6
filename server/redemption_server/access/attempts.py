"""Slows down who tries secrets, by key and by address.

Only attempts that cost an expensive hash are slowed: who has been let in before stays in, whoever
else tries the same key.
"""

import asyncio
import hashlib
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redemption_server.access.throttle import Throttle
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused

FREE_FAILURES = 5
FAILURES_MAX = 30
_STEP_SECONDS = 0.1
# Each takes a thread, 64 MiB and tens of milliseconds.
_TOGETHER_MAX = 2
_WAITING_MAX = 500
_PREFIX_IPV6 = 64


class FailedAttempts:
    """Failed attempts of the last minute."""

    def __init__(self) -> None:
        self._throttle = Throttle(
            "failed_attempts",
            "Too many attempts to authenticate have failed",
            free=FREE_FAILURES,
            most=FAILURES_MAX,
            step_seconds=_STEP_SECONDS,
        )
        self._slots = asyncio.Semaphore(_TOGETHER_MAX)
        self._waiting = 0

    @asynccontextmanager
    async def attempt(self, key: str, address: str) -> AsyncIterator[None]:
        """Room for one attempt. Raises Refused: RATE_LIMITED, or OVERLOADED by all of them."""
        if self._waiting >= _WAITING_MAX:
            raise Refused.because(Reason.OVERLOADED, "Too many callers are being authenticated")
        self._waiting += 1
        try:
            for subject in _subjects(key, address):
                await self._throttle.admit(subject)
            async with self._slots:
                # Others may have failed while this one waited.
                for subject in _subjects(key, address):
                    await self._throttle.check(subject)
                yield
        finally:
            self._waiting -= 1

    async def failed(self, key: str, address: str) -> None:
        """Counts a failure."""
        for subject in _subjects(key, address):
            await self._throttle.missed(subject)


def _subjects(key: str, address: str) -> tuple[str, ...]:
    # Whoever guesses chooses how long a key is.
    short = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return (f"key {short}", f"address {_network(address)}") if address else (f"key {short}",)


def _network(address: str) -> str:
    """The address; of version 6 the part that one subscriber has for himself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and not parsed.ipv4_mapped:
        return str(ipaddress.ip_network((parsed, _PREFIX_IPV6), strict=False))
    return str(parsed)
