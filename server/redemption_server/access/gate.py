"""The gate that every call passes: who is it, how fast may it be, does it guess?"""

from collections.abc import Mapping

from redemption_server.access.authenticate import Authenticator
from redemption_server.access.identity import NOBODY, Access, Identity
from redemption_server.access.origin import Origin
from redemption_server.access.rate_limit import Allowance, RateLimiter
from redemption_server.access.throttle import Throttle

# What is refused, as a multiple of what is slowed down.
_MOST = 10
_STEP_SECONDS = 0.02


class Gate:
    """Asks the same questions of every call.

    A credential that asks for more than `unknown_codes_per_minute` codes that do not exist is
    slowed down, and refused at ten times as many.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        rate_limiter: RateLimiter,
        unknown_codes_per_minute: int,
    ) -> None:
        self._authenticator = authenticator
        self._rate_limiter = rate_limiter
        self._unknown_codes = Throttle(
            "unknown_codes",
            "The credential has asked for too many codes that do not exist",
            free=unknown_codes_per_minute,
            most=unknown_codes_per_minute * _MOST,
            step_seconds=_STEP_SECONDS,
        )
        # Hardly anybody guesses; whoever does not is not looked up.
        self._guessing: set[str] = set()

    async def identify(
        self, access: Access, metadata: Mapping[str, str], origin: Origin
    ) -> Identity:
        """Who is calling. Raises Refused, as `Authenticator.authenticate` does."""
        if access is Access.NOBODY:
            return NOBODY
        return await self._authenticator.authenticate(metadata, origin)

    async def take(self, identity: Identity, *, wanted: bool) -> Allowance | None:
        """Counts the call for the caller's rate: see `RateLimiter.take`."""
        return await self._rate_limiter.take(
            identity.caller, identity.membership.rate_limit_per_minute, wanted=wanted
        )

    async def slow_down(self, identity: Identity) -> None:
        """Keeps a caller waiting who guesses codes. Raises Refused (RATE_LIMITED)."""
        subject = _subject(identity)
        if subject in self._guessing and not await self._unknown_codes.admit(subject):
            self._guessing.discard(subject)

    async def missed(self, identity: Identity, codes: int) -> None:
        """Counts codes that the caller asked for and that do not exist."""
        subject = _subject(identity)
        self._guessing.add(subject)
        await self._unknown_codes.missed(subject, codes)


def _subject(identity: Identity) -> str:
    return f"{identity.caller.org_id}/{identity.caller.credential_key}"
