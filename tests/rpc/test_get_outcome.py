"""`GetOutcome` over real gRPC: what a repeat of a call would be answered, without repeating it."""

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redemption.v1 import coupon_redemption_pb2, coupon_redemption_service_pb2, outcome_service_pb2
from redemption.v1.outcome_service_pb2_grpc import OutcomeServiceStub

from tests.rpc.promotion_calls import failure, fields, reason, request, use
from tests.support import catalogs
from tests.support.catalogs import CUSTOMER, OTHER_CUSTOMER, OTHER_KEY, OTHER_ORG, OTHER_SECRET
from tests.support.clock import ODD_DATE, FakeClock
from tests.support.service import Service, basic, run_service

THEIRS = (("authorization", basic(OTHER_KEY, OTHER_SECRET)),)
CASHIER = (("authorization", basic("cashier", "cashier")),)
Response = outcome_service_pb2.GetOutcomeResponse
NOT_RECORDED = Response(state=outcome_service_pb2.OUTCOME_STATE_NOT_RECORDED)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Service]:
    """Two organisations with the same promotions and coupons."""
    cashier = {"key": "cashier", "secret": "cashier", "access": {"customer": "write"}}
    theirs = {**catalogs.CREDENTIAL, "key": OTHER_KEY, "secret": OTHER_SECRET}
    stock: dict[str, Any] = {
        "promotions": [
            catalogs.promotion(codes=[{"id": "c1", "code": "CODE"}]),
            catalogs.promotion("full", limits={"redemptions_total": 1}),
        ],
        "coupon_series": [
            catalogs.series(
                max_redemptions_per_coupon="unlimited",
                same_customer_may_repeat=True,
                coupons=[{"code": "C1"}, {"code": "C2"}],
            )
        ],
    }
    file = catalogs.write(
        tmp_path,
        catalogs.organization(credentials=[catalogs.CREDENTIAL, cashier], **stock),
        catalogs.organization(id=OTHER_ORG, credentials=[theirs], **stock),
    )
    async with run_service(database_url, file, clock=clock) as service:
        yield service


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def outcome(service: Service, metadata: Any = None, **key: str) -> Any:
    stub: Any = OutcomeServiceStub(service.channel)  # type: ignore[no-untyped-call]
    message = outcome_service_pb2.GetOutcomeRequest(**key)
    return stub.GetOutcome(message, metadata=metadata or service.metadata)


async def redeem(service: Service, message: Any, metadata: Any = None) -> Any:
    return await service.promotions.RedeemPromotions(message, metadata=metadata or service.metadata)


def coupons(*codes: str, customer: Any = None, **changes: Any) -> Any:
    customer = customer or {"customer_id": CUSTOMER}
    uses = [coupon_redemption_pb2.CouponUse(code=code, customer=customer) for code in codes]
    return coupon_redemption_service_pb2.RedeemCouponsRequest(coupons=uses, **changes)


async def redeem_coupons(service: Service, message: Any, metadata: Any = None) -> Any:
    return await service.coupons.RedeemCoupons(message, metadata=metadata or service.metadata)


amounts = st.builds(
    lambda micros: {"value": f"{micros // 10**6}.{micros % 10**6:06}"}, st.integers(0, 10**12)
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
promotion_uses = st.builds(
    use,
    promo_code=st.sampled_from(["", "CODE", "code"]),
    sku=texts,
    redemption_count=st.integers(1, 1_000_000),
    discount=amounts,
    discount_applied_on_quantity=amounts,
    promotion_applied_on_quantity=amounts,
    amount=st.none() | amounts,
)
customers = st.sampled_from(
    [
        {"customer_id": CUSTOMER},
        {"customer_id": -1},
        {
            "customer_id": None,
            "customer_identifier_type": "Mobile",
            "customer_identifier_value": "9999988881",
        },
        {
            "customer_id": OTHER_CUSTOMER,
            "customer_identifier_type": "email",
            "customer_identifier_value": "ONE@example.com",
        },
    ]
)
promotion_requests = st.builds(
    lambda customer, **changes: {**customer, **changes},
    customers,
    transaction_number=st.just("n") | texts.filter(bool),
    transaction_date=st.fixed_dictionaries(
        {"seconds": st.integers(0, 1_700_000_000), "nanos": st.integers(0, 999_999_999)}
    ),
    amount=amounts,
    cart_evaluation_id=texts,
    line_items=st.lists(promotion_uses, max_size=3),
    redemptions=st.lists(promotion_uses, min_size=1, max_size=3),
)
coupon_uses = st.builds(
    lambda code, customer, number, amount, custom: {
        "code": code,
        "customer": customer,
        "transaction": {"number": number, "amount": {"value": amount}},
        "custom_fields": [{"name": name, "value": value} for name, value in custom],
    },
    st.sampled_from(["unknown", ""]),
    st.sampled_from([{"customer_id": CUSTOMER}, {"mobile": "99999 88881"}, {"email": "who@x.y"}]),
    texts,
    st.sampled_from(["", "1", "0.10", "1e2", "malformed", "-1"]),
    st.lists(st.tuples(texts.filter(bool), texts), max_size=2),
)
few = settings(
    max_examples=10,
    deadline=None,
    # The service is shared by the examples: each has keys of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@few
@given(promotion_requests)
async def test_a_recorded_promotion_request_is_answered_as_its_repeat(
    service: Service, changes: dict[str, Any]
) -> None:
    message = request(transaction_identifier=f"é {uuid.uuid4()}", **changes)
    await redeem(service, message)
    found = await outcome(service, transaction_identifier=message.transaction_identifier)
    repeated = await redeem(service, message)
    assert repeated.replayed
    assert found.state == outcome_service_pb2.OUTCOME_STATE_RECORDED
    assert found.WhichOneof("answer") == "redeem_promotions"
    assert found.redeem_promotions == repeated
    assert found.recorded_at.ToJsonString() == "2026-03-04T05:06:07.008Z"


@few
@given(st.lists(coupon_uses, max_size=2), st.lists(coupon_uses, max_size=2))
async def test_a_recorded_coupon_request_is_answered_as_its_repeat(
    service: Service, before: list[Any], after: list[Any]
) -> None:
    granted = {"code": "c1", "customer": {"mobile": "+91 99999 88882"}}
    message = coupons(request_id=f"~ {uuid.uuid4()}")
    message.coupons.extend(
        coupon_redemption_pb2.CouponUse(**fields) for fields in (*before, granted, *after)
    )
    await redeem_coupons(service, message)
    found = await outcome(service, request_id=message.request_id)
    repeated = await redeem_coupons(service, message)
    assert repeated.replayed
    assert found.state == outcome_service_pb2.OUTCOME_STATE_RECORDED
    assert found.WhichOneof("answer") == "redeem_coupons"
    assert found.redeem_coupons == repeated
    assert found.recorded_at.ToJsonString() == "2026-03-04T05:06:07.008Z"


@on_sqlite
async def test_the_instant_is_that_of_the_first_call(service: Service, clock: FakeClock) -> None:
    for _ in range(2):
        await redeem(service, request(transaction_identifier="key"))
        await redeem_coupons(service, coupons("C1", request_id="key"))
        for key in ("transaction_identifier", "request_id"):
            found = await outcome(service, **{key: "key"})
            assert found.recorded_at.ToMilliseconds() == ODD_DATE.timestamp() * 1_000
        clock.advance(timedelta(days=1))


@on_sqlite
async def test_what_was_never_sent_is_not_recorded(service: Service) -> None:
    await redeem(service, request(transaction_identifier="key"))
    assert await outcome(service, transaction_identifier="Key") == NOT_RECORDED
    assert await outcome(service, request_id="key") == NOT_RECORDED
    await redeem_coupons(service, coupons("C1", request_id="other"))
    assert await outcome(service, transaction_identifier="other") == NOT_RECORDED
    assert await outcome(service, request_id="other ") == NOT_RECORDED


@on_sqlite
async def test_what_was_refused_is_not_recorded_until_it_is_granted(service: Service) -> None:
    await redeem(service, request(redemptions=[use(promotion_id="full")]))
    for promotion_id in ("full", "unknown"):
        refused = request(
            transaction_identifier="key", redemptions=[use(promotion_id=promotion_id)]
        )
        await failure(redeem(service, refused))
        assert await outcome(service, transaction_identifier="key") == NOT_RECORDED
    await redeem_coupons(service, coupons("unknown", request_id="key"))
    await redeem_coupons(service, coupons("C1", "unknown", request_id="key", atomic=True))
    assert await outcome(service, request_id="key") == NOT_RECORDED

    granted = await redeem(service, request(transaction_identifier="key"))
    found = await outcome(service, transaction_identifier="key")
    assert found.redeem_promotions.transaction_identifier == granted.transaction_identifier
    granted = await redeem_coupons(service, coupons("C1", request_id="key"))
    found = await outcome(service, request_id="key")
    assert list(found.redeem_coupons.results) == list(granted.results)


async def test_the_same_key_has_an_outcome_in_each_organisation(service: Service) -> None:
    ours, theirs = service.metadata, THEIRS
    for metadata, amount, code in ((ours, "1", "C1"), (theirs, "2", "C2")):
        assert await outcome(service, metadata, transaction_identifier="key") == NOT_RECORDED
        assert await outcome(service, metadata, request_id="key") == NOT_RECORDED
        message = request(transaction_identifier="key", amount={"value": amount})
        await redeem(service, message, metadata)
        await redeem_coupons(service, coupons(code, request_id="key"), metadata)
    for metadata, org_id, amount, code in (
        (ours, catalogs.ORG, "1", "C1"),
        (theirs, OTHER_ORG, "2", "C2"),
    ):
        found = await outcome(service, metadata, transaction_identifier="key")
        answer = found.redeem_promotions
        assert (answer.org_id, answer.amount.value) == (org_id, amount)
        found = await outcome(service, metadata, request_id="key")
        assert [result.code for result in found.redeem_coupons.results] == [code]


@on_sqlite
async def test_a_coupon_request_without_a_key_cannot_be_found(service: Service) -> None:
    await redeem_coupons(service, coupons("C1"))
    with closing(sqlite3.connect(service.database_file)) as connection:
        [(made_up,)] = connection.execute("SELECT claim_key FROM coupon_redemption")
    assert await outcome(service, request_id=made_up) == NOT_RECORDED


@on_sqlite
async def test_a_call_on_its_way_is_not_recorded_yet(service: Service) -> None:
    await redeem(service, request())
    with closing(sqlite3.connect(service.database_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        calls = [
            asyncio.ensure_future(redeem(service, request(transaction_identifier="key"))),
            asyncio.ensure_future(redeem_coupons(service, coupons("C1", request_id="key"))),
        ]
        for _ in range(3):
            assert await outcome(service, transaction_identifier="key") == NOT_RECORDED
            assert await outcome(service, request_id="key") == NOT_RECORDED
        assert not any(call.done() for call in calls)
        other.execute("COMMIT")
    await asyncio.gather(*calls)
    for key in ("transaction_identifier", "request_id"):
        found = await outcome(service, **{key: "key"})
        assert found.state == outcome_service_pb2.OUTCOME_STATE_RECORDED


@on_sqlite
@pytest.mark.provokes("FIELD_INVALID")
async def test_exactly_one_key_of_the_right_shape_is_needed(service: Service) -> None:
    for field, value in (
        ("transaction_identifier", ""),
        ("transaction_identifier", "x" * 251),
        ("transaction_identifier", "NUL \0"),
        ("request_id", ""),
        ("request_id", "x" * 256),
        ("request_id", "é"),
        ("request_id", "line\n"),
        ("request_id", "NUL \0"),
    ):
        status = await failure(outcome(service, **{field: value}))
        assert (reason(status), fields(status)) == ("FIELD_INVALID", [field]), value
    status = await failure(outcome(service))
    assert (reason(status), fields(status)) == ("FIELD_INVALID", ["transaction_identifier"])
    for key in ({"transaction_identifier": "é" * 250}, {"request_id": "~" * 255}):
        assert await outcome(service, **key) == NOT_RECORDED


@on_sqlite
@pytest.mark.provokes("PERMISSION_DENIED")
async def test_it_needs_the_access_group_default(service: Service) -> None:
    await redeem(service, request(transaction_identifier="key"), CASHIER)
    status = await failure(outcome(service, CASHIER, transaction_identifier="key"))
    assert reason(status) == "PERMISSION_DENIED"
