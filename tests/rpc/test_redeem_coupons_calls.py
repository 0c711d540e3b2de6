"""`RedeemCoupons` over real gRPC: repeats, conflicts and requests of a wrong shape."""

from typing import Any

import grpc
import pytest
from google.type.decimal_pb2 import Decimal
from redemption.v1 import coupon_redemption_pb2 as messages

from tests.rpc.coupon_calls import a_use, fields_of, redeem, refusal, rows
from tests.support import catalogs
from tests.support.service import FINAL, Service, error_info


@pytest.mark.provokes("CODE_NOT_FOUND")
async def test_a_repeat_is_the_recorded_answer_flagged(service: Service) -> None:
    uses = a_use(), a_use("UNKNOWN")
    first = await redeem(service, *uses, request_id="r1")
    before = rows(service)
    again = await redeem(service, *uses, request_id="r1")
    assert (first.replayed, again.replayed) == (False, True)
    assert list(first.results) == list(again.results)
    assert error_info(again.results[1].error).reason == "CODE_NOT_FOUND"
    assert rows(service) == before


async def test_a_repeat_may_be_spelled_differently(service: Service) -> None:
    def spelled(code: str = "COUPON1", amount: str = "100.5", mobile: str = "9999988881") -> Any:
        return a_use(
            code,
            customer=messages.CouponCustomer(mobile=mobile),
            transaction=messages.CouponTransaction(amount=Decimal(value=amount)),
        )

    await redeem(service, spelled(), request_id="r1")
    for again in (
        spelled(code="coupon1"),
        spelled(amount="100.50"),
        spelled(amount="1.005e2"),
        spelled(mobile="+919999988881"),
    ):
        assert (await redeem(service, again, request_id="r1")).replayed, again


@pytest.mark.provokes("REQUEST_CONFLICT")
async def test_other_content_under_the_same_request_id_is_a_conflict(service: Service) -> None:
    first = await redeem(service, a_use(), request_id="r1")
    other = messages.CouponCustomer(customer_id=catalogs.OTHER_CUSTOMER)
    amount = messages.CouponTransaction(amount=Decimal(value="1"))
    for uses, atomic in (
        ([a_use("COUPON2")], False),
        ([a_use(customer=other)], False),
        # The same customer by another identifier: coupon requests compare what was sent.
        ([a_use(customer=messages.CouponCustomer(mobile="919999988881"))], False),
        ([a_use(validation_code="v")], False),
        ([a_use(transaction=messages.CouponTransaction(number="2"))], False),
        ([a_use(transaction=amount)], False),
        ([a_use(custom_fields=[messages.CustomField(name="n", value="v")])], False),
        ([a_use(), a_use()], False),
        ([a_use()], True),
    ):
        status = await refusal(service, *uses, request_id="r1", atomic=atomic)
        assert status.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
        info = error_info(status)
        assert (info.reason, info.domain) == ("REQUEST_CONFLICT", "redemption.v1")
        assert dict(info.metadata) == {"request_id": "r1", **FINAL}
    assert (await redeem(service, a_use(), request_id="r1")).results == first.results


@pytest.mark.provokes("COUPON_REPEATED")
async def test_without_a_request_id_nothing_is_replayed(service: Service) -> None:
    await redeem(service, a_use())
    again = await redeem(service, a_use())
    assert not again.replayed
    assert error_info(again.results[0].error).reason == "COUPON_REPEATED"


async def test_a_request_id_is_printable_ascii(service: Service) -> None:
    for request_id in ("!", "~" * 255, "two words", '"{0f8a}"'):
        answered = await redeem(service, a_use(), request_id=request_id)
        assert [result.code for result in answered.results] == ["COUPON1"]


@pytest.mark.provokes("FIELD_INVALID")
async def test_any_other_request_id_is_refused(service: Service) -> None:
    for request_id in ("~" * 256, "é", "a\tb", "a\n", "a\x7f", "a\x00"):
        status = await refusal(service, a_use(), request_id=request_id)
        assert error_info(status).reason == "FIELD_INVALID"
        assert fields_of(status) == ["request_id"]


@pytest.mark.provokes("FIELD_INVALID", "COUPON_REPEATED")
async def test_a_request_holds_1_to_100_coupons(service: Service) -> None:
    for count in (0, 101):
        status = await refusal(service, *[a_use()] * count)
        assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert error_info(status).reason == "FIELD_INVALID"
        assert fields_of(status) == ["coupons"]
    results = (await redeem(service, *[a_use()] * 100)).results
    found = [result.WhichOneof("outcome") for result in results]
    assert found == ["redemption"] + ["error"] * 99
    assert {error_info(result.error).reason for result in results[1:]} == {"COUPON_REPEATED"}


@pytest.mark.provokes("FIELD_INVALID")
async def test_every_field_that_is_wrong_is_named(service: Service) -> None:
    long = "x" * 251
    customer = messages.CouponCustomer(
        mobile=long, email=long, external_id=long, card_number=long, card_external_id="a\x00"
    )
    transaction = messages.CouponTransaction(number=long, amount=Decimal(value=long))
    fields = [messages.CustomField(value=long), *[messages.CustomField(name="n")] * 50]
    wrong = a_use(
        long,
        customer=customer,
        transaction=transaction,
        validation_code=long,
        custom_fields=fields,
    )
    status = await refusal(service, a_use(), wrong, request_id="é")
    assert sorted(fields_of(status)) == [
        "coupons[1].code",
        "coupons[1].custom_fields",
        "coupons[1].custom_fields[0].name",
        "coupons[1].custom_fields[0].value",
        "coupons[1].customer.card_external_id",
        "coupons[1].customer.card_number",
        "coupons[1].customer.email",
        "coupons[1].customer.external_id",
        "coupons[1].customer.mobile",
        "coupons[1].transaction.amount",
        "coupons[1].transaction.number",
        "coupons[1].validation_code",
        "request_id",
    ]
