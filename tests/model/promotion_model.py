"""What promotion requests must be answered, judged by adding up all that was recorded, each time.

Slow and simple on purpose: it reads the catalog as it was written, and shares nothing with the
rules that it is compared with.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.model.machine import GRANTED, REFUSED, REPLAYED, Returned, Verdict, comes_back

ANONYMOUS = -1
Who = int | tuple[str, str]
Why = tuple[str, ...]
Counted = tuple[str, str, str, int]

NAMES: dict[Who, tuple[str, Any]] = {
    501: ("id", 501),
    502: ("id", 502),
    ANONYMOUS: ("id", ANONYMOUS),
    999: ("id", 999),
    ("ID", "501"): ("id", 501),
    ("mobile", "9999988881"): ("mobile", "919999988881"),
    ("Mobile", "+91 99999 88881"): ("mobile", "919999988881"),
    ("mobile", "9999988882"): ("mobile", "919999988882"),
    ("email", "ONE@example.com"): ("email", "one@example.com"),
    ("cardNumber", "C2"): ("card_number", "C2"),
}
"""How requests name customers, and what the catalog holds for each."""

_SCOPES = {
    "redemptions_total": "promotion",
    "redemptions_per_customer": "customer",
    "redemptions_per_code": "code",
    "redemptions_per_transaction": "transaction",
    "discount_total": "discount",
}
_PARTS = {
    "redemptions_total": "budget",
    "redemptions_per_customer": "customer",
    "redemptions_per_code": "code",
    "discount_total": "budget",
}
"""With which part of what comes back a limit gets room again."""
_UNCOUNTED = {
    "redemptions_per_customer": "ANONYMOUS_NOT_ALLOWED",
    "redemptions_per_code": "CODE_REQUIRED",
}


class Line(NamedTuple):
    promotion: str
    code: str = ""
    times: int = 1
    discount: int = 0
    on_line: bool = False


class Request(NamedTuple):
    """A request; `at` is when the transaction took place."""

    key: str
    who: Who
    at: datetime
    lines: tuple[Line, ...]
    number: str = "bill-1"
    amount: int = 100
    evaluation: str = ""

    def those(self, *, on_line: bool) -> tuple[Line, ...]:
        """Its line items, or its redemptions."""
        return tuple(line for line in self.lines if line.on_line == on_line)


class Undo(NamedTuple):
    """A reversal of uses of a transaction by their positions, of all when there are none."""

    key: str
    transaction: str
    positions: tuple[int, ...]
    reason: str


class Use(NamedTuple):
    """A line as it is recorded; `code` is the id of the one that it counts for."""

    transaction: str
    customer: int
    at: datetime
    recorded_at: datetime
    promotion: str
    code: str
    times: int
    discount: int
    on_line: bool
    over_limit: bool = False


class Record(NamedTuple):
    request: Request
    customer: int
    uses: tuple[Use, ...]


class Undone(NamedTuple):
    """A recorded reversal: what came back for which use of the transaction."""

    request: Undo
    at: datetime
    returned: tuple[tuple[int, Returned], ...]


class PromotionModel:
    """`customers` and `promotions` are those of the catalog, as they were written last."""

    def __init__(self, zone: str, customers: list[dict[str, Any]]) -> None:
        self.zone = zone
        self.customers = customers
        self.promotions: dict[str, dict[str, Any]] = {}
        self.recorded: Mapping[str, Record | Undone] = {}

    def judge(self, request: Request | Undo, now: datetime) -> Verdict:
        return self._undo(request, now) if isinstance(request, Undo) else self._redeem(request, now)

    def _undo(self, request: Undo, now: datetime) -> Verdict:
        recorded = self.recorded.get(request.key)
        if isinstance(recorded, Undone):
            same = recorded.request == request
            return Verdict((REPLAYED,)) if same else _refused([("REQUEST_CONFLICT",)])
        transaction = self.recorded.get(request.transaction)
        if not isinstance(transaction, Record):
            return _refused([("REDEMPTION_NOT_FOUND",)])
        before = self.returned()
        all_of_it = tuple(range(len(transaction.uses)))
        wanted = request.positions or all_of_it
        left = [position for position in wanted if (request.transaction, position) not in before]
        if not left or (request.positions and len(left) < len(wanted)):
            return _refused([("REDEMPTION_REVERSED",)])
        policies = [self.promotions[transaction.uses[p].promotion] for p in left]
        returned = [comes_back(policy, request.reason) for policy in policies]
        record = Undone(request, now, tuple(zip(left, returned, strict=True)))
        return Verdict((GRANTED, *returned), record)

    def returned(self) -> dict[tuple[str, int], Returned]:
        """What came back for the uses that are reversed, by transaction and position."""
        return {
            (undone.request.transaction, position): returned
            for undone in self.recorded.values()
            if isinstance(undone, Undone)
            for position, returned in undone.returned
        }

    def _redeem(self, request: Request, now: datetime) -> Verdict:
        customer = self._customer(request.who)
        recorded = self.recorded.get(request.key)
        if isinstance(recorded, Record):
            field = _difference(recorded, request, customer)
            return _refused([("TRANSACTION_CONFLICT", field)]) if field else Verdict((REPLAYED,))
        missing = list(self._missing(request, customer))
        if missing or customer is None:
            return _refused(missing)
        uses = self._uses(request, customer, now)
        excess = list(self._excess(uses))
        refusing = [
            found for found in excess if self.promotions[found[1]]["over_limit"] == "REFUSE"
        ]
        violations = list(self._state(request, customer)) or refusing
        if violations:
            return _refused(violations)
        over = {promotion_id for _, promotion_id, *_ in excess}
        flagged = tuple(use._replace(over_limit=use.promotion in over) for use in uses)
        told = (GRANTED, *(use.over_limit for use in flagged))
        return Verdict(told, Record(request, customer, flagged))

    def uses(self) -> list[Use]:
        """All that was recorded."""
        return [
            use
            for record in self.recorded.values()
            if isinstance(record, Record)
            for use in record.uses
        ]

    def _counts(self, name: str) -> Iterator[tuple[Use, int]]:
        """All uses, each with what it counts in a limit: nothing once that came back."""
        returned = self.returned()
        for record in self.recorded.values():
            if isinstance(record, Record):
                for position, use in enumerate(record.uses):
                    back = returned.get((use.transaction, position), frozenset())
                    yield use, 0 if _PARTS.get(name) in back else _amount(name, use)

    def counted(self) -> dict[Counted, tuple[int, datetime]]:
        """What is used of each limit that exists, and when it last was."""
        found: dict[Counted, tuple[int, datetime]] = {}
        for name in _PARTS:
            for use, amount in self._counts(name):
                limited = name in self.promotions[use.promotion]["limits"]
                if limited and (where := self._counted_in(name, use)):
                    used, last = found.get(where, (0, use.recorded_at))
                    found[where] = used + amount, max(last, use.recorded_at)
        return found

    def _customer(self, who: Who) -> int | None:
        kind, value = NAMES[who]
        if who == ANONYMOUS:
            return ANONYMOUS
        return next((known["id"] for known in self.customers if known.get(kind) == value), None)

    def _missing(self, request: Request, customer: int | None) -> Iterator[Why]:
        if customer is None:
            yield ("CUSTOMER_NOT_FOUND",)
        for line in request.lines:
            if line.promotion not in self.promotions:
                yield ("PROMOTION_NOT_FOUND",)
            elif line.code and self._code(line, ANONYMOUS) is None:
                yield "CODE_NOT_FOUND", line.promotion, line.code

    def _code(self, line: Line, customer: int) -> dict[str, Any] | None:
        """The code that a line counts for."""
        codes: list[dict[str, Any]] = self.promotions[line.promotion]["codes"]
        if line.code:
            return next((c for c in codes if c["code"].lower() == line.code.lower()), None)
        own = [code for code in codes if code["active"] and code.get("customer") == customer]
        if len(own) == 1:
            return own[0]
        return codes[0] if len(codes) == 1 and "customer" not in codes[0] else None

    def _state(self, request: Request, customer: int) -> Iterator[Why]:
        for line in request.lines:
            promotion = self.promotions[line.promotion]
            code = self._code(line, customer)
            if not promotion["active"]:
                yield "PROMOTION_INACTIVE", line.promotion
            if request.at < datetime.fromisoformat(promotion["starts_at"]):
                yield "PROMOTION_NOT_STARTED", line.promotion
            if code and not code["active"]:
                yield "CODE_INACTIVE", code["code"]
            if code and code.get("customer", customer) != customer:
                yield "CODE_NOT_OWNED", code["code"]

    def _uses(self, request: Request, customer: int, now: datetime) -> tuple[Use, ...]:
        return tuple(
            Use(
                transaction=request.key,
                customer=customer,
                at=request.at,
                recorded_at=now,
                promotion=line.promotion,
                code=(self._code(line, customer) or {"id": ""})["id"],
                times=line.times,
                discount=line.discount,
                on_line=line.on_line,
            )
            for line in (*request.those(on_line=True), *request.those(on_line=False))
        )

    def _excess(self, uses: Iterable[Use]) -> Iterator[Why]:
        """What the limits leave no room for."""
        asked: Counter[tuple[str, str, Counted | None]] = Counter()
        for use in uses:
            for name in self.promotions[use.promotion]["limits"]:
                asked[use.promotion, name, self._counted_in(name, use)] += _amount(name, use)
        for (promotion_id, name, where), amount in asked.items():
            limit = self.promotions[promotion_id]["limits"][name]["limit"]
            used = sum(
                counts for use, counts in self._counts(name) if self._counted_in(name, use) == where
            )
            if where is None:
                yield _UNCOUNTED[name], promotion_id
            elif used + amount > limit:
                numbers = (str(limit), str(used), str(amount))
                yield "LIMIT_REACHED", promotion_id, _SCOPES[name], *numbers

    def _counted_in(self, name: str, use: Use) -> Counted | None:
        """Together with what a limit counts a use; None where it cannot be counted."""
        member = {
            "redemptions_per_customer": "" if use.customer == ANONYMOUS else str(use.customer),
            "redemptions_per_code": use.code,
            "redemptions_per_transaction": use.transaction,
        }.get(name)
        if member == "":
            return None
        limit = self.promotions[use.promotion]["limits"].get(name, {})
        day = use.at.astimezone(ZoneInfo(self.zone)).date()
        return name, use.promotion, member or "", _first_day(limit.get("window"), day)


def _refused(found: Iterable[Why]) -> Verdict:
    return Verdict((REFUSED, frozenset(found)))


def _difference(recorded: Record, request: Request, customer: int | None) -> str | None:
    """The first field in which a request means something else than what is recorded."""
    before = recorded.request
    if NAMES[before.who] != NAMES[request.who] and customer != recorded.customer:
        return "customer_id" if isinstance(request.who, int) else "customer_identifier_value"
    fields: dict[str, Callable[[Request], Any]] = {
        "transaction_number": lambda r: r.number,
        "transaction_date": lambda r: r.at,
        "amount": lambda r: r.amount,
        "cart_evaluation_id": lambda r: r.evaluation,
        "line_items": lambda r: _meaning(r.those(on_line=True)),
        "redemptions": lambda r: _meaning(r.those(on_line=False)),
    }
    return next((name for name, of in fields.items() if of(before) != of(request)), None)


def _meaning(lines: Iterable[Line]) -> list[Line]:
    return [line._replace(code=line.code.lower()) for line in lines]


def _amount(name: str, use: Use) -> int:
    return use.discount if name == "discount_total" else use.times


def _first_day(window: str | None, day: date) -> int:
    """Of the window that holds the day, as the database numbers days; 0 without a window."""
    if window == "WEEK":
        year, week, _ = day.isocalendar()
        return date.fromisocalendar(year, week, 1).toordinal()
    if window == "MONTH":
        return date(day.year, day.month, 1).toordinal()
    return day.toordinal() if window == "DAY" else 0
