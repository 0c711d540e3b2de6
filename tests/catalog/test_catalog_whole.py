"""A catalog is applied whole or not at all; all that is wrong with it is said at once."""

from pathlib import Path

import pytest
from redemption.v1 import catalog_pb2
from redemption_server.catalog.check import check_catalog
from redemption_server.prepare import StartError, apply_catalog_files

from tests.catalog.state import organization, refusal
from tests.support import catalogs
from tests.support.desk import Desk

AT = "catalog.organizations[0]"


@pytest.mark.provokes("FIELD_INVALID")
async def test_every_id_and_identifier_that_stands_twice_is_named(one_desk: Desk) -> None:
    tills = [{"id": 1, "code": "a"}, {"id": 1, "code": "b"}, {"id": 2, "code": "a"}]
    products = [{"id": 1, "sku": "a"}, {"id": 1, "sku": "b"}, {"id": 2, "sku": "a"}]
    identifiers = {"external_id": "E", "card_number": "C", "card_external_id": "X"}
    customers = [
        {"id": 501, "mobile": "9999988881", "email": "a@b.c", **identifiers},
        {"id": 501},
        {"id": 502, "mobile": "+919999988881", "email": "A@B.C", **identifiers},
    ]
    earned = {"id": "e", "promotion": "p1", "customer": 501}
    violations = await refusal(
        one_desk,
        organization(
            tills=tills,
            products=products,
            customers=customers,
            promotions=[catalogs.promotion(), catalogs.promotion()],
            earned_promotions=[earned, earned],
            coupon_series=[catalogs.series(), catalogs.series(coupons=[])],
            credentials=[catalogs.CREDENTIAL, catalogs.CREDENTIAL],
        ),
        {"id": catalogs.ORG},
    )
    assert set(violations) == {
        "catalog.organizations[1].id",
        f"{AT}.tills[1].id",
        f"{AT}.tills[2].code",
        f"{AT}.products[1].id",
        f"{AT}.products[2].sku",
        f"{AT}.customers[1].id",
        *(f"{AT}.customers[2].{name}" for name in ("mobile", "email", *identifiers)),
        f"{AT}.promotions[1].id",
        f"{AT}.earned_promotions[1].id",
        f"{AT}.coupon_series[1].id",
        f"{AT}.credentials[1].key",
    }
    assert "501" in violations[f"{AT}.customers[1].id"]


@pytest.mark.provokes("FIELD_INVALID")
async def test_no_error_shows_a_secret(one_desk: Desk) -> None:
    keys = [
        {"key": "a", "secret": "hunter2" * 40},
        {"key": "b", "secret": "hunter2", "secret_hash": "hunter2"},
    ]
    violations = await refusal(one_desk, organization(credentials=keys))
    assert len(violations) == 3
    assert "hunter2" not in str(violations)


async def test_an_error_names_the_file(one_desk: Desk, tmp_path: Path) -> None:
    right = catalogs.write(tmp_path, organization())
    (tmp_path / "wrong").mkdir()
    wrong_file = catalogs.write(tmp_path / "wrong", organization(time_zone="Mars", region="??"))
    with pytest.raises(StartError) as caught:
        await apply_catalog_files(one_desk.database, [right, wrong_file])
    assert str(caught.value).splitlines() == [
        f"{wrong_file}: organizations[0].region is no ISO 3166 region: '??'",
        f"{wrong_file}: organizations[0].time_zone is no IANA time zone: 'Mars'",
    ]


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_catalog_of_several_organisations_is_applied_whole_or_not_at_all(
    one_desk: Desk,
) -> None:
    dangling = [{"id": "e", "promotion": "p9", "customer": 501}]
    violations = await refusal(
        one_desk, organization(), organization(id=catalogs.OTHER_ORG, earned_promotions=dangling)
    )
    assert list(violations) == ["catalog.organizations[1].earned_promotions[0].promotion"]


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_catalog_of_nothing_is_an_error(one_desk: Desk) -> None:
    assert list(await refusal(one_desk)) == ["catalog.organizations"]


def test_a_catalog_holds_at_most_50000_objects() -> None:
    catalog = catalog_pb2.Catalog()
    whole = catalog.organizations.add(id=1)
    promotion = whole.promotions.add(id="p1")
    series = whole.coupon_series.add(id=1, discount_type=1)
    series.discount_value.value = "1"
    for number in range(24_998):
        promotion.codes.add(id=f"c{number}", code=f"C{number}")
        series.coupons.add(code=f"C{number}")
    whole.tills.add(id=1, code="till")
    assert check_catalog(catalog) == []
    whole.customers.add(id=1)
    (violation,) = check_catalog(catalog)
    assert violation.field == "catalog"
    assert "50000" in violation.description
    assert "50001" in violation.description
