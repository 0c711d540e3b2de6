"""What holds for every sequence of requests, on each engine, compared with a small model."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redemption_server.rules.commands import PromotionUse
from redemption_server.rules.outcomes import Granted
from redemption_server.rules.refusals import Refused

from tests.rules.promotion_desk import grant, recorded, refuse, stock, submit
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER, promotion
from tests.support.desk import Desk, use

few = settings(
    max_examples=25,
    deadline=None,
    # The desk is shared by the examples: each has promotions of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

LIMITS = (
    "redemptions_total",
    "redemptions_per_customer",
    "redemptions_per_code",
    "redemptions_per_transaction",
    "discount_total",
)
limits = st.dictionaries(st.sampled_from(LIMITS), st.integers(1, 8), min_size=1)
# Per line: which promotion, how often, what discount, which code, on a line or on the cart.
lines = st.lists(
    st.tuples(
        st.sampled_from(["p", "q"]),
        st.integers(1, 4),
        st.integers(0, 3),
        st.sampled_from(["A", "B"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)
requests = st.lists(
    st.tuples(st.sampled_from([CUSTOMER, OTHER_CUSTOMER]), lines), min_size=1, max_size=6
)
Line = tuple[str, int, int, str, bool]


async def fresh(desk: Desk, limited: dict[str, int], **changes: Any) -> str:
    """Applies promotions p and q with these limits under new ids; the suffix of the ids."""
    suffix = desk.ids.record_id()
    codes = {
        name: [{"id": f"{name}{code}{suffix}", "code": f"{name}{code}{suffix}"} for code in "AB"]
        for name in "pq"
    }
    stocked = [
        promotion(name + suffix, limits=limited, codes=codes[name], **changes) for name in "pq"
    ]
    await stock(desk, *stocked)
    return suffix


def request_of(sent: list[Line], suffix: str) -> dict[str, tuple[PromotionUse, ...]]:
    lists: dict[str, list[PromotionUse]] = {"line_items": [], "redemptions": []}
    for name, count, discount, code, on_line in sent:
        lists["line_items" if on_line else "redemptions"].append(
            use(
                name + suffix,
                redemption_count=count,
                discount=discount * 1_000_000,
                promo_code=name + code + suffix,
            )
        )
    return {name: tuple(uses) for name, uses in lists.items()}


def demands(customer_id: int, sent: list[Line]) -> Counter[tuple[Any, ...]]:
    """What a request asks of each counter."""
    asked: Counter[tuple[Any, ...]] = Counter()
    for name, count, discount, code, _ in sent:
        asked["redemptions_total", name] += count
        asked["redemptions_per_customer", name, customer_id] += count
        asked["redemptions_per_code", name, code] += count
        asked["redemptions_per_transaction", name] += count
        asked["discount_total", name] += discount
    return asked


@few
@given(limits, requests)
async def test_a_request_is_granted_exactly_when_every_limit_has_room_for_it(
    desk: Desk, limited: dict[str, int], sequence: list[tuple[int, list[Line]]]
) -> None:
    suffix = await fresh(desk, limited)
    used: Counter[tuple[Any, ...]] = Counter()
    for customer_id, sent in sequence:
        asked = demands(customer_id, sent)
        after = used + asked
        excess = [key for key in asked if key[0] in limited and after[key] > limited[str(key[0])]]
        request: dict[str, Any] = {**request_of(sent, suffix), "customer_id": customer_id}
        if excess:
            violations = await refuse(desk, **request)
            assert len(violations) == len(excess)
            assert {violation.reason.value for violation in violations} == {"LIMIT_REACHED"}
        else:
            await grant(desk, **request)
            used = Counter(
                {k: n for k, n in after.items() if k[0] != "redemptions_per_transaction"}
            )
    rows = await desk.rows(
        "SELECT used, use_limit FROM usage WHERE used > 0 AND subject IN (:p, :q)",
        p="p" + suffix,
        q="q" + suffix,
    )
    counted = {key: n for key, n in used.items() if key[0] in limited and n}
    scale = [n * (1_000_000 if key[0] == "discount_total" else 1) for key, n in counted.items()]
    assert sorted(count for count, _ in rows) == sorted(scale)
    assert all(count <= limit for count, limit in rows)


@few
@given(limits, lines, st.randoms(use_true_random=False), st.data())
async def test_the_order_of_lines_and_their_lists_do_not_matter_to_limits(
    desk: Desk, limited: dict[str, int], sent: list[Line], random: Any, data: st.DataObject
) -> None:
    moved = [(*line[:4], data.draw(st.booleans())) for line in sent]
    random.shuffle(moved)
    seen: list[list[Any]] = []
    for order in (sent, moved):
        suffix = await fresh(desk, limited)
        outcome = await submit(desk, **request_of(order, suffix))
        if isinstance(outcome, Refused):
            seen.append(
                sorted(
                    (v.metadata["promotion_id"][0], v.metadata["scope"], v.metadata["requested"])
                    for v in outcome.violations
                )
            )
        else:
            assert isinstance(outcome, Granted)
            rows = await desk.rows(
                "SELECT scope, subject, member, used FROM usage WHERE subject LIKE :suffix",
                suffix=f"_{suffix}",
            )
            seen.append(sorted((s, o[0], m.removesuffix(suffix), n) for s, o, m, n in rows))
    assert seen[0] == seen[1]


@few
@given(limits, requests)
async def test_a_promotion_that_records_grants_everything_and_counts_it(
    desk: Desk, limited: dict[str, int], sequence: list[tuple[int, list[Line]]]
) -> None:
    suffix = await fresh(desk, limited, over_limit="RECORD")
    used: Counter[tuple[Any, ...]] = Counter()
    for customer_id, sent in sequence:
        asked = demands(customer_id, sent)
        after = used + asked
        over = {k[1] for k in asked if k[0] in limited and after[k] > limited[str(k[0])]}
        request: dict[str, Any] = {**request_of(sent, suffix), "customer_id": customer_id}
        granted = await grant(desk, **request)
        flagged = {r.use.promotion_id[0] for r in granted.uses if r.over_limit}
        assert flagged == over
        used = Counter({k: n for k, n in after.items() if k[0] != "redemptions_per_transaction"})
    state = await recorded(desk)
    assert len(state["events"]) == len(state["redemptions"])
