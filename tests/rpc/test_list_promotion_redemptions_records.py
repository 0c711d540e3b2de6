"""What a lookup shows of a record, and how the records of a code add up."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from redemption.v1 import catalog_service_pb2

from tests.rpc.promotion_calls import VOUCHER, failure, look_up, reason, redeem, request, use
from tests.support import catalogs
from tests.support.service import Service, run_service

CODES = [{"id": "c1", "code": "Alpha"}, {"id": "c2", "code": "Beta"}]
GIFT = catalogs.promotion("p2", mode="PAYMENT_VOUCHER", codes=[{"id": "c9", "code": "Gift"}])
OVER = catalogs.promotion(
    "p3", limits={"redemptions_total": 1}, over_limit="RECORD", codes=[{"id": "c4", "code": "Over"}]
)
EARNED = {"id": "e1", "promotion": "p1", "customer": catalogs.OTHER_CUSTOMER, "status": "UNLOCKED"}
QUANTITIES = {
    "discount_applied_on_quantity": {"value": "1.5"},
    "promotion_applied_on_quantity": {"value": "2"},
}


@pytest.fixture
async def service(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Promotions with codes: with a label, a voucher, and one that records over its limit."""
    own = catalogs.organization(
        promotions=[catalogs.promotion(message_label="", codes=CODES), GIFT, OVER],
        earned_promotions=[EARNED],
        products=[{"id": 77, "sku": "s1"}],
    )
    async with run_service(sqlite_url, catalogs.write(tmp_path, own)) as service:
        yield service


def shown(record: Any) -> dict[str, Any]:
    """The fields of a record that are set, without those that differ from run to run."""
    values: dict[str, Any] = MessageToDict(record, preserving_proto_field_name=True)
    del values["id"]
    return values


async def test_a_record_shows_what_was_sent_and_what_the_catalog_says(service: Service) -> None:
    line = use(sku="s1", promo_code="ALPHA", redemption_count=3, **QUANTITIES)
    cart = use(promo_code="alpha", discount={"value": "2.50"}, sku="ignored")
    await redeem(
        service, request(line_items=[line], redemptions=[cart], cart_evaluation_id="evaluation")
    )
    on_cart, on_line = map(shown, (await look_up(service, codes=["alpha"])).redemptions)
    line_entity = on_line.pop("transaction_entity_identifier")
    assert line_entity.removeprefix("REGULAR_l_").isdigit()
    both = {
        "org_id": "100",
        "promotion_id": "p1",
        "promo_code": "Alpha",
        "customer_id": "501",
        "redemption_date": "2023-11-14T22:13:20Z",
        "transaction_identifier": "t1",
        "transaction_number": "bill-1",
        "promotion_name": "Promotion p1",
        "promotion_message_label": "",
        "cart_evaluation_id": "evaluation",
        "redemption_till": "11",
    }
    assert on_cart == {
        **both,
        "transaction_entity_identifier": "REGULAR_b_t1",
        "discount": {"value": "2.5"},
        "redemption_count": "1",
        "amount": {"value": "100"},
        "redemption_type": "REDEMPTION_TYPE_CART",
    }
    assert on_line == {
        **both,
        "discount": {"value": "10"},
        "redemption_count": "3",
        "amount": {"value": "10"},
        "sku": "s1",
        "product_id": "77",
        "discount_applied_quantity": {"value": "1.5"},
        "promotion_applied_quantity": {"value": "2"},
        "redemption_type": "REDEMPTION_TYPE_LINEITEM",
    }


async def test_the_amount_of_a_line_is_the_one_sent_else_its_discount(service: Service) -> None:
    amounts = [use(promo_code="Alpha", amount=a) for a in ({"value": "7"}, {"value": "0"}, None)]
    await redeem(service, request(line_items=amounts))
    found = (await look_up(service, codes=["Alpha"])).redemptions
    assert [record.amount.value for record in found] == ["10", "0", "7"]


async def test_a_voucher_is_a_payment_on_cart_and_line(service: Service) -> None:
    gift = use(promotion_id="p2", promo_code="Gift", sku="s1")
    await redeem(service, request(line_items=[gift], redemptions=[gift]))
    on_cart, on_line = (await look_up(service, codes=["gift"], mode=VOUCHER)).redemptions
    assert {on_cart.redemption_type, on_line.redemption_type} == {3}
    assert (on_cart.sku, on_line.sku, on_line.product_id) == ("", "s1", 77)
    assert not on_cart.HasField("promotion_message_label")
    assert not on_cart.HasField("discount_applied_quantity")


async def test_a_record_is_flagged_when_over_the_limit_or_earned_by_another(
    service: Service,
) -> None:
    over = use(promotion_id="p3", promo_code="Over")
    earned = use(promo_code="Alpha", earned_promotion_id="e1")
    await redeem(service, request(redemptions=[over]))
    await redeem(service, request(redemptions=[over, earned], transaction_identifier="t2"))
    found = (await look_up(service, codes=["Over", "Alpha"])).redemptions
    assert [(r.over_limit, r.earned_by_other_customer, r.earned_promotion_id) for r in found] == [
        (False, True, "e1"),
        (True, False, ""),
        (False, False, ""),
    ]


async def test_summaries_add_up_every_record_of_a_code_in_request_order(service: Service) -> None:
    alpha = use(promo_code="Alpha", redemption_count=2, discount={"value": "0.1"})
    beta = use(promo_code="beta", redemption_count=1_000_000)
    await redeem(service, request(line_items=[alpha], redemptions=[alpha, beta]))
    await redeem(service, request(redemptions=[alpha], transaction_identifier="t2"))
    page = await look_up(service, codes=["BETA", "alpha", "Beta"], include_redemptions=False)
    assert (list(page.redemptions), list(page.missing_codes), page.next_page_token) == ([], [], "")
    promotion = {
        "org_id": "100",
        "promotion_id": "p1",
        "promotion_name": "Promotion p1",
        "mode": "PROMOTION_MODE_DISCOUNT",
    }
    assert [
        MessageToDict(summary, preserving_proto_field_name=True) for summary in page.code_summaries
    ] == [
        {
            "id": "c2",
            "promo_code": "Beta",
            "redemption_count": "1000000",
            "discount": {"value": "10"},
            **promotion,
        },
        {
            "id": "c1",
            "promo_code": "Alpha",
            "redemption_count": "6",
            "discount": {"value": "0.3"},
            **promotion,
        },
    ]


async def test_a_summary_is_exact_however_large(service: Service) -> None:
    largest = use(promo_code="Alpha", discount={"value": "9999999999.999999"})
    for transaction in ("t1", "t2", "t3"):
        message = request(redemptions=[largest] * 500, transaction_identifier=transaction)
        await redeem(service, message)
    [summary] = (await look_up(service, codes=["Alpha"], include_redemptions=False)).code_summaries
    assert summary.discount.value == "14999999999999.9985"


@pytest.mark.provokes("ORGANIZATION_NOT_ENABLED")
async def test_names_and_modes_are_the_present_ones(service: Service) -> None:
    await redeem(service, request(redemptions=[use(promo_code="Alpha")]))
    code = {"id": "c1", "code": "ALPHA2"}
    renamed = {"id": "p1", "name": "New", "mode": VOUCHER, "message_label": "L", "codes": [code]}
    organization = {"id": catalogs.ORG, "redemption_without_evaluation": True}
    await _apply(service, {**organization, "promotions": [renamed]})
    assert list((await look_up(service, codes=["Alpha"])).missing_codes) == ["Alpha"]
    [record] = (await look_up(service, codes=["alpha2"], mode=VOUCHER)).redemptions
    assert (record.promotion_name, record.promotion_message_label) == ("New", "L")
    assert (record.promo_code, record.redemption_type) == ("ALPHA2", 3)
    await _apply(service, {**organization, "redemption_without_evaluation": False})
    status = await failure(look_up(service, codes=["alpha2"], mode=VOUCHER))
    assert reason(status) == "ORGANIZATION_NOT_ENABLED"


async def _apply(service: Service, organization: dict[str, Any]) -> None:
    change = catalog_service_pb2.ApplyCatalogRequest(catalog={"organizations": [organization]})
    await service.catalog.ApplyCatalog(change, metadata=service.metadata)
