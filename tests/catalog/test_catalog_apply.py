"""Applying replaces what a catalog mentions, leaves all else, and never touches a record."""

from typing import Any

import pytest
from redemption_server.prepare import DEMO_CATALOG, apply_catalog_files
from redemption_server.rules.outcomes import Granted

from tests.catalog.full import PROMOTION, SERIES, bare, full
from tests.catalog.state import State, catalog, organization, records, refusal
from tests.rules.coupon_desk import apply_series, reasons, refused
from tests.support import catalogs
from tests.support.desk import Desk, coupon, use

AT = "catalog.organizations[0]"
LISTS = (
    "tills",
    "products",
    "customers",
    "promotions",
    "earned_promotions",
    "coupon_series",
)


def of(state: State, org_id: int) -> State:
    """The share of one organisation, without its id and the key that it was given."""
    found: State = {}
    for table, rows in state.items():
        id_column = "id" if table == "organization" else "org_id"
        dropped = (id_column, "page_token_key")
        ours = [row for row in rows if row.get(id_column) == org_id]
        found[table] = [{k: v for k, v in row.items() if k not in dropped} for row in ours]
    return found


def unmentioned(state: State) -> State:
    """What `bare` does not mention."""
    keys = {"coupon": "code_key", "organization": "absent"}
    mentioned = (None, "coupon1", catalogs.TILL, 1, catalogs.CUSTOMER, "p1", "c1", "e1")
    return {
        table: [row for row in rows if row.get(keys.get(table, "id")) not in mentioned]
        for table, rows in state.items()
    }


async def test_applying_twice_changes_nothing(desk: Desk) -> None:
    both = full(), bare(id=catalogs.OTHER_ORG)
    await desk.apply(*both)
    before = await catalog(desk)
    await desk.apply(*both)
    assert await catalog(desk) == before
    assert all(rows for table, rows in before.items() if not table.startswith("credential"))


async def test_a_mentioned_object_is_replaced_whole(desk: Desk) -> None:
    await desk.apply(bare(id=catalogs.OTHER_ORG))
    as_new = of(await catalog(desk), catalogs.OTHER_ORG)
    first_of_each: dict[str, Any] = {name: full()[name][:1] for name in LISTS}
    first_of_each["promotions"] = [{**PROMOTION, "codes": PROMOTION["codes"][:1]}]
    first_of_each["coupon_series"] = [{**SERIES, "coupons": SERIES["coupons"][:1]}]
    first_of_each["customers"] = full()["customers"]
    await desk.apply(full(**first_of_each))
    await desk.apply(bare())
    replaced = of(await catalog(desk), catalogs.ORG)
    # The second customer, to whom codes were linked, was not mentioned.
    assert replaced.pop("customer")[:1] == as_new.pop("customer")
    assert replaced == as_new


async def test_what_is_not_mentioned_stays(desk: Desk) -> None:
    await desk.apply(full(), full(id=catalogs.OTHER_ORG))
    before = await catalog(desk)
    await desk.apply(bare())
    after = await catalog(desk)
    assert of(after, catalogs.OTHER_ORG) == of(before, catalogs.OTHER_ORG)
    kept = unmentioned(of(before, catalogs.ORG))
    assert unmentioned(of(after, catalogs.ORG)) == kept
    assert [table for table, rows in kept.items() if not rows] == [
        "organization",
        "credential",
        "credential_organization",
    ]


async def test_a_mention_of_the_organisation_alone_keeps_all_that_belongs_to_it(desk: Desk) -> None:
    await desk.apply(full())
    before = await catalog(desk)
    await desk.apply({"id": catalogs.ORG})
    after = await catalog(desk)
    (settings,) = after.pop("organization")
    before.pop("organization")
    assert after == before
    del settings["page_token_key"]
    assert settings == {
        "id": catalogs.ORG,
        "name": "",
        "region": "",
        "time_zone": "UTC",
        "redemption_without_evaluation": False,
        "check_earned_promotion_owner": False,
        "rate_limit_per_minute": 1_000,
    }


async def test_unique_values_may_change_places(desk: Desk) -> None:
    one = organization(
        tills=[{"id": 11, "code": "a"}, {"id": 12, "code": "b"}],
        products=[{"id": 1, "sku": "a"}, {"id": 2, "sku": "b"}],
        customers=[{"id": 1, "email": "a@x.y"}, {"id": 2, "email": "b@x.y"}],
        promotions=[catalogs.promotion(codes=[{"id": "1", "code": "a"}, {"id": "2", "code": "b"}])],
    )
    other = organization(
        tills=[{"id": 11, "code": "b"}, {"id": 12, "code": "a"}],
        products=[{"id": 1, "sku": "b"}, {"id": 2, "sku": "a"}],
        customers=[{"id": 1, "email": "B@x.y"}, {"id": 2, "email": "A@x.y"}],
        promotions=[catalogs.promotion(codes=[{"id": "1", "code": "B"}, {"id": "2", "code": "A"}])],
    )
    await desk.apply(one)
    await desk.apply(other)
    assert await desk.rows("SELECT id FROM till ORDER BY code") == [(12,), (11,)]
    assert await desk.rows("SELECT id FROM product ORDER BY sku") == [(2,), (1,)]
    assert await desk.rows("SELECT id FROM customer ORDER BY email_key") == [(2,), (1,)]
    assert await desk.rows("SELECT id FROM promotion_code ORDER BY code_key") == [("2",), ("1",)]


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_value_that_another_object_holds_is_an_error(desk: Desk) -> None:
    await desk.apply(full())
    newcomers = {
        "id": catalogs.ORG,
        "tills": [{"id": 99, "code": "till-1"}],
        "products": [{"id": 99, "sku": "S1"}],
        "customers": [{"id": 99, "email": "ONE@example.com", "card_number": "C1"}],
        "promotions": [{"id": "p2", "codes": [{"id": "c99", "code": "code1"}]}],
    }
    assert await refusal(desk, newcomers) == {
        f"{AT}.tills[0].code": "'till-1' belongs to 11 already",
        f"{AT}.products[0].sku": "'S1' belongs to 1 already",
        f"{AT}.customers[0].email": "'one@example.com' belongs to 501 already",
        f"{AT}.customers[0].card_number": "'C1' belongs to 501 already",
        f"{AT}.promotions[0].codes[0].code": "'code1' belongs to c1 already",
    }


async def test_a_value_that_a_mentioned_object_gives_up_is_free(desk: Desk) -> None:
    await desk.apply(organization(customers=[{"id": 1, "mobile": "9999988881"}]))
    customers = [{"id": 1}, {"id": 2, "mobile": "9999988881"}]
    await desk.apply(organization(customers=customers))
    assert await desk.rows("SELECT id FROM customer WHERE mobile IS NOT NULL") == [(2,)]


@pytest.mark.provokes("FIELD_INVALID")
async def test_an_object_does_not_move_below_another(desk: Desk) -> None:
    await desk.apply(full())
    moved = {
        "id": catalogs.ORG,
        "promotions": [{"id": "p2", "codes": [{"id": "c1", "code": "CODE1"}]}],
        "earned_promotions": [{"id": "e1", "promotion": "p2", "customer": 501}],
        "coupon_series": [catalogs.series(2, coupons=[{"code": "coupon1"}])],
    }
    assert list(await refusal(desk, moved)) == [
        f"{AT}.promotions[0].codes[0].id",
        f"{AT}.earned_promotions[0].id",
        f"{AT}.coupon_series[0].coupons[0].code",
    ]


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_till_that_the_same_catalog_renames_is_a_dangling_reference(desk: Desk) -> None:
    await desk.apply(organization())
    renamed = [{"id": catalogs.TILL, "code": "renamed"}]
    series = [catalogs.series(tills=["till-1"])]
    violations = await refusal(desk, organization(tills=renamed, coupon_series=series))
    assert list(violations) == [f"{AT}.coupon_series[0].tills[0]"]


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_till_that_others_name_cannot_be_renamed(desk: Desk) -> None:
    await desk.apply(organization(coupon_series=[catalogs.series(tills=["till-1"])]))
    alone = {"id": catalogs.ORG, "tills": [{"id": catalogs.TILL, "code": "renamed"}]}
    violations = await refusal(desk, alone)
    assert list(violations) == [f"{AT}.tills"]
    assert await desk.rows("SELECT code FROM till WHERE id = 11") == [("till-1",)]


@pytest.mark.provokes("EARNED_PROMOTION_REDEEMED", "COUPON_REPEATED")
async def test_applying_never_touches_usage_and_records(desk: Desk) -> None:
    limits = {"redemptions_total": 9, "redemptions_per_customer": 9, "discount_total": "900"}
    before = organization(
        promotions=[catalogs.promotion(limits=limits)],
        earned_promotions=[{"id": "e1", "promotion": "p1", "customer": 501, "status": "UNLOCKED"}],
        coupon_series=[catalogs.series(max_redemptions=9)],
    )
    await desk.apply(before)
    assert isinstance(await desk.redeem(use(earned_promotion_id="e1")), Granted)
    assert isinstance(await desk.redeem_coupons(coupon()), Granted)
    recorded = await records(desk)
    await desk.apply(before)
    assert await records(desk) == recorded
    fewer = {"redemptions_total": 1, "redemptions_per_customer": 2, "discount_total": "1"}
    changed = {**before, "promotions": [catalogs.promotion(name="New", limits=fewer)]}
    await desk.apply({**changed, "coupon_series": [catalogs.series(max_redemptions=1)]})
    assert await records(desk) == recorded
    await desk.apply(before)
    outcome = await desk.redeem(use(earned_promotion_id="e1"), transaction_identifier="t2")
    assert getattr(outcome, "reason", None) == "EARNED_PROMOTION_REDEEMED"
    assert await refused(desk, coupon()) == ["COUPON_REPEATED"]


@pytest.mark.provokes("COUPON_REVOKED")
async def test_a_change_acts_on_the_next_request(desk: Desk) -> None:
    await apply_series(desk, {"coupons": [{"code": "COUPON1", "revoked": True}]})
    assert await refused(desk, coupon()) == ["COUPON_REVOKED"]
    await apply_series(desk, {})
    assert reasons(await desk.redeem_coupons(coupon())) == ["GRANTED"]


async def test_the_demo_catalog_applies_twice_without_change(desk: Desk) -> None:
    applied = await apply_catalog_files(desk.database, [DEMO_CATALOG])
    before = await catalog(desk)
    assert await apply_catalog_files(desk.database, [DEMO_CATALOG]) == applied
    assert await catalog(desk) == before
    assert applied == sum(len(rows) for name, rows in before.items() if name != "credential")
