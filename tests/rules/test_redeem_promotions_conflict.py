"""Step 3: other content under a recorded identifier is a conflict, named by its first field."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from redemption_server.rules.commands import PromotionUse
from redemption_server.rules.outcomes import Granted
from redemption_server.rules.refusals import Refused

from tests.rules.promotion_desk import (
    grant,
    on_one_engine,
    reasons,
    recorded,
    refuse_once,
    replay,
    stock,
)
from tests.support.catalogs import OTHER_CUSTOMER, promotion
from tests.support.clock import ODD_DATE
from tests.support.desk import Desk, use

SENT: dict[str, Any] = {
    "transaction_identifier": "t1",
    "transaction_date": ODD_DATE,
    "line_items": (use(sku="s1", amount=5),),
    "redemptions": (use(), use(discount=1)),
}
# In the order in which they are compared.
OTHER: dict[str, dict[str, Any]] = {
    "customer_id": {"customer_id": OTHER_CUSTOMER},
    "transaction_number": {"transaction_number": "bill-2"},
    "transaction_date": {"transaction_date": ODD_DATE + timedelta(milliseconds=1)},
    "amount": {"amount": 100_000_001},
    "cart_evaluation_id": {"cart_evaluation_id": "cart-1"},
    "line_items": {"line_items": ()},
    "redemptions": {"redemptions": (use(discount=1), use())},
}


async def conflict(desk: Desk, *uses: PromotionUse, **changes: Any) -> str:
    """The field that a request conflicts in."""
    violation = await refuse_once(desk, *uses, **changes)
    assert violation.reason == "TRANSACTION_CONFLICT"
    assert violation.field in violation.description
    return violation.field


@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_a_conflict_names_the_first_field_that_differs(desk: Desk) -> None:
    await stock(desk, promotion())
    await grant(desk, **SENT)
    pairs = [*zip(OTHER, OTHER, strict=True), *combinations(OTHER, 2)]
    for first, second in pairs:
        changes = {**SENT, **OTHER[second], **OTHER[first]}
        assert await conflict(desk, **changes) == first, second
    await replay(desk, **SENT)


@on_one_engine
@pytest.mark.provokes("TRANSACTION_CONFLICT")
@pytest.mark.parametrize(
    ("lists", "field"),
    [
        pytest.param({"redemptions": (use(discount=1), use())}, "redemptions", id="order"),
        pytest.param({"redemptions": (use(),)}, "redemptions", id="one fewer"),
        pytest.param(
            {"redemptions": (use(), use(discount=1), use())}, "redemptions", id="one more"
        ),
        pytest.param(
            {"line_items": (use(sku="s1", amount=5), use()), "redemptions": (use(discount=1),)},
            "line_items",
            id="moved to the other list",
        ),
        pytest.param({"line_items": (use(sku="s1"),)}, "line_items", id="amount left out"),
    ],
)
async def test_the_lists_are_compared_in_order(
    desk: Desk, lists: dict[str, Any], field: str
) -> None:
    await stock(desk, promotion())
    await grant(desk, **SENT)
    assert await conflict(desk, **{**SENT, **lists}) == field


@on_one_engine
@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_every_field_of_a_use_is_content(desk: Desk) -> None:
    codes = [{"id": "c1", "code": "A"}, {"id": "c2", "code": "B"}]
    earned = {"promotion": "p1", "customer": 501, "status": "UNLOCKED"}
    await stock(
        desk,
        promotion(codes=codes),
        promotion("p2"),
        earned_promotions=[{"id": "e1", **earned}, {"id": "e2", **earned}],
    )
    sent = use(sku="s1", earned_promotion_id="e1", promo_code="A", amount=0)
    await grant(desk, sent, transaction_identifier="t1")
    changes: dict[str, Any] = {
        "sku": "S1",
        "promotion_id": "p2",
        "earned_promotion_id": "e2",
        "promo_code": "B",
        "redemption_count": 2,
        "discount": 10_000_001,
        "discount_applied_on_quantity": 2_000_000,
        "promotion_applied_on_quantity": 2_000_000,
        "amount": None,
    }
    assert changes.keys() == sent._asdict().keys()
    for field, value in changes.items():
        other = sent._replace(**{field: value})
        assert await conflict(desk, other, transaction_identifier="t1") == "redemptions", field


@on_one_engine
@pytest.mark.provokes("TRANSACTION_CONFLICT")
@pytest.mark.parametrize(
    ("first", "again"),
    [
        pytest.param(-1, 501, id="anonymous, then named"),
        pytest.param(501, -1, id="named, then anonymous"),
        pytest.param(501, 502, id="another"),
        pytest.param(501, 999, id="unknown customer"),
    ],
)
async def test_another_customer_is_a_conflict(desk: Desk, first: int, again: int) -> None:
    await stock(desk, promotion())
    await grant(desk, use(), transaction_identifier="t1", customer_id=first)
    field = await conflict(desk, use(), transaction_identifier="t1", customer_id=again)
    assert field == "customer_id"


@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_the_metadata_of_a_conflict_hold_every_variable_of_its_message(desk: Desk) -> None:
    await stock(desk, promotion())
    await grant(desk, use(), transaction_identifier="t1")
    violation = await refuse_once(desk, use(), transaction_identifier="t1", amount=1)
    assert violation.metadata == {"transaction_identifier": "t1", "field": "amount"}


@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_of_two_contents_that_arrive_together_one_is_recorded(desk: Desk) -> None:
    await stock(desk, promotion())
    outcomes = await asyncio.gather(desk.redeem(use()), desk.redeem(use(discount=1)))
    assert Counter(type(outcome) for outcome in outcomes) == {Granted: 1, Refused: 1}
    [refused] = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert reasons(refused.violations) == ["TRANSACTION_CONFLICT"]
    assert len((await recorded(desk))["redemptions"]) == 1
