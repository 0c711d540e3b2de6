"""`over_limit: RECORD`: the sale has happened, so it is recorded and flagged, not refused."""

import asyncio
from typing import Any

import pytest

from tests.rules.promotion_desk import (
    MICRO,
    grant,
    on_one_engine,
    reasons,
    refuse,
    refuse_once,
    replay,
    stock,
    submit,
)
from tests.support.catalogs import promotion
from tests.support.desk import Desk, use

CODES = [{"id": "c1", "code": "A"}, {"id": "c2", "code": "B"}]


def recording(id: str = "p1", **limits: Any) -> dict[str, Any]:  # noqa: A002
    codes = CODES if id == "p1" else []
    return promotion(id, limits=limits, over_limit="RECORD", codes=codes)


async def flags(desk: Desk) -> list[bool]:
    """Of all records, oldest first."""
    rows = await desk.rows("SELECT over_limit FROM promotion_redemption ORDER BY id")
    return [bool(flag) for (flag,) in rows]


@pytest.mark.parametrize(
    "limits",
    [
        {"redemptions_total": 2},
        {"redemptions_per_customer": 2},
        {"redemptions_per_code": 2},
        {"discount_total": 2},
    ],
    ids=lambda limits: next(iter(limits)),
)
async def test_a_use_over_the_limit_is_recorded_and_flagged(
    desk: Desk, limits: dict[str, Any]
) -> None:
    await stock(desk, recording(**limits))
    once = use(promo_code="A", discount=MICRO)
    for _ in range(4):
        await grant(desk, once)
    assert await flags(desk) == [False, False, True, True]
    [(used,)] = await desk.rows("SELECT used FROM usage")
    assert used in (4, 4 * MICRO)


async def test_of_requests_that_arrive_together_those_over_the_limit_are_flagged(
    desk: Desk,
) -> None:
    await stock(desk, recording(redemptions_total=3))
    await asyncio.gather(*(submit(desk, use()) for _ in range(8)))
    assert sorted(await flags(desk)) == [False] * 3 + [True] * 5


@on_one_engine
async def test_a_request_over_its_own_limit_is_flagged_whole(desk: Desk) -> None:
    await stock(desk, recording(redemptions_per_transaction=2), recording("p2"))
    await grant(desk, use(), use("p2"), use(), line_items=(use(),))
    await grant(desk, use(), use())
    assert await flags(desk) == [True, True, False, True, False, False]


@on_one_engine
async def test_what_cannot_be_counted_is_recorded_and_flagged(desk: Desk) -> None:
    await stock(desk, recording(redemptions_per_customer=1, redemptions_per_code=1))
    await grant(desk, use(promo_code="A"), customer_id=-1)
    await grant(desk, use())
    assert await flags(desk) == [True, True]


@on_one_engine
async def test_a_flag_is_the_promotions_own(desk: Desk) -> None:
    await stock(desk, recording(redemptions_total=1), recording("p2", redemptions_total=5))
    await grant(desk, use(redemption_count=2), use("p2"))
    assert await flags(desk) == [True, False]


@pytest.mark.provokes("LIMIT_REACHED")
@on_one_engine
async def test_a_promotion_that_refuses_refuses_for_one_that_records(desk: Desk) -> None:
    refusing = promotion("p2", limits={"redemptions_total": 1})
    await stock(desk, recording(redemptions_total=1), refusing)
    twice = (use(redemption_count=2), use("p2", redemption_count=2))
    violation = await refuse_once(desk, *twice)
    assert violation.metadata["promotion_id"] == "p2"
    await grant(desk, twice[0], use("p2"))


@pytest.mark.provokes("PROMOTION_EXPIRED")
@on_one_engine
async def test_recording_over_the_limit_forgives_nothing_else(desk: Desk) -> None:
    ended = {**recording(redemptions_total=1), "ends_at": "2026-01-01T00:00:00Z"}
    await stock(desk, ended)
    assert reasons(await refuse(desk, use(redemption_count=2))) == ["PROMOTION_EXPIRED"]


async def test_a_repeat_of_a_flagged_request_counts_nothing(desk: Desk) -> None:
    await stock(desk, recording(redemptions_total=1))
    await grant(desk, use(redemption_count=2), transaction_identifier="t1")
    await replay(desk, use(redemption_count=2), transaction_identifier="t1")


@pytest.mark.provokes("LIMIT_REACHED")
async def test_a_promotion_may_change_between_recording_and_refusing(desk: Desk) -> None:
    await stock(desk, recording(redemptions_total=1))
    await grant(desk, use(redemption_count=5))
    await stock(desk, promotion(limits={"redemptions_total": 6}))
    await grant(desk, use())
    await refuse_once(desk, use())
    await stock(desk, recording(redemptions_total=6))
    await grant(desk, use())
    assert await flags(desk) == [True, False, True]


@pytest.mark.provokes("LIMIT_REACHED")
async def test_a_promotion_that_records_refuses_where_its_counter_cannot_hold_the_sum(
    desk: Desk,
) -> None:
    await stock(desk, recording(discount_total=1))
    line = 10**16 - 1
    largest = [use(discount=line)] * 500
    await grant(desk, *largest)
    violation = await refuse_once(desk, *largest)
    assert (violation.reason, violation.metadata["scope"]) == ("LIMIT_REACHED", "discount")
    await grant(desk, use(discount=2**63 - 1 - 500 * line - 2 * line), use(discount=2 * line))
    assert await desk.rows("SELECT used FROM usage") == [(2**63 - 1,)]
    await refuse_once(desk, use(discount=1))
