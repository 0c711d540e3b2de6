"""Reversing uses of promotions: what comes back for which reason, whole and in part, once."""

from datetime import timedelta
from typing import Any

import pytest
from redemption_server.rules.facts import RecordKey, RecordKind, Scope
from redemption_server.rules.outcomes import RecordedTransaction
from redemption_server.rules.reversal_policy import Returned, ReversalReason

from tests.rules.promotion_desk import MICRO, grant, on_one_engine, reasons, refuse_once, stock
from tests.rules.reversal_desk import (
    EVERY_RETURN,
    EVERYTHING,
    NOTHING,
    USUALLY,
    Used,
    policy,
    refuse,
    repeat,
    reverse,
    used,
)
from tests.support.catalogs import CUSTOMER, promotion
from tests.support.desk import Desk, use

ROOM: dict[str, Any] = {
    "redemptions_total": 9,
    "redemptions_per_customer": 8,
    "redemptions_per_code": 7,
    "discount_total": "60",
}
CODES = [{"id": "c1", "code": "A"}]
ANONYMOUS = -1
CANCEL, RETURN, FRAUD = ReversalReason.CANCEL, ReversalReason.RETURN, ReversalReason.FRAUD


def by_returned(returned: Returned) -> list[Used]:
    """The counters after one use of 2 and 10.5 stands and one of 3 and 4 was reversed."""
    budget, customer, code = (
        part not in returned for part in (Returned.BUDGET, Returned.CUSTOMER, Returned.CODE)
    )
    return [
        Used(Scope.PROMOTION, 2 + 3 * budget),
        Used(Scope.PROMOTION_CUSTOMER, 2 + 3 * customer, str(CUSTOMER)),
        Used(Scope.PROMOTION_CODE, 2 + 3 * code, "c1"),
        Used(Scope.PROMOTION_DISCOUNT, 10 * MICRO + MICRO // 2 + 4 * MICRO * budget),
    ]


async def one_stands_one_is_reversed(
    desk: Desk, reason: ReversalReason, *policies: dict[str, Any]
) -> Returned:
    """What came back of the second use."""
    changes: dict[str, Any] = {"reversal_policies": list(policies)} if policies else {}
    await stock(desk, promotion(limits=ROOM, codes=CODES, **changes))
    await grant(desk, use(redemption_count=2, discount=10_500_000))
    bill = await grant(
        desk, use(redemption_count=3, discount=4 * MICRO), transaction_identifier="t2"
    )
    desk.clock.advance(timedelta(hours=1))
    answer = await reverse(desk, transaction_identifier="t2", reason=reason, note="why")
    assert (answer.reason, answer.note, answer.recorded_at) == (reason, "why", desk.clock.now)
    [(key, returned)] = answer.records
    assert key == RecordKey(RecordKind.PROMOTION_REDEMPTION, ids(bill)[0])
    return returned


def ids(bill: RecordedTransaction) -> list[str]:
    return [recorded.id for recorded in bill.uses]


@pytest.mark.parametrize("reason", ReversalReason)
async def test_what_usually_comes_back(desk: Desk, reason: ReversalReason) -> None:
    assert await one_stands_one_is_reversed(desk, reason) == USUALLY[reason]
    assert await used(desk) == by_returned(USUALLY[reason])


@on_one_engine
@pytest.mark.parametrize("returned", EVERY_RETURN)
@pytest.mark.parametrize("reason", ReversalReason)
async def test_a_policy_says_what_comes_back(
    desk: Desk, reason: ReversalReason, returned: Returned
) -> None:
    assert await one_stands_one_is_reversed(desk, reason, policy(reason, returned)) == returned
    assert await used(desk) == by_returned(returned)


@on_one_engine
async def test_a_policy_for_one_reason_leaves_the_others(desk: Desk) -> None:
    only = policy(FRAUD, EVERYTHING)
    assert await one_stands_one_is_reversed(desk, CANCEL, only) == EVERYTHING
    assert await one_stands_one_is_reversed_again(desk) == NOTHING


async def one_stands_one_is_reversed_again(desk: Desk) -> Returned:
    await grant(desk, use(), transaction_identifier="t3")
    reversal = await reverse(desk, transaction_identifier="t3", reason=ReversalReason.CHARGEBACK)
    return reversal.records[0].returned


@on_one_engine
async def test_the_policy_at_the_time_of_the_reversal_counts(desk: Desk) -> None:
    before, after = policy(RETURN, NOTHING), policy(RETURN, EVERYTHING)
    await stock(desk, promotion(limits=ROOM, codes=CODES, reversal_policies=[before]))
    for identifier in ("a", "b"):
        await grant(desk, use(discount=0), transaction_identifier=identifier)
    await reverse(desk, transaction_identifier="a", reason=RETURN)
    await stock(desk, promotion(limits=ROOM, codes=CODES, reversal_policies=[after]))
    await reverse(desk, transaction_identifier="b", reason=RETURN)
    assert await used(desk) == [
        Used(Scope.PROMOTION, 1),
        Used(Scope.PROMOTION_CUSTOMER, 1, str(CUSTOMER)),
        Used(Scope.PROMOTION_CODE, 1, "c1"),
    ]


async def test_what_came_back_can_be_redeemed_again(desk: Desk) -> None:
    await stock(desk, promotion(limits={"redemptions_per_customer": 1, "redemptions_total": 2}))
    await grant(desk, use(), transaction_identifier="a")
    assert (await refuse_once(desk, use())).metadata["scope"] == "customer"
    await reverse(desk, transaction_identifier="a")
    await grant(desk, use(), transaction_identifier="b")
    await refuse_once(desk, use())
    # The budget alone comes back: the customer has had theirs.
    await reverse(desk, transaction_identifier="b", reason=RETURN)
    assert (await refuse_once(desk, use())).metadata["scope"] == "customer"


async def test_single_uses_then_the_rest(desk: Desk) -> None:
    await stock(desk, promotion(limits=ROOM, codes=CODES))
    uses = [use(discount=amount * MICRO) for amount in (1, 2, 4)]
    bill = await grant(desk, *uses[1:], line_items=uses[:1], transaction_identifier="t1")
    on_line, first, second = ids(bill)
    one = await reverse(desk, first, transaction_identifier="t1", request_id="one")
    assert [record.key.id for record in one.records] == [first]
    assert (await used(desk))[-1] == Used(Scope.PROMOTION_DISCOUNT, 5 * MICRO)
    rest = await reverse(desk, transaction_identifier="t1", request_id="rest")
    assert [record.key.id for record in rest.records] == [on_line, second]
    assert await used(desk) == []
    assert await repeat(desk, first, transaction_identifier="t1", request_id="one") == one
    assert await repeat(desk, transaction_identifier="t1", request_id="rest") == rest


async def test_several_uses_at_once_in_the_order_that_was_asked(desk: Desk) -> None:
    await stock(desk, promotion(limits=ROOM, codes=CODES))
    bill = await grant(desk, use(), use(), use(), transaction_identifier="t1")
    first, _, third = ids(bill)
    answer = await reverse(desk, third, first, transaction_identifier="t1")
    assert [record.key.id for record in answer.records] == [third, first]
    assert (await used(desk))[0] == Used(Scope.PROMOTION, 1)
    assert [record.key.id for record in (await reverse(desk, transaction_identifier="t1")).records]


@pytest.mark.provokes("REDEMPTION_REVERSED")
async def test_never_more_comes_back_than_was_taken(desk: Desk) -> None:
    await stock(desk, promotion(limits=ROOM, codes=CODES))
    await grant(desk, use())
    bill = await grant(desk, use(), use(), transaction_identifier="t1")
    first, second = ids(bill)
    await reverse(desk, first, transaction_identifier="t1")
    # All or none: the second one stands.
    for named in ([first], [first, second], [second, first]):
        [violation] = await refuse(desk, *named, transaction_identifier="t1", reason=FRAUD)
        assert violation.reason.value == "REDEMPTION_REVERSED"
        assert violation.metadata == {"redemption": first}
    await reverse(desk, second, transaction_identifier="t1")
    for named in ([], [first], [first, second]):
        found = await refuse(desk, *named, transaction_identifier="t1")
        assert set(reasons(found)) == {"REDEMPTION_REVERSED"}
        expected = named or [first, second]
        assert [violation.metadata["redemption"] for violation in found] == expected
    assert (await used(desk))[0] == Used(Scope.PROMOTION, 1)


async def test_nothing_coming_back_is_final_too(desk: Desk) -> None:
    await stock(desk, promotion(limits=ROOM, codes=CODES))
    await grant(desk, use(), transaction_identifier="t1")
    before = await used(desk)
    await reverse(desk, transaction_identifier="t1", reason=FRAUD)
    assert reasons(await refuse(desk, transaction_identifier="t1")) == ["REDEMPTION_REVERSED"]
    assert await used(desk) == before


@pytest.mark.provokes("REDEMPTION_NOT_FOUND")
async def test_what_is_not_of_the_transaction_is_not_found(desk: Desk) -> None:
    await stock(desk, promotion())
    [mine] = ids(await grant(desk, use(), transaction_identifier="t1"))
    [other] = ids(await grant(desk, use(), transaction_identifier="t2"))
    found = await refuse(desk, other, mine, "x", transaction_identifier="t1")
    assert reasons(found) == ["REDEMPTION_NOT_FOUND"] * 2
    named = [(violation.field, violation.metadata["redemption"]) for violation in found]
    assert named == [("redemption_ids[0]", other), ("redemption_ids[2]", "x")]
    for identifier in ("T1", "unknown"):
        [violation] = await refuse(desk, transaction_identifier=identifier)
        assert violation.field == "transaction_identifier"


async def test_anonymous_redemptions_give_back_what_they_took(desk: Desk) -> None:
    limits = {**ROOM, "redemptions_per_customer": 1}
    await stock(desk, promotion(over_limit="RECORD", limits=limits))
    await grant(desk, use(), customer_id=ANONYMOUS, transaction_identifier="t1")
    await grant(desk, use())
    await reverse(desk, transaction_identifier="t1")
    assert await used(desk) == [
        Used(Scope.PROMOTION, 1),
        Used(Scope.PROMOTION_CUSTOMER, 1, str(CUSTOMER)),
        Used(Scope.PROMOTION_DISCOUNT, 10 * MICRO),
    ]


async def test_record_only_promotions_count_down_as_well(desk: Desk) -> None:
    await stock(desk, promotion(over_limit="RECORD", limits={"redemptions_total": 2}))
    for identifier in ("a", "b", "c"):
        await grant(desk, use(redemption_count=2), transaction_identifier=identifier)
    for identifier, left in (("a", 4), ("b", 2)):
        await reverse(desk, transaction_identifier=identifier)
        assert await used(desk) == [Used(Scope.PROMOTION, left)]
    [over] = (await grant(desk, use())).uses
    assert over.over_limit
    await reverse(desk, transaction_identifier="c")
    [under] = (await grant(desk, use())).uses
    assert not under.over_limit


@pytest.mark.parametrize(
    ("reason", "comes_back"), [(CANCEL, True), (RETURN, False), (FRAUD, False)]
)
async def test_an_earned_promotion_comes_back_with_the_code(
    desk: Desk, reason: ReversalReason, *, comes_back: bool
) -> None:
    earned = {"id": "e1", "promotion": "p1", "customer": CUSTOMER, "status": "UNLOCKED"}
    await stock(desk, promotion(), earned_promotions=[earned])
    spent = use(earned_promotion_id="e1")
    await grant(desk, spent, transaction_identifier="t1")
    await reverse(desk, transaction_identifier="t1", reason=reason)
    if comes_back:
        await grant(desk, spent, transaction_identifier="t2")
    assert reasons([await refuse_once(desk, spent)]) == ["EARNED_PROMOTION_REDEEMED"]
    assert await used(desk) == [Used(Scope.EARNED_PROMOTION, 1)]


async def test_each_use_gives_back_by_the_policy_of_its_promotion(desk: Desk) -> None:
    limits = {"redemptions_total": 5}
    kept = promotion("p2", limits=limits, reversal_policies=[policy(CANCEL, NOTHING)])
    await stock(desk, promotion(limits=limits), kept)
    await grant(desk, use(), use("p2"), transaction_identifier="t1")
    answer = await reverse(desk, transaction_identifier="t1")
    assert [record.returned for record in answer.records] == [EVERYTHING, NOTHING]
    rows = await desk.rows("SELECT subject, used FROM usage WHERE used > 0")
    assert rows == [("p2", 1)]
