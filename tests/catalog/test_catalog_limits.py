"""A limit that the catalog adds, lowers or raises holds from the next redemption on."""

from typing import Any

import pytest
from redemption_server.rules.outcomes import Granted, Outcome, RecordedTransaction
from redemption_server.rules.refusals import Refused

from tests.catalog.state import organization, records
from tests.rules.coupon_desk import apply_series, results_of
from tests.support import catalogs
from tests.support.desk import Desk, coupon, use

UNLIMITED = {"max_redemptions_per_coupon": "unlimited", "same_customer_may_repeat": True}


class Shop:
    """Redeems promotion p1, each time in another transaction."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._transactions = 0

    async def limit(self, over_limit: str = "REFUSE", **limits: Any) -> None:
        promotion = catalogs.promotion(limits=limits, over_limit=over_limit)
        await self.desk.apply(organization(promotions=[promotion]))

    async def redeem(self, **changes: Any) -> Outcome:
        self._transactions += 1
        identifier = f"t{self._transactions}"
        return await self.desk.redeem(use(), transaction_identifier=identifier, **changes)

    async def grants(self, number: int, **changes: Any) -> None:
        for _ in range(number):
            assert isinstance(await self.redeem(**changes), Granted)

    async def refuses(self, **changes: Any) -> dict[str, str]:
        """What the limit that is reached says; nothing is recorded."""
        before = await records(self.desk)
        outcome = await self.redeem(**changes)
        assert isinstance(outcome, Refused)
        assert outcome.reason == "LIMIT_REACHED"
        assert await records(self.desk) == before
        return dict(outcome.violations[0].metadata)


@pytest.fixture
def shop(desk: Desk) -> Shop:
    return Shop(desk)


@pytest.mark.provokes("LIMIT_REACHED")
async def test_an_added_limit_counts_what_was_redeemed_before(shop: Shop) -> None:
    await shop.limit()
    await shop.grants(2)
    await shop.limit(redemptions_total=3)
    await shop.grants(1)
    await shop.refuses()


async def test_an_added_limit_per_customer_leaves_the_anonymous_uncounted(shop: Shop) -> None:
    await shop.limit()
    await shop.grants(3, customer_id=-1)
    await shop.limit(redemptions_per_customer=1)
    await shop.grants(1)


@pytest.mark.provokes("LIMIT_REACHED")
@pytest.mark.parametrize("added", [False, True])
async def test_a_limit_below_what_is_used_refuses_until_it_is_raised(
    shop: Shop, added: bool
) -> None:
    before: dict[str, Any] = {} if added else {"redemptions_total": 10}
    await shop.limit(**before)
    await shop.grants(5)
    for _ in range(2):  # applied again, it is still no error
        await shop.limit(redemptions_total=3)
        found = await shop.refuses()
        assert (found["limit"], found["used"], found["requested"]) == ("3", "5", "1")
    await shop.limit(redemptions_total=6)
    await shop.grants(1)
    await shop.refuses()


@pytest.mark.provokes("LIMIT_REACHED")
async def test_a_lowered_limit_of_one_customer_leaves_room_for_another(shop: Shop) -> None:
    await shop.limit(redemptions_per_customer=9, redemptions_total=9)
    await shop.grants(4)
    await shop.limit(redemptions_per_customer=2, redemptions_total=6)
    await shop.refuses()
    await shop.grants(2, customer_id=catalogs.OTHER_CUSTOMER)
    found = await shop.refuses(customer_id=catalogs.OTHER_CUSTOMER)
    assert found["used"] in ("2", "6")


async def test_a_lowered_limit_that_only_records_flags_what_is_over(shop: Shop) -> None:
    await shop.limit(redemptions_total=9)
    await shop.grants(4)
    await shop.limit("RECORD", redemptions_total=2)
    outcome = await shop.redeem()
    assert isinstance(outcome, Granted)
    assert isinstance(outcome.answer, RecordedTransaction)
    assert [recorded.over_limit for recorded in outcome.answer.uses] == [True]


@pytest.mark.provokes("LIMIT_REACHED")
async def test_a_limit_that_starts_to_refuse_counts_what_it_only_recorded(shop: Shop) -> None:
    await shop.limit("RECORD", redemptions_total=2)
    await shop.grants(4)
    await shop.limit(redemptions_total=2)
    assert (await shop.refuses())["used"] == "4"
    await shop.limit(redemptions_total=5)
    await shop.grants(1)
    await shop.refuses()


@pytest.mark.provokes("LIMIT_REACHED")
@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("max_redemptions_per_coupon", "coupon"),
        ("max_redemptions_per_customer", "customer"),
        ("max_redemptions", "series"),
    ],
)
async def test_a_limit_of_a_series_below_what_is_used_refuses_until_it_is_raised(
    desk: Desk, name: str, scope: str
) -> None:
    async def redeem() -> dict[str, str]:
        (result,) = results_of(await desk.redeem_coupons(coupon()))
        return dict(result.violation.metadata) if result.violation else {}

    await apply_series(desk, {**UNLIMITED, name: 9})
    assert [await redeem() for _ in range(4)] == [{}] * 4
    await apply_series(desk, {**UNLIMITED, name: 2})
    found = await redeem()
    assert (found["scope"], found["limit"], found["used"]) == (scope, "2", "4")
    await apply_series(desk, {**UNLIMITED, name: 5})
    assert await redeem() == {}
    assert (await redeem())["used"] == "5"
