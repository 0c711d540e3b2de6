"""The rate of each credential in each organisation (contract section 7)."""

import time
from typing import NamedTuple

import structlog

from redemption_server.access.windows import WINDOW_SECONDS, Windows
from redemption_server.rules.commands import Caller
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused

_PAUSE_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class Allowance(NamedTuple):
    """What a credential may still do: `remaining` requests, more of them in `reset_seconds`."""

    granted: bool
    limit: int
    remaining: int
    reset_seconds: int

    def check(self) -> None:
        """Raises Refused (RATE_LIMITED) unless the call was granted."""
        if self.granted:
            return
        raise rate_limited(
            f"The credential may send {self.limit} requests a minute",
            "requests",
            self.limit,
            self.reset_seconds,
        )


def rate_limited(description: str, scope: str, limit: int, retry_seconds: int) -> Refused:
    """The refusal of a caller who was too fast."""
    refused = Refused.because(
        Reason.RATE_LIMITED,
        description,
        scope=scope,
        limit=str(limit),
        window_seconds=str(WINDOW_SECONDS),
    )
    refused.retry_seconds = retry_seconds
    return refused


class RateLimiter:
    """Counts requests. `fail_open` says whether calls pass while shared counters are away."""

    def __init__(self, windows: Windows, *, fail_open: bool) -> None:
        self._windows = windows
        self._fail_open = fail_open
        self._away_until = 0.0

    async def take(
        self, caller: Caller, limit: int | None, *, wanted: bool = False
    ) -> Allowance | None:
        """Counts a request, unless it is one too many.

        Returns None when nothing limits it, or when it is granted and what is left is not wanted.
        Raises Refused (UNAVAILABLE) when the counters are away and calls must not pass uncounted.
        """
        if limit is None:
            return None
        if time.monotonic() < self._away_until:
            self._check_open()
            return None
        subject = f"{caller.org_id}/{caller.credential_key}"
        try:
            granted = await self._windows.take(subject, limit)
            if granted and not wanted:
                return None
            remaining, reset_seconds = await self._windows.state(subject, limit)
        except self._windows.away_errors as error:
            # Asking again at each call would make each call wait.
            self._away_until = time.monotonic() + _PAUSE_SECONDS
            _log.error("rate limit storage is away", error=type(error).__name__)
            self._check_open()
            return None
        return Allowance(granted, limit, remaining, reset_seconds)

    def _check_open(self) -> None:
        if not self._fail_open:
            raise Refused.because(Reason.UNAVAILABLE, "The service is unavailable, try again later")
