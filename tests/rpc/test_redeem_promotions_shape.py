"""Step 1: the shape of a request; every violation is answered at once, before anything else."""

import sqlite3
from contextlib import closing
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from redemption.v1 import catalog_service_pb2

from tests.rpc.promotion_calls import Request, failure, fields, reason, redeem, request, use
from tests.support import catalogs
from tests.support.service import FINAL, Service, detail, error_info

MAX, LONG = "x" * 250, "x" * 251
DECIMALS = ("discount", "discount_applied_on_quantity", "promotion_applied_on_quantity", "amount")


def recorded_rows(service: Service) -> int:
    """How many rows redemptions have left."""
    with closing(sqlite3.connect(service.database_file)) as database:
        tables = ("promotion_transaction", "promotion_redemption", "claim", "usage", "event")
        counts = [database.execute(f"SELECT count(*) FROM {table}") for table in tables]
        return sum(cursor.fetchone()[0] for cursor in counts)


async def invalid(service: Service, message: Any) -> list[str]:
    """The fields that a request is refused for; it must leave no trace."""
    status = await failure(redeem(service, message))
    assert (status.code, reason(status)) == (3, "FIELD_INVALID"), status
    found = fields(status)
    assert error_info(status).domain == "redemption.v1"
    assert error_info(status).metadata == {"field": found[0], **FINAL}
    assert status.message.startswith(found[0])
    return found


async def each_invalid(service: Service, cases: dict[str, Any], field: str) -> None:
    """Each of the requests is refused for this field alone."""
    found = {name: await invalid(service, message) for name, message in cases.items()}
    assert found == {name: [field] for name in cases}
    assert recorded_rows(service) == 0


@pytest.mark.provokes("USES_REQUIRED", "CUSTOMER_REQUIRED", "FIELD_INVALID")
async def test_an_empty_request_is_told_everything_that_it_lacks(service: Service) -> None:
    status = await failure(redeem(service, Request()))
    assert (status.code, reason(status)) == (
        grpc.StatusCode.INVALID_ARGUMENT.value[0],
        "USES_REQUIRED",
    )
    violations = detail(status, error_details_pb2.BadRequest).field_violations
    found = [(violation.reason, violation.field) for violation in violations]
    assert found[:2] == [("USES_REQUIRED", "line_items"), ("CUSTOMER_REQUIRED", "customer_id")]
    assert sorted(found[2:]) == [
        ("FIELD_INVALID", "amount"),
        ("FIELD_INVALID", "transaction_date"),
        ("FIELD_INVALID", "transaction_identifier"),
        ("FIELD_INVALID", "transaction_number"),
    ]
    assert recorded_rows(service) == 0


@pytest.mark.provokes("CUSTOMER_REQUIRED", "FIELD_INVALID")
async def test_a_missing_customer_is_the_reason_before_an_invalid_field(service: Service) -> None:
    for half in ({}, {"customer_identifier_type": "email"}, {"customer_identifier_value": "a@b"}):
        message = request(customer_id=None, transaction_number="", **half)
        status = await failure(redeem(service, message))
        assert reason(status) == "CUSTOMER_REQUIRED"
        assert fields(status) == ["customer_id", "transaction_number"]
    assert recorded_rows(service) == 0


@pytest.mark.provokes("FIELD_INVALID")
async def test_every_required_field_of_a_use_is_required(service: Service) -> None:
    empty = request(line_items=[use()], redemptions=[{}])
    assert sorted(await invalid(service, empty)) == [
        "redemptions[0].discount",
        "redemptions[0].discount_applied_on_quantity",
        "redemptions[0].promotion_applied_on_quantity",
        "redemptions[0].promotion_id",
        "redemptions[0].redemption_count",
    ]
    assert recorded_rows(service) == 0


@pytest.mark.provokes("FIELD_INVALID")
async def test_texts_are_at_most_250_characters_and_without_nul(service: Service) -> None:
    own = ("transaction_identifier", "transaction_number", "cart_evaluation_id")
    of_use = ("sku", "promotion_id", "earned_promotion_id", "promo_code")
    for bad in (LONG, "é" * 251, "a\0b"):
        cases = {name: request(**{name: bad}) for name in own}
        pair = {"customer_identifier_type": "email", "customer_identifier_value": bad}
        cases["customer_identifier_value"] = request(customer_id=None, **pair)
        for name in of_use:
            cases[f"line_items[1].{name}"] = request(line_items=[use(), use(**{name: bad})])
            cases[f"redemptions[0].{name}"] = request(redemptions=[use(**{name: bad})])
        assert {name: await invalid(service, cases[name]) for name in cases} == {
            name: [name] for name in cases
        }
    assert recorded_rows(service) == 0


async def test_texts_of_250_characters_are_fine(service: Service) -> None:
    message = request(
        transaction_identifier=MAX,
        transaction_number=MAX,
        cart_evaluation_id="😀" * 250,
        customer_identifier_type="email",
        customer_identifier_value=MAX,
        redemptions=[use(sku="é" * 250)],
    )
    answer = await redeem(service, message)
    assert answer.transaction_identifier == answer.customer_identifier_value == MAX
    assert answer.cart_evaluation_id == "😀" * 250
    assert answer.redemptions[0].sku == "é" * 250


@pytest.mark.provokes("FIELD_INVALID", "CUSTOMER_NOT_FOUND")
async def test_a_customer_id_is_positive_or_anonymous(service: Service) -> None:
    cases = {str(id_): request(customer_id=id_) for id_ in (0, -2, -(2**63))}
    await each_invalid(service, cases, "customer_id")
    status = await failure(redeem(service, request(customer_id=2**63 - 1)))
    assert reason(status) == "CUSTOMER_NOT_FOUND"
    assert fields(status) == ["customer_id"]
    assert (await redeem(service, request(customer_id=-1))).customer_id == -1


@pytest.mark.provokes("FIELD_INVALID")
async def test_an_unknown_type_of_identifier_is_a_shape_error(service: Service) -> None:
    cases = {
        kind: request(
            customer_id=None, customer_identifier_type=kind, customer_identifier_value="1"
        )
        for kind in ("phone", "external_id", " id", "mobile ", "idd")
    }
    await each_invalid(service, cases, "customer_identifier_type")


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_request_has_at_most_500_lines_in_both_lists_together(service: Service) -> None:
    cases = {
        "one list": request(redemptions=[use()] * 501),
        "both lists": request(line_items=[use()] * 251, redemptions=[use()] * 250),
    }
    await each_invalid(service, cases, "line_items")
    answer = await redeem(service, request(line_items=[use()] * 250, redemptions=[use()] * 250))
    assert (len(answer.line_items), len(answer.redemptions)) == (250, 250)


@pytest.mark.provokes("FIELD_INVALID")
async def test_a_count_is_1_to_1_000_000(service: Service) -> None:
    counts = (0, -1, 1_000_001, 2**63 - 1, -(2**63))
    cases = {str(n): request(redemptions=[use(redemption_count=n)]) for n in counts}
    await each_invalid(service, cases, "redemptions[0].redemption_count")
    ends = [use(redemption_count=n) for n in (1, 1_000_000)]
    answer = await redeem(service, request(redemptions=ends))
    assert [line.redemption_count for line in answer.redemptions] == [1, 1_000_000]


@pytest.mark.provokes("FIELD_INVALID")
async def test_decimals_are_in_range_and_exact(service: Service) -> None:
    bad = ("", "-1", "-0.000001", "0.0000001", "10000000000", "1e10", "NaN", "1,5", " 1", "0x1")
    values = {text: {"value": text} for text in bad}
    for name in DECIMALS:
        lines = {text: request(line_items=[use(**{name: value})]) for text, value in values.items()}
        await each_invalid(service, lines, f"line_items[0].{name}")
    whole = {text: request(amount=value) for text, value in values.items()}
    await each_invalid(service, whole, "amount")


async def test_decimals_come_back_in_their_shortest_form(service: Service) -> None:
    spellings = {
        "0": "0",
        "-0.0": "0",
        "500.000000": "500",
        "00.50": "0.5",
        "1e3": "1000",
        "+.000001": "0.000001",
        "9999999999.999999": "9999999999.999999",
    }
    uses = [use(discount={"value": text}, amount={"value": text}) for text in spellings]
    answer = await redeem(service, request(amount={"value": "1E2"}, line_items=uses))
    assert answer.amount.value == "100"
    assert [line.discount.value for line in answer.line_items] == list(spellings.values())
    assert [line.amount.value for line in answer.line_items] == list(spellings.values())


async def test_an_amount_that_was_not_sent_does_not_come_back(service: Service) -> None:
    uses = [use(), use(amount={"value": "0"})]
    answer = await redeem(service, request(redemptions=uses))
    assert [line.HasField("amount") for line in answer.redemptions] == [False, True]


@pytest.mark.provokes("FIELD_INVALID")
async def test_more_violations_than_fit_are_counted(service: Service) -> None:
    status = await failure(redeem(service, request(redemptions=[{}] * 500)))
    violations = detail(status, error_details_pb2.BadRequest).field_violations
    assert len(violations) <= 51
    assert violations[-1].description == f"and {2500 - len(violations) + 1} more"
    assert status.ByteSize() < 4096


@pytest.mark.provokes("FIELD_INVALID", "ORGANIZATION_NOT_ENABLED")
async def test_the_shape_comes_before_the_organisation_and_before_a_repeat(
    service: Service,
) -> None:
    await redeem(service, request())
    rows = recorded_rows(service)
    assert await invalid(service, request(amount=None)) == ["amount"]
    closed = {"id": catalogs.ORG, "redemption_without_evaluation": False}
    change = catalog_service_pb2.ApplyCatalogRequest(catalog={"organizations": [closed]})
    await service.catalog.ApplyCatalog(change, metadata=service.metadata)
    assert await invalid(service, request(amount=None)) == ["amount"]
    assert reason(await failure(redeem(service, request()))) == "ORGANIZATION_NOT_ENABLED"
    assert recorded_rows(service) == rows
