"""Step 5: promotions, codes and customers must be in a state that allows the use."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.rules.promotion_desk import (
    grant,
    on_one_engine,
    reasons,
    refuse,
    refuse_once,
    replay,
    stock,
)
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER, promotion
from tests.support.desk import Desk, use

START, END = "2026-03-01T00:00:00+00:00", "2026-03-05T12:00:00+00:00"
MILLISECOND = timedelta(milliseconds=1)


@on_one_engine
@pytest.mark.provokes("PROMOTION_NOT_STARTED", "PROMOTION_EXPIRED")
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param("1970-01-01T00:00:00Z", ["PROMOTION_NOT_STARTED"], id="long before"),
        pytest.param("2026-02-28T23:59:59.999Z", ["PROMOTION_NOT_STARTED"], id="just before"),
        pytest.param(START, [], id="the start is inclusive"),
        pytest.param("2026-03-05T11:59:59.999Z", [], id="just before the end"),
        pytest.param(END, ["PROMOTION_EXPIRED"], id="the end is exclusive"),
        pytest.param("2026-03-05T17:29:59.999+05:30", [], id="an instant has no zone"),
    ],
)
async def test_a_promotion_is_judged_at_the_transaction_date(
    desk: Desk, at: str, expected: list[str]
) -> None:
    await stock(desk, promotion(starts_at=START, ends_at=END))
    date = datetime.fromisoformat(at)
    if not expected:
        await grant(desk, use(), transaction_date=date)
        return
    violation = await refuse_once(desk, use(), transaction_date=date)
    assert [violation.reason] == expected
    assert START in violation.metadata.values() or END in violation.metadata.values()


@on_one_engine
async def test_a_promotion_without_dates_is_always_on(desk: Desk) -> None:
    await stock(desk, promotion())
    for at in ("1970-01-01T00:00:00Z", "2400-01-01T00:00:00Z"):
        await grant(desk, use(), transaction_date=datetime.fromisoformat(at))


@on_one_engine
async def test_the_clock_of_the_server_does_not_matter_to_a_promotion(desk: Desk) -> None:
    await stock(desk, promotion(ends_at=END))
    desk.clock.advance(timedelta(days=365))
    await grant(desk, use(), transaction_date=datetime.fromisoformat(END) - MILLISECOND)


@on_one_engine
@pytest.mark.provokes(
    "PROMOTION_INACTIVE", "CODE_INACTIVE", "CODE_NOT_OWNED", "CUSTOMER_FRAUD", "CUSTOMER_BLOCKED"
)
@pytest.mark.parametrize(
    ("catalog", "customer_id", "reason"),
    [
        pytest.param({"active": False}, CUSTOMER, "PROMOTION_INACTIVE", id="promotion off"),
        pytest.param({"code": {"active": False}}, CUSTOMER, "CODE_INACTIVE", id="code off"),
        pytest.param(
            {"code": {"customer": OTHER_CUSTOMER}}, CUSTOMER, "CODE_NOT_OWNED", id="code of another"
        ),
        pytest.param(
            {"code": {"customer": OTHER_CUSTOMER}}, -1, "CODE_NOT_OWNED", id="code, anonymous"
        ),
        pytest.param({"status": "FRAUD"}, CUSTOMER, "CUSTOMER_FRAUD", id="fraud"),
        pytest.param({"status": "BLOCKED"}, CUSTOMER, "CUSTOMER_BLOCKED", id="blocked"),
    ],
)
async def test_a_state_that_forbids_the_use(
    desk: Desk, catalog: dict[str, Any], customer_id: int, reason: str
) -> None:
    code = {"id": "c1", "code": "A", **catalog.get("code", {})}
    await stock(
        desk,
        promotion(active=catalog.get("active", True), codes=[code]),
        customers=[
            {"id": CUSTOMER, "status": catalog.get("status", "ACTIVE")},
            {"id": OTHER_CUSTOMER},
        ],
    )
    violation = await refuse_once(desk, use(promo_code="a"), customer_id=customer_id)
    assert violation.reason == reason


@on_one_engine
@pytest.mark.provokes("PROMOTION_INACTIVE")
async def test_a_promotion_used_on_many_lines_is_named_once(desk: Desk) -> None:
    await stock(desk, promotion(active=False), promotion("p2", active=False))
    violations = await refuse(desk, use(), use("p2"), use(), line_items=(use(), use("p2")))
    assert [violation.metadata for violation in violations] == [
        {"promotion_id": "p1"},
        {"promotion_id": "p2"},
    ]


@pytest.mark.provokes(
    "PROMOTION_INACTIVE",
    "PROMOTION_NOT_STARTED",
    "PROMOTION_EXPIRED",
    "CODE_INACTIVE",
    "CODE_NOT_OWNED",
    "CUSTOMER_FRAUD",
    "EARNED_PROMOTION_LOCKED",
    "EARNED_PROMOTION_NOT_OWNED",
)
async def test_all_that_is_wrong_with_the_state_is_answered_at_once(desk: Desk) -> None:
    codes = [{"id": "c1", "code": "A", "active": False, "customer": OTHER_CUSTOMER}]
    earned = {"id": "e1", "promotion": "p3", "customer": OTHER_CUSTOMER, "status": "LOCKED"}
    await stock(
        desk,
        promotion("p1", active=False, codes=codes),
        promotion("p2", starts_at="2026-04-01T00:00:00Z"),
        promotion("p3", ends_at="2026-02-01T00:00:00Z"),
        promotion("p4"),
        customers=[{"id": CUSTOMER, "status": "FRAUD"}, {"id": OTHER_CUSTOMER}],
        earned_promotions=[earned],
        check_earned_promotion_owner=True,
    )
    violations = await refuse(
        desk,
        use("p1", promo_code="A"),
        use("p2"),
        line_items=(use("p3", earned_promotion_id="e1"), use("p4")),
    )
    assert sorted(reasons(violations)) == [
        "CODE_INACTIVE",
        "CODE_NOT_OWNED",
        "CUSTOMER_FRAUD",
        "EARNED_PROMOTION_LOCKED",
        "EARNED_PROMOTION_NOT_OWNED",
        "PROMOTION_EXPIRED",
        "PROMOTION_INACTIVE",
        "PROMOTION_NOT_STARTED",
    ]


async def test_lines_of_one_promotion_may_mix_both_lists(desk: Desk) -> None:
    await stock(desk, promotion())
    lists: dict[str, Any] = {"line_items": (use(sku="s1"), use()), "redemptions": (use(), use())}
    granted = await grant(desk, **lists, transaction_identifier="t1")
    assert [recorded.line_id is not None for recorded in granted.uses] == [True, True, False, False]
    await replay(desk, **lists, transaction_identifier="t1")
