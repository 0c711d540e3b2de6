"""The steps are judged in their order; the first that fails answers alone."""

import pytest

from tests.rules.promotion_desk import grant, on_one_engine, reasons, refuse, refuse_once, stock
from tests.support.catalogs import CUSTOMER, promotion
from tests.support.desk import Desk, use

CLOSED = {"redemption_without_evaluation": False}


@pytest.mark.provokes("ORGANIZATION_NOT_ENABLED")
async def test_an_organisation_that_is_not_enabled_refuses_even_a_repeat(desk: Desk) -> None:
    await stock(desk, promotion())
    await grant(desk, use(), transaction_identifier="t1")
    await stock(desk, promotion(), **CLOSED)
    for uses, customer_id, transaction in (
        ([use()], CUSTOMER, "t1"),
        ([use(discount=1)], CUSTOMER, "t1"),
        ([use("p9")], 999, "t2"),
    ):
        violation = await refuse_once(
            desk, *uses, customer_id=customer_id, transaction_identifier=transaction
        )
        assert violation.reason == "ORGANIZATION_NOT_ENABLED"
    await stock(desk, promotion())
    await grant(desk, use(), transaction_identifier="t2")


@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_a_conflict_comes_before_anything_that_does_not_exist(desk: Desk) -> None:
    await stock(desk, promotion())
    await grant(desk, use(), transaction_identifier="t1")
    violations = await refuse(desk, use("p9"), customer_id=999, transaction_identifier="t1")
    assert reasons(violations) == ["TRANSACTION_CONFLICT"]


@pytest.mark.provokes("PROMOTION_NOT_FOUND", "PROMOTION_EXPIRED", "LIMIT_REACHED")
@on_one_engine
async def test_existence_comes_before_state_and_state_before_limits(desk: Desk) -> None:
    limits = {"redemptions_per_transaction": 1}
    await stock(desk, promotion(limits=limits, ends_at="2026-01-01T00:00:00Z"))
    twice = use(redemption_count=2)
    assert reasons(await refuse(desk, twice, use("p9"))) == ["PROMOTION_NOT_FOUND"]
    assert reasons(await refuse(desk, twice)) == ["PROMOTION_EXPIRED"]
    await stock(desk, promotion(limits=limits))
    assert reasons(await refuse(desk, twice)) == ["LIMIT_REACHED"]
    await grant(desk, use())


@pytest.mark.provokes("CUSTOMER_FRAUD", "LIMIT_REACHED")
@on_one_engine
async def test_the_state_of_the_customer_comes_before_limits(desk: Desk) -> None:
    limited = promotion(limits={"redemptions_per_transaction": 1})
    await stock(desk, limited, customers=[{"id": CUSTOMER, "status": "FRAUD"}])
    assert reasons(await refuse(desk, use(redemption_count=2))) == ["CUSTOMER_FRAUD"]
    assert reasons(await refuse(desk, use(redemption_count=2), customer_id=-1)) == ["LIMIT_REACHED"]


@pytest.mark.provokes("PROMOTION_NOT_FOUND")
async def test_one_wrong_line_refuses_the_whole_request(desk: Desk) -> None:
    await stock(desk, promotion(limits={"redemptions_total": 100}))
    await refuse_once(desk, *[use()] * 9, line_items=(use(), use("p9")))
