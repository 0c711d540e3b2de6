"""A use counts for the code sent, else the customer's own, else the only one, else for none."""

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


# The codes of a promotion, the code that a use names, its customer, the code that it counts for.
CASES: dict[str, tuple[list[dict[str, Any]], str, int, str]] = {
    "the one sent": ([A, B], "Beta", CUSTOMER, "b"),
    "the one sent, in any case": ([A, B], " bETA ", CUSTOMER, "b"),
    "the one sent before the own": ([A | MINE, B], "Beta", CUSTOMER, "b"),
    "the own": ([A | MINE, B], "", CUSTOMER, "a"),
    "the own, not another's": ([A | MINE, B | THEIRS], "", CUSTOMER, "a"),
    "the own active one": ([A | MINE, B | MINE | OFF], "", CUSTOMER, "a"),
    "the own and only one": ([A | MINE], "", CUSTOMER, "a"),
    "none of two own ones": ([A | MINE, B | MINE], "", CUSTOMER, ""),
    "the only one": ([A], "", CUSTOMER, "a"),
    "the only one, for the anonymous customer": ([A], "", -1, "a"),
    "not the only one if it is another's": ([A | THEIRS], "", CUSTOMER, ""),
    "not the only one if it is a customer's": ([A | MINE], "", -1, ""),
    "not the own one that is off": ([A | MINE | OFF], "", CUSTOMER, ""),
    "none of two": ([A, B], "", CUSTOMER, ""),
    "none of two, one of them another's": ([A, B | THEIRS], "", CUSTOMER, ""),
    "none of two, the first of them another's": ([A | THEIRS, B], "", CUSTOMER, ""),
    "none of two, one of them off": ([A, B | OFF], "", CUSTOMER, ""),
    "none without codes": ([], "", CUSTOMER, ""),
}


def of_case(case: str, code: dict[str, Any]) -> dict[str, Any]:
    """Codes are unique in the organisation, so each case has its own."""
    number = list(CASES).index(case)
    return code | {"id": f"{code['id']}{number}", "code": f"{code['code']}{number}"}


async def test_a_use_counts_for_a_code(desk: Desk) -> None:
    stocked = [
        promotion(case, codes=[of_case(case, code) for code in codes])
        for case, (codes, _, _, _) in CASES.items()
    ]
    await stock(desk, *stocked)
    counted = {}
    for number, (case, (_, sent, customer_id, _)) in enumerate(CASES.items()):
        code = sent and sent.rstrip() + str(number) + sent[len(sent.rstrip()) :]
        granted = await grant(desk, use(case, promo_code=code), customer_id=customer_id)
        counted[case] = granted.uses[0].code_id.removesuffix(str(number))
    assert counted == {case: expected for case, (_, _, _, expected) in CASES.items()}
    rows = await desk.rows("SELECT promotion_id, code_id FROM promotion_redemption ORDER BY id")
    assert [case for case, _ in rows] == list(CASES)
    assert [code_id.rstrip("0123456789") for _, code_id in rows] == list(counted.values())


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
