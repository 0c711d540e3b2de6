"""Coupon requests at a desk: what the catalog holds, what is asked, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from redemption_server.rules.commands import CouponCustomer, CouponUse
from redemption_server.rules.outcomes import CouponResult, Outcome, RecordedCoupons
from redemption_server.rules.refusals import Refused

from tests.support import catalogs
from tests.support.desk import Desk, coupon

GRANTED = "GRANTED"
OTHER = CouponCustomer(customer_id=catalogs.OTHER_CUSTOMER)
_TABLES = (
    "coupon_redemption",
    "promotion_transaction",
    "promotion_redemption",
    "claim",
    "event",
    "event_sequence",
    "reversal",
    "reversed_record",
)


@dataclass(frozen=True)
class Situation:
    """A coupon that would be redeemed but for these changes.

    The coupons of `earlier` are redeemed in requests before, those of `together` stand before it in
    the same request.
    """

    series: Mapping[str, Any] = field(default_factory=dict)
    coupon: Mapping[str, Any] = field(default_factory=dict)
    customer: Mapping[str, Any] = field(default_factory=dict)
    use: Mapping[str, Any] = field(default_factory=dict)
    earlier: tuple[CouponUse, ...] = ()
    together: tuple[CouponUse, ...] = ()

    def __or__(self, other: "Situation") -> "Situation":
        return Situation(
            {**self.series, **other.series},
            {**self.coupon, **other.coupon},
            {**self.customer, **other.customer},
            {**self.use, **other.use},
            self.earlier + other.earlier,
            self.together + other.together,
        )


def perfect(**changes: Any) -> CouponUse:
    """A use that satisfies every series; `changes` spoil it."""
    fields = {"amount": "100", "transaction_number": "n1", "validation_code": "right"}
    return coupon(**{**fields, **changes})


async def last_result(desk: Desk, situation: Situation) -> CouponResult:
    """What becomes of the last coupon; nothing is recorded when no coupon was redeemed."""
    first = {"code": "COUPON1", "validation_code": "right", **situation.coupon}
    await apply_series(
        desk,
        {**situation.series, "coupons": [first, {"code": "COUPON2", "validation_code": "right"}]},
        customer=situation.customer,
    )
    for use in situation.earlier:
        assert reasons(await desk.redeem_coupons(use)) == [GRANTED]
    uses = (*situation.together, perfect(**situation.use))
    before = await records(desk)
    results = results_of(await desk.redeem_coupons(*uses))
    if all(result.violation for result in results):
        assert await records(desk) == before
    return results[-1]


async def apply_series(
    desk: Desk,
    *series: Mapping[str, Any],
    customer: Mapping[str, Any] | None = None,
    **organization: Any,
) -> None:
    """Applies coupon series, numbered from 1; `customer` changes the one who redeems."""
    whole = catalogs.organization(credentials=[], **organization)
    whole["customers"][0] |= customer or {}
    whole["coupon_series"] = [
        catalogs.series(number, **changes) for number, changes in enumerate(series, 1)
    ]
    await desk.apply(whole)


async def refused(desk: Desk, *uses: CouponUse, **changes: Any) -> list[str]:
    """Why each coupon of a request is refused; nothing is recorded."""
    before = await records(desk)
    found = reasons(await desk.redeem_coupons(*uses, **changes))
    assert GRANTED not in found
    assert await records(desk) == before
    return found


async def records(desk: Desk) -> dict[str, list[tuple[Any, ...]]]:
    """All that redemptions leave behind. Counters that count nothing are only locks."""
    found = {
        table: sorted(await desk.rows(f"SELECT * FROM {table}"), key=repr) for table in _TABLES
    }
    found["usage"] = await usage(desk)
    return found


async def usage(desk: Desk) -> list[tuple[Any, ...]]:
    """The counters that count something, without the limit that they are held to."""
    rows = await desk.rows(
        "SELECT org_id, scope, subject, member, window_start, used, last_at_ms "
        "FROM usage WHERE used > 0"
    )
    return sorted(rows)


def results_of(outcome: Outcome) -> tuple[CouponResult, ...]:
    """The results of a request that was judged."""
    assert not isinstance(outcome, Refused), outcome
    assert isinstance(outcome.answer, RecordedCoupons)
    return outcome.answer.results


def reasons(outcome: Outcome) -> list[str]:
    """For each coupon GRANTED, or why it was refused."""
    return [reason(result) for result in results_of(outcome)]


def reason(result: CouponResult) -> str:
    """GRANTED, or why the coupon was refused. Exactly one of the two holds."""
    assert (result.redemption is None) != (result.violation is None)
    return result.violation.reason.value if result.violation else GRANTED
