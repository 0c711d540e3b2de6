"""To which code a use counts: the one sent, else the customer's own, else the only one, else none."""

from typing import Any

import pytest

from tests.rules.promotion_desk import grant, refuse_once, stock
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER, promotion
from tests.support.desk import Desk, use

A: dict[str, Any] = {"id": "a", "code": "Alpha"}
B: dict[str, Any] = {"id": "b", "code": "Beta"}
MINE = {"customer": CUSTOMER}
THEIRS = {"customer": OTHER_CUSTOMER}
OFF = {"active": False}


@pytest.mark.parametrize(
    ("codes", "sent", "customer_id", "expected"),
    [
        pytest.param([A, B], "Beta", CUSTOMER, "b", id="the one sent"),
        pytest.param([A, B], " bETA ", CUSTOMER, "b", id="the one sent, in any case"),
        pytest.param([A | MINE, B], "Beta", CUSTOMER, "b", id="the one sent before the own"),
        pytest.param([A | MINE, B], "", CUSTOMER, "a", id="the own"),
        pytest.param([A | MINE, B | THEIRS], "", CUSTOMER, "a", id="the own, not another's"),
        pytest.param([A | MINE, B | MINE | OFF], "", CUSTOMER, "a", id="the own active one"),
        pytest.param([A | MINE], "", CUSTOMER, "a", id="the own and only one"),
        pytest.param([A | MINE, B | MINE], "", CUSTOMER, "", id="none of two own ones"),
        pytest.param([A], "", CUSTOMER, "a", id="the only one"),
        pytest.param([A], "", -1, "a", id="the only one, for the anonymous customer"),
        pytest.param([A | THEIRS], "", CUSTOMER, "", id="not the only one if it is another's"),
        pytest.param([A | MINE], "", -1, "", id="not the only one if it is a customer's"),
        pytest.param([A | MINE | OFF], "", CUSTOMER, "", id="not the own one that is off"),
        pytest.param([A, B], "", CUSTOMER, "", id="none of two"),
        pytest.param([A, B | THEIRS], "", CUSTOMER, "", id="none of two, one linked"),
        pytest.param([A, B | OFF], "", CUSTOMER, "", id="none of two, one off"),
        pytest.param([], "", CUSTOMER, "", id="none without codes"),
    ],
)
async def test_a_use_counts_for_a_code(
    desk: Desk, codes: list[dict[str, Any]], sent: str, customer_id: int, expected: str
) -> None:
    await stock(desk, promotion(codes=codes), promotion("p2", codes=[{"id": "z", "code": "Z"}]))
    await grant(desk, use(promo_code=sent), customer_id=customer_id)
    rows = await desk.rows("SELECT code_id, promo_code_sent FROM promotion_redemption")
    assert rows == [(expected, sent)]


@pytest.mark.provokes("CODE_INACTIVE")
async def test_the_only_code_counts_even_when_it_is_off_and_then_forbids_the_use(
    desk: Desk,
) -> None:
    await stock(desk, promotion(codes=[A | OFF]))
    violation = await refuse_once(desk, use())
    assert (violation.reason, violation.metadata) == ("CODE_INACTIVE", {"code": "Alpha"})


async def test_every_line_has_a_code_of_its_own(desk: Desk) -> None:
    await stock(
        desk, promotion(codes=[A | MINE, B]), promotion("p2", codes=[{"id": "z", "code": "Z"}])
    )
    granted = await grant(
        desk, use("p2"), use(), line_items=(use(promo_code="BETA"), use(promo_code="alpha"))
    )
    assert [recorded.code_id for recorded in granted.uses] == ["b", "a", "z", "a"]


async def test_each_customer_uses_the_own_code(desk: Desk) -> None:
    await stock(desk, promotion(codes=[A | MINE, B | THEIRS]))
    for customer_id, expected in ((CUSTOMER, "a"), (OTHER_CUSTOMER, "b"), (-1, "")):
        granted = await grant(desk, use(), customer_id=customer_id)
        assert granted.uses[0].code_id == expected
