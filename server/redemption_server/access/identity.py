"""Who is calling, and what they may do (contract section 7)."""

from enum import Enum
from typing import NamedTuple

from redemption_server.rules.commands import Caller
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.credentials import Membership


class Access(Enum):
    """What a call needs to be allowed; the values are how the contract writes it."""

    NOBODY = "nobody"
    """Not even a credential."""
    CUSTOMER_WRITE = "customer: write"
    DEFAULT = "default"
    ADMIN = "admin"


class Identity(NamedTuple):
    """Who is calling, for which organisation, and what they may do there."""

    caller: Caller
    membership: Membership

    def may(self, access: Access) -> bool:
        """Whether the caller has the access group."""
        membership = self.membership
        match access:
            case Access.CUSTOMER_WRITE:
                return membership.access_customer == "write"
            case Access.DEFAULT:
                return membership.access_default
            case Access.ADMIN:
                return membership.access_admin
            case Access.NOBODY:
                return True

    def require(self, access: Access) -> None:
        """Raises Refused (PERMISSION_DENIED) unless the caller has the access group."""
        if not self.may(access):
            raise Refused.because(
                Reason.PERMISSION_DENIED,
                f"The credential needs the access group {access.value}",
                needs=access.value,
            )


NOBODY = Identity(
    Caller(0, "", None, ""),
    Membership(
        org_id=0,
        region="",
        rate_limit_per_minute=None,
        till_id=None,
        till_code="",
        access_customer="",
        access_default=False,
        access_admin=False,
    ),
)
"""Whoever calls what needs no credential: of no organisation, since none has the id 0."""
