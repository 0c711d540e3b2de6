"""What a storm asks for: requests under keys, more of them than the limits of the round allow."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from redemption_server.rules.facts import Operation
from redemption_server.rules.normal import fold

from tests.storm.limits import MICROS, Coupon, Sale, Use
from tests.storm.offer import CODES, COUPONS, CUSTOMERS, EARNED, MIXED, Organization, theme_of

_KEYS = 150
_FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
_DAYS = 3
_UNKEYED = 0.06


class CouponRequest(NamedTuple):
    """The content of a coupon request; the transaction number tells contents apart."""

    atomic: bool
    transaction_number: str
    coupons: tuple[Coupon, ...]


Content = Sale | CouponRequest


@dataclass(frozen=True, eq=False, slots=True)
class Key:
    """An idempotency key with what is sent under it: its own content, and another one.

    A coupon request without a `text` is sent once, without a request id. A key that races is in
    flight several times at once.
    """

    org_id: int
    operation: Operation
    text: str
    contents: tuple[Content, Content]
    races: bool


class _Draw:
    """Draws contents for the offer of a round."""

    def __init__(self, chance: random.Random, number: int) -> None:
        self._chance = chance
        self._number = number

    def total(self) -> Sale:
        return self._sale(self._use("total"))

    def customer(self) -> Sale:
        return self._sale(self._use("customer"))

    def code(self) -> Sale:
        return self._sale(self._code_use())

    def discount(self) -> Sale:
        return self._sale(self._use("discount"))

    def every(self) -> Sale:
        return self._sale(self._use("every", 3))

    def daily(self) -> Sale:
        return self._sale(self._use("daily"))

    def recorded(self) -> Sale:
        return self._sale(self._use("recorded", 3))

    def earned(self) -> Sale:
        return self._sale(self._earned_use())

    def unlimited(self) -> Sale:
        return self._sale(self._use("unlimited", 1_000))

    def basket(self) -> Sale:
        """Several promotions, in any order, on lines and on the cart; one may come twice."""
        names = ("total", "customer", "every", "daily", "recorded", "unlimited")
        uses = [self._use(name) for name in self._chance.choices(names, k=3)]
        uses += [self._code_use(), self._earned_use()][: self._chance.randrange(3)]
        self._chance.shuffle(uses)
        on_lines = self._chance.randrange(len(uses) + 1)
        return self._sale(*(use._replace(on_line=i < on_lines) for i, use in enumerate(uses)))

    def single(self) -> CouponRequest:
        return self._coupons(1, "single")

    def shared(self) -> CouponRequest:
        return self._coupons(1, "shared")

    def personal(self) -> CouponRequest:
        return self._coupons(1, "personal")

    def several(self) -> CouponRequest:
        return self._coupons(self._chance.randint(2, 4), *COUPONS)

    def atomic(self) -> CouponRequest:
        return self.several()._replace(atomic=True)

    def _use(self, promotion: str, count_max: int = 1, **fields: Any) -> Use:
        count = self._chance.randint(1, count_max)
        discount = self._chance.randint(10, 30) * MICROS // 2
        return Use(f"r{self._number}-{promotion}", count, discount, **fields)

    def _code_use(self) -> Use:
        return self._use("code", code_id=f"r{self._number}-code-{self._chance.choice(CODES)}")

    def _earned_use(self) -> Use:
        earned_id = f"r{self._number}-earned-{self._chance.randrange(EARNED)}"
        return self._use("earned", earned_promotion_id=earned_id)

    def _sale(self, *uses: Use) -> Sale:
        at = _FIRST_DAY + timedelta(minutes=self._chance.randrange(_DAYS * 24 * 60))
        amount = self._chance.randrange(1_000_000) * MICROS // 100
        return Sale(self._chance.choice(CUSTOMERS), at, amount, uses)

    def _coupons(self, count: int, *names: str) -> CouponRequest:
        codes = [f"R{self._number}-{name}-{i}" for name in names for i in range(COUPONS[name])]
        coupons = tuple(
            Coupon(fold(code), self._chance.choice(CUSTOMERS))
            for code in self._chance.sample(codes, count)
        )
        return CouponRequest(False, f"bill-{self._chance.randrange(10**9)}", coupons)


_DRAWS: dict[str, tuple[int, Callable[[_Draw], Content]]] = {
    "total": (30, _Draw.total),
    "customer": (35, _Draw.customer),
    "code": (25, _Draw.code),
    "discount": (20, _Draw.discount),
    "every": (20, _Draw.every),
    "daily": (30, _Draw.daily),
    "recorded": (20, _Draw.recorded),
    "earned": (18, _Draw.earned),
    "unlimited": (15, _Draw.unlimited),
    "basket": (25, _Draw.basket),
    "single": (30, _Draw.single),
    "shared": (16, _Draw.shared),
    "personal": (16, _Draw.personal),
    "several": (10, _Draw.several),
    "atomic": (10, _Draw.atomic),
}
"""What is drawn in a mixed round, and how often, of the sum of all."""


def round_keys(chance: random.Random, organization: Organization, number: int) -> list[Key]:
    """The keys that an organisation's callers use in a round."""
    draw, theme = _Draw(chance, number), theme_of(organization, number)
    weights = [weight if theme in (MIXED, name) else 0 for name, (weight, _) in _DRAWS.items()]
    draws = chance.choices([content for _, content in _DRAWS.values()], weights, k=_KEYS)
    keys = []
    for i, content in enumerate(draws):
        contents = (content(draw), content(draw))
        operation, text = Operation.REDEEM_PROMOTIONS, f"k{number}-{i}"
        if isinstance(contents[0], CouponRequest):
            operation = Operation.REDEEM_COUPONS
            if chance.random() < _UNKEYED:
                operation, text = Operation.REDEEM_COUPONS_ONCE, ""
        keys.append(Key(organization.id, operation, text, contents, theme == MIXED))
    return keys
