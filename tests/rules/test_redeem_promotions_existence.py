"""Step 4: everything that a request names must exist, in the caller's own organisation."""

import pytest

from tests.rules.promotion_desk import grant, on_one_engine, reasons, refuse, refuse_once, stock
from tests.support.catalogs import CUSTOMER, ORG, OTHER_ORG, organization, promotion
from tests.support.desk import Desk, use

CUSTOMERS = [
    {
        "id": CUSTOMER,
        "mobile": "919999988881",
        "email": "One@example.com",
        "external_id": "E1",
        "card_number": "C1",
        "card_external_id": "X1",
    }
]


async def test_a_customer_is_found_by_each_identifier(desk: Desk) -> None:
    await stock(desk, promotion(), customers=CUSTOMERS)
    pairs = [
        ("id", "501"),
        ("ID", "0501"),
        ("mobile", "9999988881"),
        ("MOBILE", "+91 99999-88881"),
        ("email", "one@EXAMPLE.com"),
        ("externalId", "E1"),
        ("externalid", "E1"),
        ("cardNumber", "C1"),
        ("CARDEXTERNALID", "X1"),
    ]
    granted = [await grant(desk, use(), identifier_pair=pair) for pair in pairs]
    assert {record.customer_id for record in granted} == {CUSTOMER}
    requests = [record.request for record in granted]
    echoed = [(r.customer_identifier_type, r.customer_identifier_value) for r in requests]
    assert echoed == pairs


@pytest.mark.provokes("CUSTOMER_NOT_FOUND")
async def test_an_unknown_customer_is_refused(desk: Desk) -> None:
    await stock(desk, promotion(), customers=CUSTOMERS)
    unknown = [
        ("id", "999"),
        ("id", "one"),
        ("mobile", "9999988880"),
        ("mobile", "no number"),
        ("email", "two@example.com"),
        ("externalId", "e1"),
        ("cardNumber", "X1"),
        ("cardExternalId", "C1"),
    ]
    for pair in unknown:
        violation = await refuse_once(desk, use(), identifier_pair=pair)
        assert violation.reason == "CUSTOMER_NOT_FOUND", pair
        assert violation.field == "customer_identifier_value"
    violation = await refuse_once(desk, use(), customer_id=999)
    assert (violation.reason, violation.field) == ("CUSTOMER_NOT_FOUND", "customer_id")


@on_one_engine
async def test_the_customer_id_wins_over_the_identifier_pair(desk: Desk) -> None:
    await stock(desk, promotion())
    for pair in (("email", "nobody@example.com"), ("cardNumber", "C2")):
        granted = await grant(desk, use(), customer_id=CUSTOMER, identifier_pair=pair)
        assert granted.customer_id == CUSTOMER
        assert granted.request.customer_identifier_value == pair[1]


@on_one_engine
async def test_the_anonymous_customer_needs_no_record(desk: Desk) -> None:
    await stock(desk, promotion(), customers=[])
    assert (await grant(desk, use(), customer_id=-1)).customer_id == -1


@on_one_engine
@pytest.mark.provokes("PROMOTION_NOT_FOUND")
async def test_unknown_promotions_are_named_together_in_request_order(desk: Desk) -> None:
    await stock(desk, promotion())
    violation = await refuse_once(desk, use("p3"), use(), line_items=(use("p2"), use("P1")))
    assert violation.reason == "PROMOTION_NOT_FOUND"
    assert violation.description == f"Promotion with ids : p2, P1, p3 not found for org : {ORG} ."
    assert violation.metadata == {"promotion_ids": "p2, P1, p3", "org_id": str(ORG)}


@on_one_engine
@pytest.mark.provokes("CODE_NOT_FOUND", "EARNED_PROMOTION_NOT_FOUND")
@pytest.mark.parametrize(
    ("names", "reason"),
    [
        pytest.param({"promo_code": "C"}, "CODE_NOT_FOUND", id="no such code"),
        pytest.param({"promo_code": "B"}, "CODE_NOT_FOUND", id="code of another promotion"),
        pytest.param({"promo_code": " "}, "CODE_NOT_FOUND", id="blank code"),
        pytest.param(
            {"earned_promotion_id": "e3"}, "EARNED_PROMOTION_NOT_FOUND", id="no such right"
        ),
        pytest.param(
            {"earned_promotion_id": "e2"},
            "EARNED_PROMOTION_NOT_FOUND",
            id="right to another promotion",
        ),
    ],
)
async def test_a_code_or_right_must_be_of_the_promotion(
    desk: Desk, names: dict[str, str], reason: str
) -> None:
    earned = {"id": "e2", "promotion": "p2", "customer": CUSTOMER, "status": "UNLOCKED"}
    await stock(
        desk,
        promotion(codes=[{"id": "c1", "code": "A"}]),
        promotion("p2", codes=[{"id": "c2", "code": "B"}]),
        earned_promotions=[earned],
    )
    violation = await refuse_once(desk, line_items=(use(), use(**names)))
    [(field, value)] = names.items()
    assert (violation.reason, violation.field) == (reason, f"line_items[1].{field}")
    assert value in violation.metadata.values()


@pytest.mark.provokes(
    "CUSTOMER_NOT_FOUND", "PROMOTION_NOT_FOUND", "CODE_NOT_FOUND", "EARNED_PROMOTION_NOT_FOUND"
)
async def test_everything_missing_is_answered_at_once(desk: Desk) -> None:
    await stock(desk, promotion())
    violations = await refuse(
        desk,
        use(earned_promotion_id="e9"),
        use("p9"),
        line_items=(use("p8"), use(promo_code="X"), use(promo_code="Y")),
        customer_id=999,
    )
    assert reasons(violations) == [
        "CUSTOMER_NOT_FOUND",
        "PROMOTION_NOT_FOUND",
        "CODE_NOT_FOUND",
        "CODE_NOT_FOUND",
        "EARNED_PROMOTION_NOT_FOUND",
    ]


@pytest.mark.provokes(
    "CUSTOMER_NOT_FOUND", "PROMOTION_NOT_FOUND", "CODE_NOT_FOUND", "EARNED_PROMOTION_NOT_FOUND"
)
async def test_what_another_organisation_has_does_not_exist(desk: Desk) -> None:
    theirs = organization(
        id=OTHER_ORG,
        credentials=[],
        customers=[{"id": 700, "mobile": "919999988887"}],
        promotions=[promotion(codes=[{"id": "c1", "code": "A"}]), promotion("p2")],
        earned_promotions=[
            {"id": "e1", "promotion": "p1", "customer": 700, "status": "UNLOCKED"},
        ],
    )
    await desk.apply(organization(credentials=[], promotions=[promotion()]), theirs)
    for uses, customer_id, reason in (
        ([use()], 700, "CUSTOMER_NOT_FOUND"),
        ([use("p2")], CUSTOMER, "PROMOTION_NOT_FOUND"),
        ([use(promo_code="A")], CUSTOMER, "CODE_NOT_FOUND"),
        ([use(earned_promotion_id="e1")], CUSTOMER, "EARNED_PROMOTION_NOT_FOUND"),
    ):
        assert (await refuse_once(desk, *uses, customer_id=customer_id)).reason == reason
