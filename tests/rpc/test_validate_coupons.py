"""`ValidateCoupons` and `validate_only` over real gRPC: all that is in the way, and no trace."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.type.decimal_pb2 import Decimal
from redemption.v1 import coupon_redemption_pb2 as messages
from redemption.v1 import coupon_redemption_service_pb2 as service_messages
from redemption_server.access import gate

from tests.rpc import promotion_calls
from tests.rpc.coupon_calls import ME, a_use, fields_of, redeem, rows
from tests.support import catalogs
from tests.support.clock import FakeClock
from tests.support.service import FINAL, Service, basic, error_info, run_service, status_of

# The clock stands at 2026-03-04T05:06:07.008Z, a Wednesday.
PAST, FUTURE = "2026-03-04T05:06:07.008Z", "2026-03-05T00:00:00Z"
OTHER = messages.CouponCustomer(customer_id=catalogs.OTHER_CUSTOMER)
CLERK = {"key": "clerk", "secret": "clerk", "till": "till-1", "access": {"default": True}}
WRITER = {"key": "writer", "secret": "writer", "access": {"customer": "write", "default": False}}
RULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "REVOKED": ({}, {"revoked": True}),
    "OVER": ({"valid_until": PAST}, {}),
    "STALE": ({}, {"valid_until": PAST}),
    "SOON": ({"valid_from": FUTURE}, {}),
    "EARLY": ({"redeemable_after_days": 1}, {"issued_at": "2026-03-04T00:00:00Z"}),
    "SUNDAYS": ({"redeemable_days_of_week": ["SUN"]}, {}),
    "THEIRS": ({"any_user": False}, {"customer": catalogs.OTHER_CUSTOMER}),
    "TILL2": ({"tills": ["till-2"]}, {}),
    "BILL": ({"transaction_number_required": True}, {}),
    "PIN": ({"validation_required": True}, {"validation_code": "right"}),
    "RICH": ({"min_amount": "10.5", "max_amount": "20"}, {}),
    "EVERYTHING": (
        {
            "valid_from": "2026-01-01T00:00:00Z",
            "valid_until": PAST,
            "redeemable_after_days": 1,
            "redeemable_days_of_week": ["SUN"],
            "redeemable_days_of_month": [1],
            "redeemable_hours": [1],
            "any_user": False,
            "tills": ["till-2"],
            "transaction_number_required": True,
            "validation_required": True,
            "min_amount": "10",
        },
        {"revoked": True, "valid_until": PAST, "issued_at": "2026-03-04T00:00:00Z"},
    ),
}


def paid(amount: str) -> messages.CouponTransaction:
    return messages.CouponTransaction(amount=Decimal(value=amount))


REASONS: list[tuple[Any, str, dict[str, str]]] = [
    (a_use("COUPON1", transaction=paid("ten")), "AMOUNT_INVALID", {}),
    (a_use("COUPON1", customer=messages.CouponCustomer()), "CUSTOMER_REQUIRED", {}),
    (a_use("Gone"), "CODE_NOT_FOUND", {"code": "Gone"}),
    (a_use("REVOKED"), "COUPON_REVOKED", {}),
    (a_use("OVER"), "SERIES_EXPIRED", {"valid_until": "2026-03-04T05:06:07.008000+00:00"}),
    (a_use("STALE"), "COUPON_EXPIRED", {"valid_until": "2026-03-04T05:06:07.008000+00:00"}),
    (a_use("SOON"), "SERIES_NOT_STARTED", {"valid_from": "2026-03-05T00:00:00+00:00"}),
    (a_use("EARLY"), "COUPON_TOO_EARLY", {"redeemable_from": "2026-03-05"}),
    (a_use("SUNDAYS"), "TIME_NOT_ALLOWED", {"unit": "day of the week"}),
    (a_use("THEIRS"), "COUPON_NOT_OWNED", {}),
    (a_use("TILL2"), "TILL_NOT_ALLOWED", {}),
    (a_use("BILL"), "TRANSACTION_NUMBER_REQUIRED", {}),
    (a_use("PIN"), "VALIDATION_CODE_REQUIRED", {}),
    (a_use("PIN", validation_code="wrong"), "VALIDATION_CODE_WRONG", {}),
    (
        a_use("RICH", transaction=paid("20.01")),
        "AMOUNT_OUT_OF_RANGE",
        {"min_amount": "10.5", "max_amount": "20"},
    ),
]
LIMITED = {
    "max_redemptions": 2,
    "max_redemptions_per_coupon": 1,
    "max_redemptions_per_customer": 1,
    "min_days_between_redemptions": 1,
    "coupons": [{"code": "L1"}, {"code": "L2"}],
}


@pytest.fixture
async def service(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    series = [catalogs.series(1), catalogs.series(2, **LIMITED)]
    for number, (code, (rules, coupon)) in enumerate(RULES.items(), 3):
        series.append(catalogs.series(number, **rules, coupons=[{"code": code, **coupon}]))
    promotion = catalogs.promotion(limits={"redemptions_total": 1})
    file = catalogs.write(
        tmp_path,
        catalogs.organization(
            coupon_series=series,
            promotions=[promotion],
            credentials=[catalogs.CREDENTIAL, CLERK, WRITER],
        ),
    )
    async with run_service(sqlite_url, file, clock=FakeClock()) as service:
        yield service


async def validate(
    service: Service, *uses: messages.CouponUse, metadata: Any = None, **fields: Any
) -> Any:
    """The validations of these uses; nothing is recorded."""
    before = rows(service)
    request = service_messages.ValidateCouponsRequest(coupons=uses, **fields)
    response = await service.coupons.ValidateCoupons(request, metadata=metadata or service.metadata)
    assert rows(service) == before
    for validation in response.validations:
        # What stands first is what redeeming would answer.
        assert list(validation.errors[:1]) == (
            [validation.result.error] if validation.result.HasField("error") else []
        )
    return response.validations


async def try_to_redeem(service: Service, *uses: messages.CouponUse, **fields: Any) -> Any:
    """The answer to a request that is only validated; nothing is recorded."""
    before = rows(service)
    response = await redeem(service, *uses, validate_only=True, **fields)
    assert rows(service) == before
    return response


def errors_of(validation: Any) -> list[tuple[str, dict[str, str]]]:
    """Each reason with its own variables."""
    infos = [error_info(error) for error in validation.errors]
    assert all(FINAL.items() <= dict(info.metadata).items() for info in infos)
    return [
        (info.reason, {k: v for k, v in info.metadata.items() if k not in FINAL}) for info in infos
    ]


def without_ids(response: Any) -> Any:
    """An answer of `RedeemCoupons` without the ids of what it recorded."""
    copy = type(response).FromString(response.SerializeToString())
    for result in copy.results:
        if result.HasField("redemption"):
            result.redemption.redemption_id = 0
    return copy


@pytest.mark.provokes(
    "AMOUNT_INVALID",
    "CUSTOMER_REQUIRED",
    "CODE_NOT_FOUND",
    "COUPON_REVOKED",
    "SERIES_EXPIRED",
    "COUPON_EXPIRED",
    "SERIES_NOT_STARTED",
    "COUPON_TOO_EARLY",
    "TIME_NOT_ALLOWED",
    "COUPON_NOT_OWNED",
    "TILL_NOT_ALLOWED",
    "TRANSACTION_NUMBER_REQUIRED",
    "VALIDATION_CODE_REQUIRED",
    "VALIDATION_CODE_WRONG",
    "AMOUNT_OUT_OF_RANGE",
)
async def test_what_stands_in_the_way_comes_with_its_variables(service: Service) -> None:
    for use, reason, variables in REASONS:
        (validation,) = await validate(service, use)
        assert errors_of(validation) == [(reason, variables)]


async def test_what_can_be_redeemed_is_told_with_its_discount_and_no_id(service: Service) -> None:
    (validation,) = await validate(service, a_use())
    assert validation.result.redemption.discount_value.value == "50"
    assert (validation.result.redemption.redemption_id, list(validation.errors)) == (0, [])
    answered = await redeem(service, a_use())
    assert answered.results[0].redemption.redemption_id > 0
    assert list(without_ids(answered).results) == [validation.result]


async def test_all_that_stands_in_the_way_is_told_in_the_order_of_the_rows(
    service: Service,
) -> None:
    unknown = messages.CouponCustomer(customer_id=999)
    use = a_use("EVERYTHING", customer=unknown, transaction=paid("1"))
    (validation,) = await validate(service, use)
    assert [reason for reason, _ in errors_of(validation)] == [
        "CUSTOMER_NOT_FOUND",
        "COUPON_REVOKED",
        "SERIES_EXPIRED",
        "COUPON_EXPIRED",
        "COUPON_TOO_EARLY",
        "TIME_NOT_ALLOWED",
        "TIME_NOT_ALLOWED",
        "TIME_NOT_ALLOWED",
        "COUPON_NOT_OWNED",
        "TILL_NOT_ALLOWED",
        "TRANSACTION_NUMBER_REQUIRED",
        "VALIDATION_CODE_REQUIRED",
        "AMOUNT_OUT_OF_RANGE",
    ]
    units = [v["unit"] for reason, v in errors_of(validation) if reason == "TIME_NOT_ALLOWED"]
    assert units == ["day of the week", "day of the month", "hour"]


@pytest.mark.provokes("LIMIT_REACHED", "COUPON_REPEATED", "COUPON_TOO_SOON")
async def test_every_limit_that_is_reached_says_what_is_allowed_and_used_and_when_it_resets(
    service: Service,
) -> None:
    await redeem(service, a_use("L1"))
    (validation,) = await validate(service, a_use("L2"))
    too_soon = ("COUPON_TOO_SOON", {"redeemable_from": "2026-03-05"})
    assert errors_of(validation) == [too_soon, ("LIMIT_REACHED", limit("customer", 1, 1))]
    await redeem(service, a_use("L2", customer=OTHER))
    (validation,) = await validate(service, a_use("L1"))
    assert errors_of(validation) == [
        ("COUPON_REPEATED", {}),
        ("LIMIT_REACHED", limit("coupon", 1, 1)),
        too_soon,
        ("LIMIT_REACHED", limit("customer", 1, 1)),
        ("LIMIT_REACHED", limit("series", 2, 2)),
    ]


def limit(scope: str, most: int, used: int) -> dict[str, str]:
    return {
        "scope": scope,
        "series_id": "2",
        "limit": str(most),
        "used": str(used),
        "requested": "1",
        "resets": "never",
    }


@pytest.mark.provokes("BATCH_FAILED", "COUPON_REPEATED")
async def test_earlier_coupons_of_the_request_count_and_all_or_none_is_tried_too(
    service: Service,
) -> None:
    first, again = await validate(service, a_use(), a_use("coupon1", customer=OTHER))
    assert errors_of(first) == []
    assert [reason for reason, _ in errors_of(again)] == ["COUPON_REPEATED", "LIMIT_REACHED"]
    first, again = await validate(service, a_use(), a_use("Gone"), atomic=True)
    assert [errors_of(v)[0][0] for v in (first, again)] == ["BATCH_FAILED", "CODE_NOT_FOUND"]


@pytest.mark.provokes("FIELD_INVALID", "PERMISSION_DENIED")
async def test_a_request_of_a_wrong_shape_or_without_the_access_group_is_refused(
    service: Service,
) -> None:
    for uses, field in (([], "coupons"), ([a_use("x" * 251)], "coupons[0].code")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await validate(service, *uses)
        assert error_info(status_of(caught.value)).reason == "FIELD_INVALID"
        assert fields_of(status_of(caught.value)) == [field]
    assert await validate(service, a_use(), metadata=as_caller("clerk"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await validate(service, a_use(), metadata=as_caller("writer"))
    info = error_info(status_of(caught.value))
    assert (info.reason, info.metadata["needs"]) == ("PERMISSION_DENIED", "default")


def as_caller(name: str) -> Any:
    return (("authorization", basic(name, name)),)


@pytest.mark.provokes("REQUEST_CONFLICT")
async def test_a_dry_run_takes_no_request_id_and_knows_those_that_are_taken(
    service: Service,
) -> None:
    tried = await try_to_redeem(service, a_use(), request_id="r1")
    # Other content than was tried is no conflict.
    uses = a_use("L1"), a_use("Gone")
    answered = await redeem(service, *uses, request_id="r1")
    assert (answered.replayed, len(answered.results)) == (False, 2)
    # The recorded answer is told as redeeming would tell it, its ids included.
    repeated = await try_to_redeem(service, *uses, request_id="r1")
    assert (repeated.replayed, list(repeated.results)) == (True, list(answered.results))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await try_to_redeem(service, a_use(), request_id="r1")
    assert error_info(status_of(caught.value)).reason == "REQUEST_CONFLICT"
    assert without_ids(await redeem(service, a_use(), request_id="r2")) == tried


async def test_a_dry_run_of_coupons_answers_what_redeeming_then_answers(service: Service) -> None:
    uses = [a_use(code) for code in ("L1", "l1", "Gone", "L2", "PIN")]
    for atomic in (True, False):
        tried = await try_to_redeem(service, *uses, atomic=atomic)
        validated = await validate(service, *uses, atomic=atomic)
        assert [validation.result for validation in validated] == list(tried.results)
        assert without_ids(await redeem(service, *uses, atomic=atomic)) == tried


@pytest.mark.provokes("TRANSACTION_CONFLICT", "LIMIT_REACHED")
async def test_a_dry_run_of_promotions_takes_no_identifier_and_nothing_of_a_limit(
    service: Service,
) -> None:
    def bill(identifier: str, amount: str = "100", **fields: Any) -> Any:
        return promotion_calls.request(
            transaction_identifier=identifier, amount={"value": amount}, **fields
        )

    async def try_it(request: Any) -> Any:
        before = rows(service)
        try:
            return await promotion_calls.redeem(service, request)
        finally:
            assert rows(service) == before

    for _ in range(2):
        tried = await try_it(bill("t1", validate_only=True))
        assert not tried.replayed
    answered = await promotion_calls.redeem(service, bill("t1", amount="99"))
    assert not answered.replayed
    assert (await try_it(bill("t1", amount="99", validate_only=True))).replayed
    for request, reason in (
        (bill("t1", validate_only=True), "TRANSACTION_CONFLICT"),
        (bill("t2", validate_only=True), "LIMIT_REACHED"),
    ):
        refused = await promotion_calls.failure(try_it(request))
        assert promotion_calls.reason(refused) == reason


@pytest.mark.provokes("RATE_LIMITED")
@pytest.mark.parametrize(
    "guess",
    [
        pytest.param(a_use, id="alone"),
        # What stands before it in the answer hides nothing: the caller is told of both.
        pytest.param(
            lambda code: a_use(code, customer=messages.CouponCustomer(customer_id=999)),
            id="behind another error",
        ),
        pytest.param(lambda code: a_use(code, transaction=paid("ten")), id="behind the amount"),
    ],
)
async def test_who_guesses_codes_by_validating_is_slowed_down(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guess: Any
) -> None:
    monkeypatch.setattr(gate, "_STEP_SECONDS", 0.0)
    file = catalogs.write(tmp_path, catalogs.organization(coupon_series=[catalogs.series()]))
    async with run_service(sqlite_url, file, unknown_codes_per_minute=2) as service:
        for _ in range(30):
            await validate(service, guess("COUPON1"))
        guesses = [guess(f"GUESS{number}") for number in range(20)]
        await validate(service, *guesses)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await validate(service, a_use(customer=ME))
        assert error_info(status_of(caught.value)).reason == "RATE_LIMITED"


async def test_who_guesses_codes_by_a_dry_run_is_slowed_down(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_STEP_SECONDS", 0.0)
    file = catalogs.write(tmp_path, catalogs.organization(coupon_series=[catalogs.series()]))
    async with run_service(sqlite_url, file, unknown_codes_per_minute=2) as service:
        await try_to_redeem(service, *(a_use(f"GUESS{number}") for number in range(20)))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await try_to_redeem(service, a_use())
        assert error_info(status_of(caught.value)).reason == "RATE_LIMITED"
