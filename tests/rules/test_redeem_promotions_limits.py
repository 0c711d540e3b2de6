"""Step 6: limits are summed per promotion over the request and end at exactly their number."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from redemption_server.rules.commands import PromotionUse
from redemption_server.rules.outcomes import Granted
from redemption_server.rules.refusals import Refused

from tests.rules.promotion_desk import (
    MICRO,
    grant,
    on_one_engine,
    reasons,
    refuse,
    refuse_once,
    stock,
    submit,
)
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER, promotion
from tests.support.desk import Desk, use

CODES = [{"id": "c1", "code": "A"}, {"id": "c2", "code": "B"}]
# Name of the limit in the catalog, and the scope that a refusal names.
SCOPES = {
    "redemptions_total": "promotion",
    "redemptions_per_customer": "customer",
    "redemptions_per_code": "code",
    "redemptions_per_transaction": "transaction",
    "discount_total": "discount",
}
ACROSS_REQUESTS = [name for name in SCOPES if name != "redemptions_per_transaction"]


def limited(limit: str, number: int = 3, id: str = "p1") -> dict[str, Any]:  # noqa: A002
    return promotion(id, limits={limit: number}, codes=CODES if id == "p1" else [])


def demand(amount: int, **changes: Any) -> PromotionUse:
    """A use that asks `amount` of every limit."""
    fields = {"promo_code": "A", "redemption_count": amount, "discount": amount * MICRO, **changes}
    return use(**fields)


def reached(limit: str, used: int, requested: int, number: int = 3) -> dict[str, str]:
    return {
        "scope": SCOPES[limit],
        "promotion_id": "p1",
        "limit": str(number),
        "used": str(used),
        "requested": str(requested),
        "resets": "never",
    }


@pytest.mark.provokes("LIMIT_REACHED")
@pytest.mark.parametrize("limit", ACROSS_REQUESTS)
async def test_a_limit_ends_at_exactly_its_number(desk: Desk, limit: str) -> None:
    await stock(desk, limited(limit))
    await grant(desk, demand(2))
    violation = await refuse_once(desk, demand(2))
    assert (violation.reason, violation.metadata) == ("LIMIT_REACHED", reached(limit, 2, 2))
    await grant(desk, demand(1))
    assert (await refuse_once(desk, demand(1))).metadata == reached(limit, 3, 1)


@pytest.mark.provokes("LIMIT_REACHED")
@on_one_engine
@pytest.mark.parametrize("limit", SCOPES)
async def test_a_limit_counts_both_lists_of_a_request_together(desk: Desk, limit: str) -> None:
    await stock(desk, limited(limit))
    for lists in ((2, 2), (4, 0), (0, 4)):
        line_items, cart = ([demand(1)] * count for count in lists)
        violation = await refuse_once(desk, *cart, line_items=tuple(line_items))
        assert violation.metadata == reached(limit, 0, 4)
    await grant(desk, demand(2), line_items=(demand(1),))


@on_one_engine
async def test_a_limit_per_transaction_starts_anew_with_each_request(desk: Desk) -> None:
    await stock(desk, limited("redemptions_per_transaction"))
    for _ in range(3):
        await grant(desk, demand(1), demand(2))


async def test_a_limit_per_customer_is_each_customers_own(desk: Desk) -> None:
    await stock(desk, limited("redemptions_per_customer"))
    await grant(desk, demand(3), customer_id=CUSTOMER)
    await grant(desk, demand(3), identifier_pair=("cardNumber", "C2"))
    for customer_id in (CUSTOMER, OTHER_CUSTOMER):
        await refuse_once(desk, demand(1), customer_id=customer_id)


@pytest.mark.provokes("LIMIT_REACHED")
async def test_a_limit_per_code_is_each_codes_own(desk: Desk) -> None:
    await stock(desk, limited("redemptions_per_code"))
    await grant(desk, demand(3), demand(2, promo_code="b"))
    violations = await refuse(desk, demand(1), demand(2, promo_code="B"))
    assert [violation.metadata for violation in violations] == [
        reached("redemptions_per_code", 3, 1),
        reached("redemptions_per_code", 2, 2),
    ]
    await grant(desk, demand(1, promo_code="B"))


@on_one_engine
async def test_a_discount_is_that_of_the_whole_line(desk: Desk) -> None:
    await stock(desk, limited("discount_total"))
    whole = demand(3, redemption_count=1_000, discount_applied_on_quantity=90 * MICRO)
    await grant(desk, whole._replace(amount=90 * MICRO))


@pytest.mark.provokes("LIMIT_REACHED")
@on_one_engine
async def test_a_discount_is_counted_to_the_last_micro(desk: Desk) -> None:
    await stock(desk, promotion(limits={"discount_total": "0.3"}))
    for _ in range(3):
        await grant(desk, use(discount=100_000))
    violation = await refuse_once(desk, use(discount=1))
    texts = [violation.metadata[name] for name in ("limit", "used", "requested")]
    assert texts == ["0.3", "0.3", "0.000001"]
    await grant(desk, use(discount=0))


@pytest.mark.provokes("ANONYMOUS_NOT_ALLOWED")
async def test_a_limit_per_customer_refuses_the_anonymous_customer(desk: Desk) -> None:
    await stock(desk, limited("redemptions_per_customer"))
    violation = await refuse_once(desk, demand(1), customer_id=-1)
    assert violation.reason == "ANONYMOUS_NOT_ALLOWED"
    assert violation.metadata == {"promotion_id": "p1"}


@pytest.mark.provokes("CODE_REQUIRED")
async def test_a_limit_per_code_refuses_a_line_without_a_code(desk: Desk) -> None:
    await stock(desk, limited("redemptions_per_code"))
    violation = await refuse_once(desk, demand(1), demand(1, promo_code=""))
    assert violation.reason == "CODE_REQUIRED"
    assert violation.metadata == {"promotion_id": "p1"}


@on_one_engine
async def test_a_limit_per_code_counts_the_code_that_a_line_is_attributed_to(desk: Desk) -> None:
    only = promotion(limits={"redemptions_per_code": 3}, codes=CODES[:1])
    await stock(desk, only)
    await grant(desk, demand(2, promo_code=""), demand(1))
    assert (await refuse_once(desk, demand(1, promo_code=""))).reason == "LIMIT_REACHED"


@pytest.mark.provokes("LIMIT_REACHED", "ANONYMOUS_NOT_ALLOWED", "CODE_REQUIRED")
@on_one_engine
async def test_every_limit_that_is_exceeded_is_answered_at_once(desk: Desk) -> None:
    everything = dict.fromkeys(SCOPES, 1)
    codeless = {name: 1 for name in SCOPES if name != "redemptions_per_code"}
    await stock(
        desk,
        promotion(limits=everything, codes=CODES),
        promotion("p2", limits=codeless),
        promotion("p3", limits={"redemptions_total": 9}),
    )
    two_of_each = [demand(2), demand(2, promotion_id="p2", promo_code=""), use("p3")]
    violations = await refuse(desk, *two_of_each)
    found = [(v.metadata["promotion_id"], v.metadata["scope"]) for v in violations]
    assert sorted(found) == sorted(
        [("p1", scope) for scope in SCOPES.values()] + [("p2", SCOPES[name]) for name in codeless]
    )
    anonymous = await refuse(desk, demand(1, promo_code=""), customer_id=-1)
    assert sorted(reasons(anonymous)) == ["ANONYMOUS_NOT_ALLOWED", "CODE_REQUIRED"]


async def test_promotions_are_limited_each_by_itself(desk: Desk) -> None:
    limits = [limited("redemptions_total", 3, id=name) for name in ("p1", "p2")]
    await stock(desk, *limits, promotion("p3"))
    await grant(desk, demand(3), use("p2"), use("p3", redemption_count=1_000_000))
    violation = await refuse_once(desk, use("p2"), demand(1))
    assert violation.metadata == reached("redemptions_total", 3, 1)
    await grant(desk, use("p2", redemption_count=2))


@pytest.mark.provokes("LIMIT_REACHED")
async def test_a_limit_that_was_lowered_below_what_is_used_refuses(desk: Desk) -> None:
    await stock(desk, limited("redemptions_total", 10))
    await grant(desk, demand(5))
    await stock(desk, limited("redemptions_total", 3))
    assert (await refuse_once(desk, demand(1))).metadata == reached("redemptions_total", 5, 1)
    await stock(desk, limited("redemptions_total", 6))
    await grant(desk, demand(1))


@pytest.mark.provokes("LIMIT_REACHED")
async def test_requests_that_arrive_together_end_at_exactly_the_limit(desk: Desk) -> None:
    await stock(desk, limited("redemptions_total", 7))
    outcomes = await asyncio.gather(*(submit(desk, demand(1)) for _ in range(20)))
    assert Counter(type(outcome) for outcome in outcomes) == {Granted: 7, Refused: 13}
    assert await desk.rows("SELECT used, use_limit FROM usage") == [(7, 7)]
