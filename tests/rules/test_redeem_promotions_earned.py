"""An earned promotion can be used once; by whom is checked only if the organisation says so."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from redemption_server.rules.outcomes import Granted
from redemption_server.rules.refusals import Refused

from tests.rules.promotion_desk import (
    grant,
    on_one_engine,
    reasons,
    refuse_once,
    replay,
    stock,
    submit,
)
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER, promotion
from tests.support.desk import Desk, use


def earned(id: str = "e1", status: str = "UNLOCKED") -> dict[str, Any]:  # noqa: A002
    return {"id": id, "promotion": "p1", "customer": CUSTOMER, "status": status}


def use_earned(id: str = "e1", **changes: Any) -> Any:  # noqa: A002
    return use(earned_promotion_id=id, **changes)


@on_one_engine
@pytest.mark.provokes("EARNED_PROMOTION_LOCKED", "EARNED_PROMOTION_EXPIRED")
@pytest.mark.parametrize("status", ["LOCKED", "EXPIRED"])
async def test_an_earned_promotion_must_be_unlocked(desk: Desk, status: str) -> None:
    await stock(desk, promotion(), earned_promotions=[earned(status=status)])
    violation = await refuse_once(desk, use_earned())
    assert violation.reason == f"EARNED_PROMOTION_{status}"
    assert violation.metadata == {"earned_promotion_id": "e1"}


@pytest.mark.provokes("EARNED_PROMOTION_REDEEMED")
async def test_an_earned_promotion_is_used_once(desk: Desk) -> None:
    await stock(desk, promotion(), earned_promotions=[earned(), earned("e2")])
    await grant(desk, use_earned(redemption_count=7), transaction_identifier="t1")
    assert (await refuse_once(desk, use_earned())).reason == "EARNED_PROMOTION_REDEEMED"
    both = await refuse_once(desk, use_earned("e2"), use_earned())
    assert both.metadata == {"earned_promotion_id": "e1"}
    await grant(desk, use_earned("e2"))
    await replay(desk, use_earned(redemption_count=7), transaction_identifier="t1")


@on_one_engine
@pytest.mark.provokes("EARNED_PROMOTION_REDEEMED")
@pytest.mark.parametrize("lists", [(2, 0), (0, 2), (1, 1)], ids=["lines", "cart", "both lists"])
async def test_an_earned_promotion_is_used_by_one_line_only(
    desk: Desk, lists: tuple[int, int]
) -> None:
    await stock(desk, promotion(), earned_promotions=[earned(), earned("e2")])
    on_lines, on_cart = ((use_earned(),) * count for count in lists)
    violation = await refuse_once(desk, *on_cart, line_items=(*on_lines, use_earned("e2")))
    assert violation.reason == "EARNED_PROMOTION_REDEEMED"
    assert violation.metadata == {"earned_promotion_id": "e1"}
    await grant(desk, use_earned(), use_earned("e2"))


@pytest.mark.parametrize("customer_id", [OTHER_CUSTOMER, -1], ids=["another", "anonymous"])
async def test_by_default_anyone_may_use_an_earned_promotion_and_the_record_says_so(
    desk: Desk, customer_id: int
) -> None:
    await stock(desk, promotion(), earned_promotions=[earned()])
    await grant(desk, use_earned(), use(), customer_id=customer_id)
    rows = await desk.rows(
        "SELECT earned_promotion_id, earned_by_other_customer FROM promotion_redemption ORDER BY id"
    )
    assert [(id_, bool(flag)) for id_, flag in rows] == [("e1", True), ("", False)]


@on_one_engine
@pytest.mark.parametrize("check", [False, True], ids=["unchecked", "checked"])
async def test_the_customer_who_earned_a_promotion_uses_it_without_a_flag(
    desk: Desk, check: bool
) -> None:
    await stock(desk, promotion(), earned_promotions=[earned()], check_earned_promotion_owner=check)
    granted = await grant(desk, use_earned(), identifier_pair=("externalId", "E1"))
    assert not granted.uses[0].earned_by_other_customer


@on_one_engine
@pytest.mark.provokes("EARNED_PROMOTION_NOT_OWNED")
@pytest.mark.parametrize("customer_id", [OTHER_CUSTOMER, -1], ids=["another", "anonymous"])
async def test_a_second_customer_cannot_use_an_earned_promotion_where_owners_are_checked(
    desk: Desk, customer_id: int
) -> None:
    await stock(desk, promotion(), earned_promotions=[earned()], check_earned_promotion_owner=True)
    violation = await refuse_once(desk, use_earned(), customer_id=customer_id)
    assert violation.reason == "EARNED_PROMOTION_NOT_OWNED"
    await grant(desk, use_earned())


@pytest.mark.provokes("EARNED_PROMOTION_REDEEMED")
async def test_applying_the_catalog_again_does_not_give_an_earned_promotion_back(
    desk: Desk,
) -> None:
    await stock(desk, promotion(), earned_promotions=[earned()])
    await grant(desk, use_earned())
    await stock(desk, promotion(), earned_promotions=[earned(status="LOCKED")])
    await stock(desk, promotion(), earned_promotions=[earned()])
    assert (await refuse_once(desk, use_earned())).reason == "EARNED_PROMOTION_REDEEMED"


@on_one_engine
@pytest.mark.provokes("EARNED_PROMOTION_REDEEMED")
async def test_recording_over_the_limit_does_not_use_an_earned_promotion_twice(desk: Desk) -> None:
    limited = promotion(limits={"redemptions_total": 1}, over_limit="RECORD")
    await stock(desk, limited, earned_promotions=[earned(), earned("e2")])
    await grant(desk, use_earned())
    assert (await refuse_once(desk, use_earned())).reason == "EARNED_PROMOTION_REDEEMED"
    assert (await grant(desk, use_earned("e2"))).uses[0].over_limit


@on_one_engine
async def test_a_refused_request_does_not_use_an_earned_promotion_up(desk: Desk) -> None:
    limited = promotion(limits={"redemptions_per_transaction": 1})
    await stock(desk, limited, earned_promotions=[earned()])
    await refuse_once(desk, use_earned(redemption_count=2))
    await grant(desk, use_earned())


@pytest.mark.provokes("EARNED_PROMOTION_REDEEMED")
async def test_of_requests_that_arrive_together_one_uses_an_earned_promotion(desk: Desk) -> None:
    await stock(desk, promotion(), earned_promotions=[earned()])
    outcomes = await asyncio.gather(*(submit(desk, use_earned()) for _ in range(8)))
    assert Counter(type(outcome) for outcome in outcomes) == {Granted: 1, Refused: 7}
    for outcome in outcomes:
        if isinstance(outcome, Refused):
            assert reasons(outcome.violations) == ["EARNED_PROMOTION_REDEEMED"]
