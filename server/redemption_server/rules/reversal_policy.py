"""What comes back when a redemption is reversed, for each reason."""

from collections.abc import Mapping
from enum import IntEnum, IntFlag


class ReversalReason(IntEnum):
    """Why a redemption is reversed. The numbers are stored and are those of the proto."""

    CANCEL = 1
    RETURN = 2
    FRAUD = 3
    CHARGEBACK = 4
    TEST = 5


class Returned(IntFlag):
    """What comes back. The numbers are stored; never reuse one."""

    NOTHING = 0
    CODE = 1
    """The code, the coupon or the earned promotion may be used again."""
    CUSTOMER = 2
    """The customer may redeem again."""
    BUDGET = 4
    """Others may redeem instead."""


Policies = Mapping[ReversalReason, Returned]

DEFAULT_POLICIES: Policies = {
    ReversalReason.CANCEL: Returned.CODE | Returned.CUSTOMER | Returned.BUDGET,
    ReversalReason.RETURN: Returned.BUDGET,
    ReversalReason.FRAUD: Returned.NOTHING,
    ReversalReason.CHARGEBACK: Returned.NOTHING,
    ReversalReason.TEST: Returned.CODE | Returned.CUSTOMER | Returned.BUDGET,
}
"""What holds where a promotion or series has no policy of its own."""


def returned(policies: Policies, reason: ReversalReason) -> Returned:
    """What comes back for a reason under the policies of a promotion or series."""
    return policies.get(reason, DEFAULT_POLICIES[reason])
