"""Step 3: a repeat gets the recorded answer, whatever has changed; nothing is counted again."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redemption_server.rules.commands import Caller
from redemption_server.rules.identity import promotion_identifier
from redemption_server.rules.outcomes import Granted, Replayed

from tests.rules.promotion_desk import (
    grant,
    on_one_engine,
    reasons,
    recorded,
    refuse,
    replay,
    stock,
)
from tests.support.catalogs import (
    CUSTOMER,
    ORG,
    OTHER_CUSTOMER,
    OTHER_ORG,
    organization,
    promotion,
)
from tests.support.desk import CALLER, Desk, use

CODE = {"id": "c1", "code": "Save10"}
EARNED = {"id": "e1", "promotion": "p1", "customer": CUSTOMER, "status": "UNLOCKED"}
ENDED = "2026-01-01T00:00:00Z"
MOBILE = ("mobile", "9999988881")


async def test_a_repeat_gets_the_recorded_answer_and_counts_nothing(desk: Desk) -> None:
    await stock(desk, promotion(limits={"redemptions_total": 5}))
    line = use(sku="s1", discount=1, amount=7)
    first = await grant(desk, use(), line_items=(line,), transaction_identifier="t1")
    again = await replay(desk, use(), line_items=(line,), transaction_identifier="t1")
    assert (again.id, again.customer_id, again.recorded_at) == (
        first.id,
        first.customer_id,
        first.recorded_at,
    )
    assert replace(again.request, caller=CALLER) == first.request


async def test_a_repeat_in_the_same_batch_is_a_repeat(desk: Desk) -> None:
    await stock(desk, promotion())
    outcomes = await asyncio.gather(*(desk.redeem(use()) for _ in range(5)))
    assert Counter(type(outcome) for outcome in outcomes) == {Granted: 1, Replayed: 4}
    assert len((await recorded(desk))["transactions"]) == 1


@on_one_engine
@pytest.mark.parametrize(
    "later",
    [
        pytest.param({"promotions": [promotion(active=False, codes=[CODE])]}, id="switched off"),
        pytest.param({"promotions": [promotion(ends_at=ENDED, codes=[CODE])]}, id="ended"),
        pytest.param(
            {"promotions": [promotion(codes=[{**CODE, "active": False}])]}, id="code switched off"
        ),
        pytest.param(
            {"promotions": [promotion(codes=[{**CODE, "customer": OTHER_CUSTOMER}])]},
            id="code given away",
        ),
        pytest.param(
            {"promotions": [promotion(codes=[CODE], limits={"redemptions_total": 1})]},
            id="limit full",
        ),
        pytest.param({"earned_promotions": [{**EARNED, "status": "EXPIRED"}]}, id="earned expired"),
        pytest.param({"customers": [{"id": CUSTOMER, "status": "BLOCKED"}]}, id="customer blocked"),
        pytest.param({"check_earned_promotion_owner": True}, id="owner checked"),
    ],
)
async def test_a_repeat_is_a_repeat_whatever_the_catalog_says_by_now(
    desk: Desk, later: dict[str, Any]
) -> None:
    stocked: dict[str, Any] = {"promotions": [promotion(codes=[CODE])]}
    earned: dict[str, Any] = {"earned_promotions": [EARNED]}
    await desk.apply(organization(credentials=[], **stocked, **earned))
    sent = use(promo_code="SAVE10", earned_promotion_id="e1")
    first = await grant(desk, sent, transaction_identifier="t1")
    await desk.apply(organization(credentials=[], **{**stocked, **earned, **later}))
    assert (await replay(desk, sent, transaction_identifier="t1")).id == first.id


@on_one_engine
@pytest.mark.parametrize(
    ("first", "again"),
    [
        pytest.param({}, {"caller": Caller(ORG, "another", 12, "till-2")}, id="another till"),
        pytest.param({}, {"identifier_pair": ("ID", str(CUSTOMER))}, id="id as identifier"),
        pytest.param({}, {"identifier_pair": MOBILE}, id="id, then mobile"),
        pytest.param(
            {"identifier_pair": ("email", "one@example.com")},
            {"identifier_pair": ("EMAIL", "ONE@EXAMPLE.COM")},
            id="spelling of an e-mail address",
        ),
        pytest.param(
            {"identifier_pair": MOBILE},
            {"identifier_pair": ("Mobile", "+91 99999 88881")},
            id="spelling of a mobile",
        ),
        pytest.param(
            {"identifier_pair": MOBILE},
            {"identifier_pair": ("externalId", "E1")},
            id="another identifier",
        ),
        pytest.param({"customer_id": -1}, {"customer_id": -1}, id="anonymous"),
        pytest.param({}, {}, id="case of the code"),
    ],
)
async def test_content_is_what_a_request_means(
    desk: Desk, first: dict[str, Any], again: dict[str, Any]
) -> None:
    await stock(desk, promotion(codes=[CODE]))
    await grant(desk, use(promo_code="Save10"), transaction_identifier="t1", **first)
    await replay(desk, use(promo_code="sAVE10"), transaction_identifier="t1", **again)


@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_a_customer_matches_by_the_identifier_as_sent_or_by_the_customer_it_means(
    desk: Desk,
) -> None:
    await stock(desk, promotion())
    await grant(desk, use(), transaction_identifier="t1", identifier_pair=MOBILE)
    customers = [
        {"id": CUSTOMER, "mobile": "919999988889", "external_id": "E1"},
        {"id": OTHER_CUSTOMER, "mobile": "919999988881", "card_number": "C2"},
    ]
    await stock(desk, promotion(), customers=customers)
    for same in (MOBILE, ("id", str(CUSTOMER)), ("mobile", "9999988889"), ("externalId", "E1")):
        await replay(desk, use(), transaction_identifier="t1", identifier_pair=same)
    for other in (("cardNumber", "C2"), ("email", "one@example.com"), ("id", "999")):
        [conflict] = await refuse(desk, use(), transaction_identifier="t1", identifier_pair=other)
        assert conflict.field == "customer_identifier_value"


async def test_a_mobile_nobody_has_any_longer_is_still_a_repeat(desk: Desk) -> None:
    await stock(desk, promotion())
    await grant(desk, use(), transaction_identifier="t1", identifier_pair=MOBILE)
    await stock(desk, promotion(), customers=[{"id": CUSTOMER, "mobile": "919999988889"}])
    await replay(desk, use(), transaction_identifier="t1", identifier_pair=MOBILE)


async def test_a_mobile_is_a_repeat_after_the_organisation_moved_to_another_region(
    desk: Desk,
) -> None:
    await stock(desk, promotion())
    await grant(desk, use(), transaction_identifier="t1", identifier_pair=MOBILE)
    await stock(desk, promotion(), region="US", customers=[])
    identifier = promotion_identifier(None, *MOBILE, "US")
    await replay(
        desk, use(), transaction_identifier="t1", identifier_pair=MOBILE, identifier=identifier
    )


@on_one_engine
@pytest.mark.provokes("PROMOTION_INACTIVE")
async def test_a_refused_request_may_succeed_later_under_the_same_identifier(desk: Desk) -> None:
    await stock(desk, promotion(active=False))
    assert reasons(await refuse(desk, use(), transaction_identifier="t1")) == ["PROMOTION_INACTIVE"]
    await stock(desk, promotion())
    await grant(desk, use(discount=5), transaction_identifier="t1")


async def test_a_transaction_identifier_belongs_to_its_organisation_and_its_spelling(
    desk: Desk,
) -> None:
    other = organization(id=OTHER_ORG, credentials=[], promotions=[promotion()])
    await desk.apply(organization(credentials=[], promotions=[promotion()]), other)
    await grant(desk, use(), transaction_identifier="t1")
    await grant(desk, use(discount=1), transaction_identifier="T1")
    theirs = Caller(OTHER_ORG, "key", None, "")
    await grant(desk, use(discount=2), transaction_identifier="t1", caller=theirs)


@on_one_engine
async def test_a_repeat_may_come_long_after_the_transaction(desk: Desk) -> None:
    await stock(desk, promotion())
    at = desk.clock.now
    first = await grant(desk, use(), transaction_identifier="t1", transaction_date=at)
    desk.clock.advance(timedelta(days=4_000))
    again = await replay(desk, use(), transaction_identifier="t1", transaction_date=at)
    assert again.recorded_at == first.recorded_at


@on_one_engine
@pytest.mark.provokes("TRANSACTION_CONFLICT")
async def test_a_conflict_does_not_spoil_the_recorded_answer(desk: Desk) -> None:
    await stock(desk, promotion())
    first = await grant(desk, use(), transaction_identifier="t1")
    violations = await refuse(desk, use(discount=1), transaction_identifier="t1")
    assert reasons(violations) == ["TRANSACTION_CONFLICT"]
    assert (await replay(desk, use(), transaction_identifier="t1")).id == first.id
