"""Step 7: one transaction, one record per line, the counts and the events, in one commit."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.rules.promotion_desk import MICRO, grant, recorded, stock
from tests.support.catalogs import CUSTOMER, KEY, ORG, OTHER_CUSTOMER, TILL, promotion
from tests.support.desk import Desk, use

AT = datetime(2026, 3, 1, 10, 20, 30, 456_000, tzinfo=UTC)
AT_MS = 1_772_360_430_456
NOW_MS = 1_772_600_767_008


async def test_a_granted_request_is_recorded_whole(desk: Desk) -> None:
    limits = {
        "redemptions_total": 100,
        "redemptions_per_customer": {"limit": 50, "window": "MONTH"},
        "redemptions_per_code": 60,
        "redemptions_per_transaction": 10,
        "discount_total": "1000",
    }
    earned = {"id": "e1", "promotion": "p2", "customer": OTHER_CUSTOMER, "status": "UNLOCKED"}
    await stock(
        desk,
        promotion(limits=limits, codes=[{"id": "c1", "code": "A"}]),
        promotion("p2"),
        earned_promotions=[earned],
    )
    pair = ("Mobile", "9999988881")
    line = use(sku="s1", redemption_count=2, discount=1, amount=5, promo_code="a")
    granted = await grant(
        desk,
        use(redemption_count=3, discount=7 * MICRO),
        use("p2", earned_promotion_id="e1", promotion_applied_on_quantity=3),
        line_items=(line,),
        transaction_identifier="t1",
        transaction_date=AT,
        cart_evaluation_id="cart",
        identifier_pair=pair,
    )
    ids = [record.id for record in granted.uses]
    line_id = granted.uses[0].line_id
    month = datetime(2026, 3, 1, tzinfo=UTC).toordinal()
    assert sorted(ids) == ids
    sent = ("t1", "bill-1", AT_MS, 100 * MICRO, "cart")
    transaction = (*sent, CUSTOMER, None, *pair, TILL, KEY, NOW_MS)
    on_line = ("p1", "", "c1", "a", "s1", 2, 1, MICRO, MICRO, 5, False, False)
    on_cart = ("p1", "", "c1", "", "", 3, 7 * MICRO, MICRO, MICRO, None, False, False)
    of_earned = ("p2", "e1", "", "", "", 1, 10 * MICRO, MICRO, 3, None, False, True)
    assert await recorded(desk) == {
        "transactions": [(ORG, granted.id, *transaction)],
        "redemptions": [
            (ORG, ids[0], granted.id, line_id, *on_line),
            (ORG, ids[1], granted.id, None, *on_cart),
            (ORG, ids[2], granted.id, None, *of_earned),
        ],
        "claims": [(ORG, 1, "t1", NOW_MS, None, None)],
        "events": [(ORG, number, 1, id_, NOW_MS) for number, id_ in enumerate(ids, 1)],
        "event numbers": [(ORG, 3)],
        "usage": [
            (ORG, 1, "p1", "", 0, 5, 100, NOW_MS),
            (ORG, 2, "p1", str(CUSTOMER), month, 5, 50, NOW_MS),
            (ORG, 3, "p1", "c1", 0, 5, 60, NOW_MS),
            (ORG, 4, "p1", "", 0, 7 * MICRO + 1, 1000 * MICRO, NOW_MS),
            (ORG, 5, "e1", "", 0, 1, 1, NOW_MS),
        ],
        "reversals": [],
        "reversed records": [],
    }


async def test_a_promotion_without_limits_has_no_counter(desk: Desk) -> None:
    await stock(desk, promotion(codes=[{"id": "c1", "code": "A"}]))
    await grant(desk, use(), use(promo_code="A"))
    assert await desk.rows("SELECT * FROM usage") == []


@pytest.mark.parametrize("customer_id", [CUSTOMER, -1], ids=["named", "anonymous"])
async def test_the_record_keeps_the_customer_as_resolved_and_as_sent(
    desk: Desk, customer_id: int
) -> None:
    await stock(desk, promotion())
    pair: dict[str, Any] = {"identifier_pair": ("email", "nobody@example.com")}
    await grant(desk, use(), customer_id=customer_id, **pair)
    columns = "customer_id, customer_id_sent, customer_identifier_type, customer_identifier_value"
    rows = await desk.rows(f"SELECT {columns} FROM promotion_transaction")
    assert rows == [(customer_id, customer_id, "email", "nobody@example.com")]


async def test_records_sort_by_time_in_the_order_of_the_request(desk: Desk) -> None:
    await stock(desk, promotion())
    sent: list[tuple[str, int]] = []
    for transaction in ("t1", "t2"):
        line_items = tuple(use(discount=number) for number in (3, 1))
        cart = tuple(use(discount=number) for number in (4, 2))
        await grant(desk, *cart, line_items=line_items, transaction_identifier=transaction)
        sent += [(transaction, number) for number in (3, 1, 4, 2)]
    rows = await desk.rows(
        "SELECT t.transaction_identifier, r.discount_micros FROM promotion_redemption r "
        "JOIN promotion_transaction t ON t.org_id = r.org_id AND t.id = r.transaction_id "
        "ORDER BY r.id"
    )
    assert rows == sent
