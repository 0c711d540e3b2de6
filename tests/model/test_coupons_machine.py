"""Coupons over days of a shop: every answer and every row is what the model says."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, precondition, rule
from redemption_server.rules.commands import CouponCustomer, RedeemCoupons, ReverseRedemption
from redemption_server.rules.outcomes import (
    Granted,
    Judged,
    Outcome,
    RecordedCoupons,
    RecordedReversal,
    Replayed,
)
from redemption_server.rules.refusals import Refused
from redemption_server.rules.reversal_policy import ReversalReason

from tests.model.coupon_model import (
    IN_ALL,
    JUDGED,
    PER_COUPON,
    PER_CUSTOMER,
    UNLIMITED,
    WHO,
    Ask,
    CouponModel,
    Redemption,
    Request,
    Undo,
    Undone,
)
from tests.model.machine import (
    EVENTS,
    GRANTED,
    REASONS,
    REFUSED,
    REPLAYED,
    START,
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
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER, series
from tests.support.desk import coupon, coupons, reversal

COUPONS = {1: "ABCDE", 2: "FGH"}
ISSUED_TO = dict(zip("ABCDEFGH", [CUSTOMER, OTHER_CUSTOMER] * 4, strict=True))
CUSTOMERS = {
    "one": CouponCustomer(customer_id=CUSTOMER),
    "one by mobile": CouponCustomer(mobile="9999988881"),
    "two": CouponCustomer(customer_id=OTHER_CUSTOMER, mobile="9999988881"),
    "two by card": CouponCustomer(card_number="C2"),
    "a stranger": CouponCustomer(email="stranger@example.com"),
    "": CouponCustomer(),
}
MUCH_LATER = "2099-01-01T00:00:00Z"
A_DAY_LATER = (START + timedelta(days=1)).isoformat()
WITH_KEY, WITHOUT_KEY, REVERSE = 2, 3, 4
REDEEMED = "redemptions"
COUNTED = {10: "coupon", 11: "repeat", 12: "series", 13: "customer"}
STATE = {
    REDEEMED: "SELECT id, claim_operation, claim_key, code_key, series_id, customer_id, "
    "redeemed_at_ms FROM coupon_redemption WHERE org_id = :org ORDER BY id",
    "reversals": "SELECT v.claim_key, v.reason, v.recorded_at_ms, d.record_id, d.returned "
    "FROM reversal v LEFT JOIN reversed_record d "
    "ON d.org_id = v.org_id AND d.reversal_id = v.id WHERE v.org_id = :org",
    "claims": "SELECT operation, key FROM claim WHERE org_id = :org",
    "usage": "SELECT scope, subject, member, window_start, used, coalesce(last_at_ms, 0) "
    "FROM usage WHERE org_id = :org",
    "events": EVENTS,
}
CHANGES: dict[str, Callable[[Request], dict[str, Any]]] = {
    "nothing": lambda request: {},
    "the order": lambda request: {"asks": request.asks[::-1]},
    "a coupon more": lambda request: {"asks": (*request.asks, Ask("C", "one"))},
    "a customer": lambda request: {
        "asks": (request.asks[0]._replace(who="two"), *request.asks[1:])
    },
    "all or none": lambda request: {"atomic": not request.atomic},
}

# Weighed by repetition, so that most coupons could be redeemed.
some_asks = st.builds(
    Ask,
    st.sampled_from([*"AbCDeFgH"] * 6 + ["X", ""]),
    st.sampled_from(["one", "two"] * 12 + list(WHO)),
)
mostly = st.sampled_from([True] * 5 + [False])
rarely = st.sampled_from([False] * 5 + [True])
# Whether it has a key, whether it is atomic, and what it asks for.
drafts = st.lists(
    st.tuples(st.booleans(), rarely, st.lists(some_asks, min_size=1, max_size=4).map(tuple)),
    min_size=1,
    max_size=3,
)
some_changes = st.sampled_from(list(CHANGES))
waits = st.sampled_from([timedelta()] * 3 + [timedelta(hours=7), *map(timedelta, (1, 2, 4))])
limits = st.just(UNLIMITED) | st.integers(1, 12)
some_series = st.fixed_dictionaries(
    {
        IN_ALL: limits,
        PER_COUPON: limits,
        PER_CUSTOMER: limits,
        "same_customer_may_repeat": st.sampled_from([True, True, False]),
        "min_days_between_redemptions": st.sampled_from([0] * 5 + [1, 3]),
        "any_user": mostly,
        "valid_until": st.sampled_from([MUCH_LATER] * 10 + [START.isoformat(), A_DAY_LATER]),
    }
)
zones = st.sampled_from(["Asia/Kolkata", "UTC", "America/New_York"])
picks = st.lists(st.integers(0, 99), min_size=1, max_size=3)
some_codes = st.sets(st.sampled_from(sorted(ISSUED_TO)), max_size=1)


class CouponsMachine(Machine):
    model: CouponModel
    sent = Bundle("sent")
    undos = Bundle("undos")

    @initialize(first=some_series, second=some_series, zone=zones)
    def open(self, first: dict[str, Any], second: dict[str, Any], zone: str) -> None:
        self.model = CouponModel(zone)
        self.numbers = count(1)
        for series_id, rules in ((1, first), (2, second)):
            self.write(series_id, rules, revoked=set(), expiring=set())
        self.apply(1, 2)

    # What the shop asks.

    @rule(target=sent, wait=waits, drafts=drafts, twins=rarely)
    def redeem(self, wait: timedelta, drafts: list[Any], twins: bool) -> Any:
        self.stage.advance(wait)
        requests = self.requests(drafts)
        self.submit([*requests, *map(self.repeated, requests * twins)])
        return multiple(*requests)

    @rule(target=sent, wait=waits, drafts=drafts, others=drafts, change=some_changes)
    def redeem_at_both_servers(
        self, wait: timedelta, drafts: list[Any], others: list[Any], change: str
    ) -> Any:
        self.stage.advance(wait)
        here, there = self.requests(drafts), self.requests(others)
        twins = [self.repeated(request, change) for request in here[:2]]
        self.submit(here, [*there, *twins])
        return multiple(*here, *there)

    @rule(
        target=undos,
        wait=waits,
        drafts=drafts | st.just([]),
        picked=picks,
        reason=some_reasons,
        twins=rarely,
    )
    def reverse(
        self, wait: timedelta, drafts: list[Any], picked: list[int], reason: str, *, twins: bool
    ) -> Any:
        """Reverses what stands or was reversed, after redemptions by others."""
        self.stage.advance(wait)
        undone = self.undo(picked, reason)
        # Last: within a batch a gap still counts from what is reversed in it.
        self.submit([*self.requests(drafts), *undone, *undone * twins])
        return multiple(*undone)

    @rule(target=undos, drafts=drafts, picked=picks, reason=some_reasons, rival=st.booleans())
    def reverse_at_both_servers(
        self, drafts: list[Any], picked: list[int], reason: str, *, rival: bool
    ) -> Any:
        """Reverses here while a rival reverses there, or redemptions come in."""
        here, there = self.undo(picked, reason), self.undo(picked[:1], reason)
        self.submit(here, there if rival else self.requests(drafts))
        return multiple(*here)

    @rule(undone=undos, reason=st.none() | some_reasons)
    def reverse_again(self, undone: Undo, reason: str | None) -> None:
        """The same once more, or another reason under the same key."""
        self.submit([undone._replace(reason=reason or undone.reason)])

    @rule(request=sent)
    def send_again(self, request: Request) -> None:
        self.submit([self.repeated(request)])

    @rule(request=sent, change=some_changes)
    def send_differently(self, request: Request, change: str) -> None:
        self.submit([self.repeated(request, change), self.repeated(request)])

    # What the catalog says meanwhile.

    # Otherwise half of the steps would change the catalog.
    @precondition(lambda self: self.asked >= 2)
    @rule(
        series_id=st.sampled_from(sorted(COUPONS)),
        rules=some_series,
        policies_by_reason=some_policies,
        revoked=some_codes,
        expiring=some_codes,
        zone=zones,
    )
    def rewrite(self, series_id: int, rules: Any, zone: str, **changes: Any) -> None:
        """Rewrites one series with its coupons, and the zone of all."""
        self.asked = 0
        self.write(series_id, rules, **changes)
        self.model.zone = zone
        self.apply(series_id)

    def write(
        self,
        series_id: int,
        rules: dict[str, Any],
        *,
        revoked: set[str],
        expiring: set[str],
        policies_by_reason: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.model.series[series_id] = series(
            series_id,
            **rules,
            reversal_policies=policies(policies_by_reason),
            coupons=[
                {
                    "code": code,
                    "customer": ISSUED_TO[code],
                    "revoked": code in revoked,
                    "valid_until": A_DAY_LATER if code in expiring else MUCH_LATER,
                }
                for code in COUPONS[series_id]
            ],
        )

    def apply(self, *series_ids: int) -> None:
        """Applies the organisation and these series."""
        self.stage.apply(
            time_zone=self.model.zone,
            coupon_series=[self.model.series[series_id] for series_id in series_ids],
        )

    # What must hold after each step.

    @invariant()
    def all_that_is_redeemed_and_counted_is_what_the_model_says(self) -> None:
        state = self.stage.read(STATE)
        found = [
            (operation, Redemption(key, code, series_id, customer, instant(at)))
            for _, operation, key, code, series_id, customer, at in state[REDEEMED]
        ]
        operations = {
            key: operation_of(record.request) for key, record in self.model.recorded.items()
        }
        assert sorted(found) == sorted(
            (operations[one.key], one) for one in self.model.redemptions()
        )
        assert sorted(state["claims"]) == sorted(
            (operation, key) for key, operation in operations.items()
        )
        assert self.reversals(state) == self.model.returned()
        check_events(
            state["events"],
            [str(redemption_id) for redemption_id, *_ in state[REDEEMED]]
            + [record_id for *_, record_id, _ in state["reversals"]],
        )
        counted = {
            (COUNTED[scope], *of): (used, instant(last_at))
            for scope, *of, used, last_at in state["usage"]
        }
        assert counting(counted) == counting(self.model.counted())

    def reversals(self, state: dict[str, list[Any]]) -> dict[Redemption, Returned]:
        """What came back for which redemption, once the reversals themselves are right."""
        redeemed = {
            str(redemption_id): Redemption(key, code, series_id, customer, instant(at))
            for redemption_id, _, key, code, series_id, customer, at in state[REDEEMED]
        }
        found = {}
        for key, reason, at, record_id, returned in state["reversals"]:
            undone = self.model.recorded[key]
            assert isinstance(undone, Undone)
            assert (undone.request.reason, undone.at) == (REASONS[reason - 1], instant(at))
            found[redeemed[record_id]] = parts(returned)
        return found

    # How the product is told.

    def requests(self, drafts: list[Any]) -> list[Request]:
        """Requests, each under a key of its own."""
        return [Request(f"r{next(self.numbers)}", *draft) for draft in drafts]

    def repeated(self, request: Request, change: str = "nothing") -> Request:
        """The request once more: as another one, unless it has a key by which it is known."""
        key = request.key if request.keyed else f"r{next(self.numbers)}"
        return request._replace(key=key, **CHANGES[change](request))

    def undo(self, picked: Sequence[int], reason: str) -> list[Undo]:
        """A reversal of the redemptions that are picked, if there are any."""
        known = self.model.redemptions()
        those = dict.fromkeys(known[number % len(known)] for number in picked if known)
        return [Undo(f"v{next(self.numbers)}", tuple(those), reason)] if those else []

    def reversal(self, undo: Undo) -> ReverseRedemption:
        rows = self.stage.read({REDEEMED: STATE[REDEEMED]})[REDEEMED]
        ids = {(key, code): redemption_id for redemption_id, _, key, code, *_ in rows}
        return reversal(
            *(ids[one.key, one.code] for one in undo.redemptions),
            request_id=undo.key,
            reason=ReversalReason[undo.reason],
            caller=self.stage.caller,
        )

    def command(self, request: Request | Undo) -> RedeemCoupons | ReverseRedemption:
        if isinstance(request, Undo):
            return self.reversal(request)
        return coupons(
            request.key,
            *(coupon(ask.code, customer=CUSTOMERS[ask.who]) for ask in request.asks),
            request_id=request.key if request.keyed else "",
            atomic=request.atomic,
            caller=self.stage.caller,
        )

    def told(self, outcome: Outcome) -> Hashable:
        if isinstance(outcome, Refused):
            return REFUSED, outcome.reason.value
        kinds = {Granted: GRANTED, Replayed: REPLAYED, Judged: JUDGED}
        if isinstance(outcome.answer, RecordedReversal):
            told = [parts(record.returned) for record in outcome.answer.records]
            return (REPLAYED,) if isinstance(outcome, Replayed) else (GRANTED, *told)
        assert isinstance(outcome.answer, RecordedCoupons)
        results = outcome.answer.results
        return kinds[type(outcome)], *(
            why(result.violation) if result.violation else (GRANTED,) for result in results
        )

    def answer(self, outcome: Granted | Replayed) -> Any:
        return outcome.answer


def operation_of(request: Request | Undo) -> int:
    """What the key of a recorded request belongs to."""
    if isinstance(request, Undo):
        return REVERSE
    return WITH_KEY if request.keyed else WITHOUT_KEY


def test_coupons_are_answered_and_recorded_as_the_model_says(
    database_url: str, tmp_path: Path
) -> None:
    run_machine(CouponsMachine, database_url, tmp_path)
