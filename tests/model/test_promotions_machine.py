"""Promotions over days of a shop: every answer and every row is what the model says."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, precondition, rule
from redemption_server.rules.commands import PromotionUse, RedeemPromotions, ReverseRedemption
from redemption_server.rules.outcomes import (
    Granted,
    Outcome,
    RecordedReversal,
    RecordedTransaction,
    Replayed,
)
from redemption_server.rules.refusals import Refused
from redemption_server.rules.reversal_policy import ReversalReason

from tests.model.machine import (
    EVENTS,
    GRANTED,
    REASONS,
    REFUSED,
    REPLAYED,
    Machine,
    Returned,
    check_events,
    counting,
    instant,
    parts,
    policies,
    run_machine,
    some_policies,
    some_reasons,
    why,
)
from tests.model.promotion_model import (
    ANONYMOUS,
    NAMES,
    Line,
    PromotionModel,
    Record,
    Request,
    Undo,
    Undone,
    Use,
)
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER, promotion
from tests.support.desk import CALLER, promotions, reversal, use

MICRO = 1_000_000
REDEEM, REVERSE = 1, 4
PROMOTIONS = ("p1", "p2", "p3")
CODES: dict[str, list[dict[str, Any]]] = {
    "p1": [{"id": "c1", "code": "A"}, {"id": "c2", "code": "B", "customer": CUSTOMER}],
    "p2": [{"id": "c3", "code": "C"}],
    "p3": [],
}
MOBILES = ("919999988881", "919999988882", "919999988889")
DISCOUNT = 4
COUNTED = {
    1: "redemptions_total",
    2: "redemptions_per_customer",
    3: "redemptions_per_code",
    DISCOUNT: "discount_total",
}
STATE = {
    "keys": "SELECT operation, key FROM claim WHERE org_id = :org",
    "transactions": "SELECT transaction_identifier FROM promotion_transaction WHERE org_id = :org",
    "reversals": "SELECT v.claim_key, v.reason, v.recorded_at_ms, d.record_id, d.returned "
    "FROM reversal v LEFT JOIN reversed_record d "
    "ON d.org_id = v.org_id AND d.reversal_id = v.id WHERE v.org_id = :org",
    "uses": "SELECT r.id, transaction_identifier, customer_id, transaction_at_ms, recorded_at_ms, "
    "promotion_id, code_id, redemption_count, discount_micros, line_id IS NOT NULL, over_limit "
    "FROM promotion_redemption r LEFT JOIN promotion_transaction t "
    "ON t.org_id = r.org_id AND t.id = r.transaction_id WHERE r.org_id = :org ORDER BY r.id",
    "usage": "SELECT scope, subject, member, window_start, used, coalesce(last_at_ms, 0) "
    "FROM usage WHERE org_id = :org",
    "events": EVENTS,
}


def changed(request: Request, **changes: Any) -> dict[str, Any]:
    """The change that changes the first line of a request."""
    first, *others = request.lines
    return {"lines": (first._replace(**changes), *others)}


CHANGES: dict[str, Callable[[Request], dict[str, Any]]] = {
    "nothing": lambda request: {},
    "the number": lambda request: {"number": "bill-2"},
    "a millisecond": lambda request: {"at": request.at + timedelta(milliseconds=1)},
    "the amount": lambda request: {"amount": request.amount + 1},
    "the evaluation": lambda request: {"evaluation": "e1"},
    "the order of lines": lambda request: {"lines": request.lines[::-1]},
    "a line more": lambda request: {"lines": request.lines + request.lines[:1]},
    "how often": lambda request: changed(request, times=request.lines[0].times + 1),
    "a discount": lambda request: changed(request, discount=request.lines[0].discount + 1),
    "a list": lambda request: changed(request, on_line=not request.lines[0].on_line),
    "case of a code": lambda request: changed(request, code=request.lines[0].code.swapcase()),
    "no code": lambda request: changed(request, code=""),
}
some_changes = st.sampled_from([*CHANGES, "the order of lines", "the order of lines"])

# Weighed by repetition, so that most requests could be granted.
sold = st.sampled_from(
    [("p1", ""), ("p1", "A"), ("p2", ""), ("p2", "c"), ("p3", "")] * 12
    + [("p1", "b"), ("p3", "A"), ("p9", "")]
)
some_lines = st.builds(
    lambda what, *rest: Line(*what, *rest),
    sold,
    st.integers(1, 3),
    st.integers(0, 3),
    st.booleans(),
)
anybody = st.sampled_from([CUSTOMER, OTHER_CUSTOMER, ANONYMOUS] * 2 + list(NAMES))
ago = st.sampled_from([timedelta()] * 4 + [timedelta(hours=8), *map(timedelta, (1, 3, 8, 35))])
waits = st.sampled_from([timedelta()] * 4 + [timedelta(hours=7), *map(timedelta, (1, 4, 31))])
zones = st.sampled_from(["Asia/Kolkata", "UTC", "America/New_York"])
sales = st.lists(
    st.tuples(anybody, ago, st.lists(some_lines, min_size=1, max_size=4).map(tuple)),
    min_size=1,
    max_size=3,
)
mostly = st.sampled_from([True] * 5 + [False])
rarely = st.sampled_from([False] * 5 + [True])

limits: st.SearchStrategy[Any] = st.builds(dict, limit=st.integers(2, 12))
windows = st.sampled_from(["DAY", "WEEK", "MONTH"])
windowed: st.SearchStrategy[Any] = limits | st.builds(
    dict, limit=st.integers(2, 12), window=windows
)
some_limits = st.lists(
    st.tuples(st.just("redemptions_total"), windowed | st.none())
    | st.tuples(st.just("redemptions_per_customer"), windowed | st.none())
    | st.tuples(st.just("discount_total"), windowed | st.none())
    | st.tuples(st.just("redemptions_per_code"), limits | st.none())
    | st.tuples(st.just("redemptions_per_transaction"), limits | st.none()),
    max_size=2,
).map(dict)
"""New limits by name; None takes one away."""


class PromotionsMachine(Machine):
    model: PromotionModel
    sent = Bundle("sent")
    undos = Bundle("undos")

    @initialize(zone=zones, limited=st.tuples(some_limits, some_limits, some_limits))
    def open(self, zone: str, limited: tuple[dict[str, Any], ...]) -> None:
        customers = [
            {"id": CUSTOMER, "mobile": MOBILES[0], "email": "one@example.com"},
            {"id": OTHER_CUSTOMER, "mobile": MOBILES[1], "card_number": "C2"},
        ]
        self.model = PromotionModel(zone, customers)
        self.numbers = count(1)
        for promotion_id, new_limits in zip(PROMOTIONS, limited, strict=True):
            self.write(promotion_id, new_limits, "REFUSE", active=True, code_active=True)
        self.apply(*PROMOTIONS)

    # What the shop asks.

    @rule(target=sent, wait=waits, drafts=sales, twins=rarely)
    def redeem(self, wait: timedelta, drafts: list[Any], twins: bool) -> Any:
        self.stage.advance(wait)
        requests = self.requests(drafts)
        self.submit(requests * 2 if twins else requests)
        return multiple(*requests)

    @rule(target=sent, wait=waits, drafts=sales, others=sales, change=some_changes)
    def redeem_at_both_servers(
        self, wait: timedelta, drafts: list[Any], others: list[Any], change: str
    ) -> Any:
        self.stage.advance(wait)
        here, there = self.requests(drafts), self.requests(others)
        twins = [request._replace(**CHANGES[change](request)) for request in here[:2]]
        self.submit(here, [*there, *twins])
        return multiple(*here, *there)

    @rule(
        target=undos,
        wait=waits,
        request=sent,
        position=st.none() | st.integers(0, 3),
        reason=some_reasons,
        drafts=sales | st.just([]),
        twins=rarely,
    )
    def reverse(
        self, wait: timedelta, request: Request, drafts: list[Any], *, twins: bool, **undo: Any
    ) -> Undo:
        """Reverses among redemptions of others, which may need what comes back."""
        self.stage.advance(wait)
        undone = self.undo(request, **undo)
        requests = self.requests(drafts)
        self.submit([*requests[:1], undone, *[undone] * twins, *requests[1:]])
        return undone

    @rule(
        target=undos,
        request=sent,
        position=st.none() | st.integers(0, 3),
        reason=some_reasons,
        others=sales,
        rival=st.booleans(),
    )
    def reverse_at_both_servers(
        self, request: Request, others: list[Any], *, rival: bool, **undo: Any
    ) -> Undo:
        """Reverses here while a rival reverses there, or redemptions come in."""
        undone = self.undo(request, **undo)
        whole = self.undo(request, None, undo["reason"])
        self.submit([undone], [whole] if rival else self.requests(others))
        return undone

    @rule(undone=undos, reason=st.none() | some_reasons)
    def reverse_again(self, undone: Undo, reason: str | None) -> None:
        """The same once more, or another reason under the same key."""
        self.submit([undone._replace(reason=reason or undone.reason)])

    @rule(request=sent)
    def send_again(self, request: Request) -> None:
        self.submit([request])

    @rule(request=sent, change=some_changes, who=st.none() | st.sampled_from(list(NAMES)))
    def send_differently(self, request: Request, change: str, who: Any) -> None:
        changes = CHANGES[change](request)
        self.submit([request._replace(who=who or request.who, **changes), request])

    # What the catalog says meanwhile.

    # Otherwise half of the steps would change the catalog.
    @precondition(lambda self: self.asked >= 2)
    @rule(
        promotion_id=st.sampled_from(PROMOTIONS),
        new_limits=some_limits,
        over_limit=st.sampled_from(["REFUSE", "RECORD"]),
        active=mostly,
        code_active=mostly,
        policies_by_reason=some_policies,
        zone=zones,
        mobiles=st.permutations(MOBILES),
    )
    def rewrite(
        self, promotion_id: str, new_limits: Any, zone: str, mobiles: list[str], **changes: Any
    ) -> None:
        """Rewrites one promotion, the zone of all, and whose mobile numbers are whose."""
        self.asked = 0
        self.write(promotion_id, new_limits, **changes)
        self.model.zone = zone
        for customer, mobile in zip(self.model.customers, mobiles, strict=False):
            customer["mobile"] = mobile
        self.apply(promotion_id)

    def write(
        self,
        promotion_id: str,
        new_limits: dict[str, Any],
        over_limit: str,
        *,
        active: bool,
        code_active: bool,
        policies_by_reason: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        before = self.model.promotions.get(promotion_id, {"limits": {}})
        merged = {**before["limits"], **new_limits}
        self.model.promotions[promotion_id] = promotion(
            promotion_id,
            starts_at="2026-05-01T00:00:00Z",
            limits={name: limit for name, limit in merged.items() if limit},
            over_limit=over_limit,
            reversal_policies=policies(policies_by_reason),
            active=active,
            codes=[{**code, "active": code_active} for code in CODES[promotion_id]],
        )

    def apply(self, *promotion_ids: str) -> None:
        """Applies the organisation, its customers and these promotions."""
        self.stage.apply(
            time_zone=self.model.zone,
            customers=self.model.customers,
            promotions=[self.model.promotions[promotion_id] for promotion_id in promotion_ids],
        )

    # What must hold after each step.

    @invariant()
    def all_that_is_recorded_and_counted_is_what_the_model_says(self) -> None:
        state = self.stage.read(STATE)
        # Ids of two servers may not sort by arrival; within a transaction they do by line.
        found = sorted((use_of(*row) for _, *row in state["uses"]), key=transaction_of)
        assert found == sorted(self.model.uses(), key=transaction_of)
        keys = {
            kind: sorted(k for k, r in self.model.recorded.items() if isinstance(r, kind))
            for kind in (Record, Undone)
        }
        assert sorted(state["keys"]) == sorted(
            [(REDEEM, key) for key in keys[Record]] + [(REVERSE, key) for key in keys[Undone]]
        )
        assert sorted(key for (key,) in state["transactions"]) == keys[Record]
        assert self.reversals(state) == self.model.returned()
        check_events(
            state["events"],
            [record_id for record_id, *_ in state["uses"]]
            + [record_id for *_, record_id, _ in state["reversals"]],
        )
        counted = {
            (COUNTED[scope], *key): (used // MICRO if scope == DISCOUNT else used, instant(last_at))
            for scope, *key, used, last_at in state["usage"]
        }
        assert counting(counted) == counting(self.model.counted())

    def reversals(self, state: dict[str, list[Any]]) -> dict[tuple[str, int], Returned]:
        """What came back by transaction and position, once the reversals themselves are right."""
        where = positions(state["uses"])
        by_key: dict[str, list[Any]] = {}
        for key, reason, at, record_id, returned in state["reversals"]:
            undone = self.model.recorded[key]
            assert isinstance(undone, Undone)
            assert (undone.request.reason, undone.at) == (REASONS[reason - 1], instant(at))
            by_key.setdefault(key, []).append((where[record_id], parts(returned)))
        return dict(found for of_key in by_key.values() for found in of_key)

    # How the product is told.

    def requests(self, drafts: list[Any]) -> list[Request]:
        """Requests, each under a transaction identifier of its own."""
        return [
            Request(f"t{next(self.numbers)}", who, self.stage.now - ago, lines)
            for who, ago, lines in drafts
        ]

    def undo(self, request: Request, position: int | None, reason: str) -> Undo:
        """A reversal of a use, if there is one at the position, or of all."""
        recorded = self.model.recorded.get(request.key)
        there = isinstance(recorded, Record) and position in range(len(recorded.uses))
        wanted = (position,) if there and position is not None else ()
        return Undo(f"v{next(self.numbers)}", request.key, wanted, reason)

    def command(self, request: Request | Undo) -> RedeemPromotions | ReverseRedemption:
        if isinstance(request, Undo):
            return self.reversal(request)
        named = "customer_id" if isinstance(request.who, int) else "identifier_pair"
        return promotions(
            request.at,
            *map(sent_use, request.those(on_line=False)),
            line_items=tuple(map(sent_use, request.those(on_line=True))),
            caller=self.stage.caller,
            transaction_identifier=request.key,
            transaction_number=request.number,
            amount=request.amount,
            cart_evaluation_id=request.evaluation,
            **{named: request.who},
        )

    def reversal(self, undo: Undo) -> ReverseRedemption:
        where = positions(self.stage.read(STATE)["uses"])
        ids = {place: record_id for record_id, place in where.items()}
        return reversal(
            *(ids[undo.transaction, position] for position in undo.positions),
            transaction_identifier=undo.transaction,
            request_id=undo.key,
            reason=ReversalReason[undo.reason],
            caller=self.stage.caller,
        )

    def told(self, outcome: Outcome) -> Hashable:
        if isinstance(outcome, Refused):
            return REFUSED, frozenset(map(why, outcome.violations))
        if isinstance(outcome, Replayed):
            return (REPLAYED,)
        assert isinstance(outcome, Granted)
        if isinstance(outcome.answer, RecordedReversal):
            return GRANTED, *(parts(record.returned) for record in outcome.answer.records)
        return GRANTED, *(use.over_limit for use in transaction_in(outcome).uses)

    def answer(self, outcome: Granted | Replayed) -> Any:
        if isinstance(outcome.answer, RecordedReversal):
            return outcome.answer
        recorded = transaction_in(outcome)
        request = replace(recorded.request, caller=CALLER)
        return recorded.id, recorded.customer_id, recorded.recorded_at, request


def transaction_in(outcome: Granted | Replayed) -> RecordedTransaction:
    assert isinstance(outcome.answer, RecordedTransaction)
    return outcome.answer


def positions(uses: Sequence[tuple[Any, ...]]) -> dict[str, tuple[str, int]]:
    """For each use, by its id, its transaction and its position there."""
    found: dict[str, tuple[str, int]] = {}
    seen: Counter[str] = Counter()
    for record_id, transaction, *_ in uses:
        found[record_id] = transaction, seen[transaction]
        seen[transaction] += 1
    return found


def sent_use(line: Line) -> PromotionUse:
    return use(
        line.promotion,
        promo_code=line.code,
        redemption_count=line.times,
        discount=line.discount * MICRO,
    )


def use_of(*row: Any) -> Use:
    """A use as it was recorded, in the words of the model."""
    key, customer, at, recorded_at, promotion_id, code, times, discount, on_line, over_limit = row
    return Use(
        key,
        customer,
        instant(at),
        instant(recorded_at),
        promotion_id,
        code,
        times,
        discount // MICRO,
        bool(on_line),
        bool(over_limit),
    )


def transaction_of(use: Use) -> str:
    return use.transaction


def test_promotions_are_answered_and_recorded_as_the_model_says(
    database_url: str, tmp_path: Path
) -> None:
    run_machine(PromotionsMachine, database_url, tmp_path)
