"""What the callers know to be recorded, and what may be: an abandoned call says nothing."""

import random
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tests.soak.coupons import CouponRequest
from tests.soak.offer import COUPONS, CUSTOMERS, Codes
from tests.soak.sales import Found, Sale

_REMEMBERED = 1_000
_CODES_ASKED_FOR = 3
Content = TypeVar("Content")


@dataclass(slots=True, eq=False)
class Known(Generic[Content]):
    """A request that was sent, maybe several times, and the answer it once had."""

    content: Content
    answer: Hashable = None
    is_granted: bool = False

    @property
    def is_recorded(self) -> bool:
        """Whether that is known; it may be recorded all the same."""
        return self.answer is not None

    def told(self, answer: Hashable, *, repeated: bool, was_recorded: bool) -> str:
        """Takes note of an answer; what is wrong with it. `was_recorded`: when it was asked for."""
        before, self.answer = self.answer, answer
        if not repeated:
            if was_recorded or self.is_granted:
                return "granted twice"
            self.is_granted = True
        if before not in (None, answer):
            return f"answered with {answer}, before with {before}"
        return ""


@dataclass(slots=True)
class CodeSales:
    """The sales under a code: those that were sent, and those that are known to be recorded."""

    sent: dict[str, int] = field(default_factory=dict)
    recorded: dict[str, int] = field(default_factory=dict)

    def complaint(self, recorded: Found, found: Found, *, each: bool) -> str:
        """What is wrong with an answer; `recorded` is what was known when it was asked for."""
        if not recorded.total <= found.total <= sum(self.sent.values()):
            return f"{found.total} redemptions, known are {recorded.total}"
        if each and not recorded.counts.items() <= found.counts.items() <= self.sent.items():
            return f"found {found.counts}, known are {recorded.counts}"
        return ""


class Book:
    """All that is known; draws what is new."""

    def __init__(self, chance: random.Random, codes: Codes) -> None:
        self._chance = chance
        self._codes = codes
        self._number = 0
        self._by_code: dict[str, CodeSales] = {}
        self._sales: deque[Known[Sale]] = deque(maxlen=_REMEMBERED)
        self._requests: deque[Known[CouponRequest]] = deque(maxlen=_REMEMBERED)

    def draw_sale(self) -> Sale:
        """A sale that would be granted, and that nobody knows of."""
        promotion_id, code = self._codes.now()
        return Sale(
            self._name(),
            self._chance.choice(CUSTOMERS),
            promotion_id,
            code,
            self._chance.randint(1, 3),
            self._chance.randrange(1_000_000),
            self._chance.randrange(10_000),
        )

    def draw_coupons(self) -> CouponRequest:
        """A request that would be granted, and that nobody knows of."""
        codes = tuple(self._chance.sample(COUPONS, self._chance.randint(1, 3)))
        return CouponRequest(self._name(), self._chance.choice(CUSTOMERS), codes, self._name())

    def new_sale(self) -> Known[Sale]:
        """A sale that is sent for the first time."""
        known = Known(self.draw_sale())
        self._codes.use()
        self._sales.append(known)
        sale = known.content
        self._by_code.setdefault(sale.code, CodeSales()).sent[sale.identifier] = sale.times
        return known

    def new_coupons(self) -> Known[CouponRequest]:
        """Coupons that are sent for the first time."""
        known = Known(self.draw_coupons())
        self._requests.append(known)
        return known

    def old_sale(self) -> Known[Sale]:
        """A sale that was sent before, which may be recorded."""
        return self._chance.choice(self._sales) if self._sales else self.new_sale()

    def old_coupons(self) -> Known[CouponRequest]:
        """Coupons that were sent before, which may be recorded."""
        return self._chance.choice(self._requests) if self._requests else self.new_coupons()

    def recorded_sale(self) -> Sale | None:
        """A sale that is known to be recorded."""
        return _recorded(self._chance, self._sales)

    def recorded_coupons(self) -> CouponRequest | None:
        """Coupons that are known to be recorded."""
        return _recorded(self._chance, self._requests)

    def sale_is_recorded(self, sale: Sale) -> None:
        """Takes note of it."""
        self._by_code[sale.code].recorded[sale.identifier] = sale.times

    def recent_code(self) -> tuple[str, CodeSales]:
        """A code under which there have been sales of late."""
        if not self._by_code:
            self.new_sale()
        return self._chance.choice(list(self._by_code.items())[-_CODES_ASKED_FOR:])

    def _name(self) -> str:
        self._number += 1
        return f"soak-{self._number}"


def _recorded(chance: random.Random, all_known: "deque[Known[Content]]") -> "Content | None":
    found = [known.content for known in all_known if known.is_recorded]
    return chance.choice(found) if found else None
