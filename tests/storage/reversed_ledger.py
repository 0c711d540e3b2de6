"""The reversals of the ledger: for each reason, of whole transactions and parts, of both kinds."""

from datetime import datetime, timedelta
from typing import Any

from redemption_server.rules.commands import CouponCustomer
from redemption_server.rules.outcomes import (
    Granted,
    Outcome,
    RecordedCoupons,
    RecordedTransaction,
    Replayed,
)
from redemption_server.rules.refusals import Refused
from redemption_server.rules.reversal_policy import ReversalReason

from tests.support.catalogs import CUSTOMER, promotion, series
from tests.support.desk import Desk, coupon, use

EVERY_POLICY = [
    {"reason": "CANCEL", "code": True},
    {"reason": "RETURN", "customer": True},
    {"reason": "FRAUD", "code": True, "customer": True},
    {"reason": "CHARGEBACK", "code": True, "budget": True},
    {"reason": "TEST", "customer": True, "budget": True},
]
"""With the defaults, everything that can come back."""
_ROOMY = {
    "redemptions_total": 99,
    "redemptions_per_customer": 99,
    "redemptions_per_code": 99,
    "discount_total": "99",
}
_BY_DAY = {"redemptions_total": {"limit": 99, "window": "DAY"}}
_BY_WEEK = {"redemptions_total": {"limit": 99, "window": "WEEK"}}
PROMOTIONS = (
    promotion("usual", limits=_ROOMY, codes=[{"id": "id-usual", "code": "usual"}]),
    promotion(
        "chosen",
        limits=_ROOMY,
        codes=[{"id": "id-chosen", "code": "chosen"}],
        reversal_policies=EVERY_POLICY,
    ),
)
CHANGING_PROMOTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "back_added": ({}, {**_ROOMY, **_BY_DAY}),
    "back_rewindowed": (_BY_DAY, _BY_WEEK),
    "back_lowered": (_ROOMY, {**_ROOMY, "redemptions_total": 1}),
    "back_removed": (_ROOMY, {}),
}
EARNED = [
    {"id": f"earned-{name}", "promotion": "earned", "customer": CUSTOMER, "status": "UNLOCKED"}
    for name in ("back", "spent")
]
_LIMITED = {
    "max_redemptions": 99,
    "max_redemptions_per_coupon": 9,
    "max_redemptions_per_customer": 99,
    "same_customer_may_repeat": True,
}
SERIES = (
    series(11, **_LIMITED, coupons=[{"code": "usual"}, {"code": "usual2"}]),
    series(12, **_LIMITED, reversal_policies=EVERY_POLICY, coupons=[{"code": "chosen"}]),
    series(
        13,
        max_redemptions_per_coupon="unlimited",
        same_customer_may_repeat=True,
        min_days_between_redemptions=1,
        coupons=[{"code": "visits"}],
    ),
    series(14, coupons=[{"code": "once"}]),
)
_NAMES = ("usual", "chosen")


class Reverser:
    """Redeems and reverses, and sees that each comes out as it should."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def reverse(self) -> None:
        """What is redeemed and reversed before the catalog changes."""
        await self._redeem()
        coupons = await self._redeem_coupons()
        self._desk.clock.advance(timedelta(hours=1))
        for reason in ReversalReason:
            for name in _NAMES:
                key = f"{name}-{reason.name}"
                await self._reversed(transaction_identifier=key, request_id=key, reason=reason)
                key, redemption_id = f"coupon-{key}", coupons[name, reason]
                await self._reversed(redemption_id, request_id=key, reason=reason)
        await self._reverse_parts()
        await self._reverse_where_limits_change(0)
        await self._reverse_gaps()

    async def reverse_after_change(self) -> None:
        """What was redeemed before the catalog changed and is reversed after."""
        await self._reverse_where_limits_change(1)
        await self._reverse_where_limits_change(2, reason=ReversalReason.RETURN)

    async def _redeem(self) -> None:
        for name in _NAMES:
            twice = use(name, promo_code=name, redemption_count=2, discount=1_000_000)
            for kept_or_not in ("kept", *(reason.name for reason in ReversalReason)):
                await self._promotions(f"{name}-{kept_or_not}", twice)
        for number in range(4):
            day = datetime.fromisoformat(f"2026-03-0{number + 1}T12:00:00+00:00")
            uses = [use(name, discount=2_000_000) for name in CHANGING_PROMOTIONS]
            await self._promotions(f"back-{number}", *uses, transaction_date=day)
        for name in ("back", "spent"):
            await self._promotions(name, use("earned", earned_promotion_id=f"earned-{name}"))

    async def _redeem_coupons(self) -> dict[tuple[str, ReversalReason], int]:
        redeemed = {}
        for name in _NAMES:
            for reason in ReversalReason:
                [redeemed[name, reason]] = await self._coupons(name)
            await self._coupons(name)
        return redeemed

    async def _reverse_parts(self) -> None:
        parts = [use("usual", promo_code="usual", discount=500_000) for _ in range(3)]
        first, second, third = await self._promotions("parts", *parts[:2], line_items=(parts[2],))
        await self._reversed(second, transaction_identifier="parts", request_id="part")
        rest: dict[str, Any] = {"transaction_identifier": "parts", "reason": ReversalReason.FRAUD}
        await self._reversed(**rest, request_id="rest")
        await self._reversed(**rest, request_id="rest", expected=Replayed)
        await self._reversed(**rest, request_id="again", expected=Refused)
        await self._reversed(first, third, **rest, request_id="again", expected=Refused)
        both = await self._coupons("usual", "usual2")
        await self._reversed(*both, request_id="coupons", reason=ReversalReason.RETURN)
        for name, reason in (("back", ReversalReason.CANCEL), ("spent", ReversalReason.RETURN)):
            key = f"earned-{name}"
            await self._reversed(transaction_identifier=name, request_id=key, reason=reason)
        [once] = await self._coupons("once")
        await self._reversed(once, request_id="once")
        await self._coupons("once")

    async def _reverse_where_limits_change(self, number: int, **changes: Any) -> None:
        key = f"back-{number}"
        await self._reversed(transaction_identifier=key, request_id=key, **changes)

    async def _reverse_gaps(self) -> None:
        visits = []
        for _ in range(3):
            visits += await self._coupons("visits")
            self._desk.clock.advance(timedelta(days=1))
        await self._reversed(visits[2], request_id="visit-2")
        # Nothing comes back, so that the gap still counts from here.
        await self._reversed(visits[1], request_id="visit-1", reason=ReversalReason.RETURN)

    async def _promotions(self, identifier: str, *uses: Any, **changes: Any) -> list[str]:
        outcome = await self._desk.redeem(*uses, transaction_identifier=identifier, **changes)
        assert isinstance(outcome, Granted), (identifier, outcome)
        assert isinstance(outcome.answer, RecordedTransaction)
        return [recorded.id for recorded in outcome.answer.uses]

    async def _coupons(self, *codes: str) -> list[int]:
        customer = CouponCustomer(customer_id=CUSTOMER)
        uses = [coupon(code, customer=customer) for code in codes]
        outcome = await self._desk.redeem_coupons(*uses)
        assert isinstance(outcome, Granted), (codes, outcome)
        assert isinstance(outcome.answer, RecordedCoupons)
        found = [result.redemption for result in outcome.answer.results]
        return [redemption.redemption_id for redemption in found if redemption]

    async def _reversed(
        self, *record_ids: str | int, expected: type[Outcome] = Granted, **changes: Any
    ) -> None:
        outcome = await self._desk.reverse(*record_ids, **changes)
        assert isinstance(outcome, expected), (changes, outcome)
