"""What a storm offers: two organisations, and in each round new promotions and coupons.

Both organisations have the same ids, with other limits. A round has a theme: in a mixed one
everything is in demand at once and keys race; in the others all demand one thing and race for its
limits. (Batches that share a key, or a counter that is new, wait for each other before they look
at a limit, so that a mixed round alone would leave limits without a race.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import argon2

from tests.support import catalogs

CUSTOMERS = range(501, 509)
CODES = "abc"
EARNED = 6
COUPONS = {"single": 10, "shared": 2, "personal": 3}
"""How many coupons there are in each series."""
MIXED = "mixed"
_THEMES = ("total", "shared", "customer", "discount", "daily", "code", "every", "personal")
_GENEROSITY = 5
# Each change of a catalog makes a server verify secrets anew: with usual hashes a storm would
# mostly measure that.
_CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass(frozen=True)
class Organization:
    """An organisation of the storm; its limits are higher by `surplus`."""

    place: int
    id: int
    key: str
    secret: str
    time_zone: str
    surplus: int


ORGANIZATIONS = (
    Organization(0, catalogs.ORG, catalogs.KEY, catalogs.SECRET, "UTC", 0),
    Organization(
        1, catalogs.OTHER_ORG, catalogs.OTHER_KEY, catalogs.OTHER_SECRET, "Asia/Kolkata", 2
    ),
)


def theme_of(organization: Organization, number: int) -> str:
    """What is in demand in a round: every other one is mixed."""
    turn, mixed = divmod(number + organization.place, 2)
    return MIXED if mixed else _THEMES[turn % len(_THEMES)]


def first_catalog(organization: Organization) -> dict[str, Any]:
    """The organisation without anything to redeem."""
    credential = {
        "key": organization.key,
        "secret_hash": _CHEAP.hash(organization.secret),
        "access": catalogs.CREDENTIAL["access"],
    }
    return catalogs.organization(
        id=organization.id,
        time_zone=organization.time_zone,
        credentials=[credential],
        customers=[{"id": customer_id} for customer_id in CUSTOMERS],
    )


def round_catalog(organization: Organization, number: int) -> dict[str, Any]:
    """What a round adds to the organisation's catalog."""
    generosity = 1 if theme_of(organization, number) == MIXED else _GENEROSITY

    def limit(small: int) -> int:
        return small * generosity + organization.surplus

    earned = [
        {
            "id": f"r{number}-earned-{i}",
            "promotion": f"r{number}-earned",
            "customer": CUSTOMERS[i],
        }
        for i in range(EARNED)
    ]
    promotions = [
        catalogs.promotion(f"r{number}-{name}", **fields)
        for name, fields in _promotions(number, limit).items()
    ]
    series = [
        catalogs.series(
            10 * number + place,
            coupons=[{"code": f"R{number}-{name}-{i}"} for i in range(COUPONS[name])],
            **fields,
        )
        for place, (name, fields) in enumerate(_series(limit).items())
    ]
    return catalogs.organization(
        id=organization.id,
        time_zone=organization.time_zone,
        credentials=[],
        customers=[],
        promotions=promotions,
        earned_promotions=earned,
        coupon_series=series,
    )


def _promotions(number: int, limit: Callable[[int], int]) -> dict[str, dict[str, Any]]:
    codes = [{"id": f"r{number}-code-{c}", "code": f"R{number}-Code-{c}"} for c in CODES]
    return {
        "total": {"limits": {"redemptions_total": limit(10)}},
        "customer": {"limits": {"redemptions_per_customer": limit(3)}},
        "code": {"limits": {"redemptions_per_code": limit(3)}, "codes": codes},
        "discount": {"limits": {"discount_total": limit(80)}},
        "every": {
            "limits": {
                "redemptions_total": limit(14),
                "redemptions_per_customer": limit(4),
                "discount_total": limit(90),
            }
        },
        "daily": {
            "limits": {
                "redemptions_total": {"limit": limit(4), "window": "DAY"},
                "redemptions_per_customer": {"limit": limit(1), "window": "DAY"},
            }
        },
        "recorded": {
            "limits": {"redemptions_total": limit(8), "redemptions_per_customer": limit(3)},
            "over_limit": "RECORD",
        },
        "earned": {},
        "unlimited": {},
    }


def _series(limit: Callable[[int], int]) -> dict[str, dict[str, Any]]:
    return {
        "single": {},
        "shared": {
            "max_redemptions": limit(6),
            "max_redemptions_per_coupon": "unlimited",
            "same_customer_may_repeat": True,
        },
        "personal": {
            "max_redemptions_per_coupon": limit(4),
            "max_redemptions_per_customer": 2,
        },
    }
