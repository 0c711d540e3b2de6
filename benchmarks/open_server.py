"""The gRPC server without its gate: nobody is authenticated, authorised or limited.

Only to measure what the gate costs. There is no switch for this in the product.
"""

from collections.abc import Mapping

from redemption_server import app, cli
from redemption_server.access.gate import Gate
from redemption_server.access.identity import Access, Identity
from redemption_server.access.origin import Origin
from redemption_server.access.rate_limit import Allowance
from redemption_server.rules.commands import Caller
from redemption_server.storage.credentials import Membership

ORG = 1

_ANYBODY = Identity(
    Caller(ORG, "bench", None, ""),
    Membership(
        org_id=ORG,
        region="",
        rate_limit_per_minute=None,
        till_id=None,
        till_code="",
        access_customer="write",
        access_default=True,
        access_admin=True,
    ),
)


class _OpenGate(Gate):
    async def identify(
        self, access: Access, metadata: Mapping[str, str], origin: Origin
    ) -> Identity:
        return _ANYBODY

    async def take(self, identity: Identity, *, wanted: bool) -> Allowance | None:
        return None

    async def slow_down(self, identity: Identity) -> None:
        pass


if __name__ == "__main__":
    app.Gate = _OpenGate  # type: ignore[attr-defined]
    cli.main(["server"])
