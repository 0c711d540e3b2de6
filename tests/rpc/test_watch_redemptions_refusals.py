"""What `WatchRedemptions` refuses over real gRPC, to whom."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2
from redemption.v1 import catalog_service_pb2
from redemption_server.feed import feed
from redemption_server.rpc import pipeline

from tests.rpc.feed_story import organization
from tests.rpc.promotion_calls import fields, reason, request, use
from tests.support import catalogs
from tests.support.service import Service, basic, detail, run_service
from tests.support.watching import watching

OTHER = (("authorization", basic(catalogs.OTHER_KEY, catalogs.OTHER_SECRET)),)
READER = {"key": "reader", "secret": "r", "access": {"default": True}}
WRITER = {"key": "writer", "secret": "w", "access": {"customer": "write", "admin": True}}
READER_METADATA = (("authorization", basic("reader", "r")),)


@pytest.fixture
async def service(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Two organisations with the same promotions."""
    file = catalogs.write(
        tmp_path,
        organization(credentials=[catalogs.CREDENTIAL, READER, WRITER]),
        organization(
            id=catalogs.OTHER_ORG,
            credentials=[
                {**catalogs.CREDENTIAL, "key": catalogs.OTHER_KEY, "secret": catalogs.OTHER_SECRET}
            ],
        ),
    )
    async with run_service(sqlite_url, file) as service:
        yield service


async def sell(service: Service, identifier: str, metadata: Any = None, **changes: Any) -> None:
    sale = request(
        **{
            "redemptions": [use(promo_code="Alpha")],
            "transaction_identifier": identifier,
            **changes,
        }
    )
    await service.promotions.RedeemPromotions(sale, metadata=metadata or service.metadata)


@pytest.mark.parametrize(
    ("sent", "violated"),
    [
        pytest.param({"after_sequence": -1}, {"after_sequence"}, id="negative"),
        pytest.param({"after_sequence": 2}, {"after_sequence"}, id="ahead of the newest"),
        pytest.param({"after_sequence": 2**63 - 1}, {"after_sequence"}, id="far ahead"),
        pytest.param({"promotion_ids": ["p"] * 101}, {"promotion_ids"}, id="promotions"),
        pytest.param({"codes": ["c"] * 101}, {"codes"}, id="codes"),
        pytest.param({"customer_ids": [1] * 101}, {"customer_ids"}, id="customers"),
        pytest.param(
            {"promotion_ids": ["p", ""], "codes": ["c" * 251, "c\0"]},
            {"promotion_ids[1]", "codes[0]", "codes[1]"},
            id="texts",
        ),
        pytest.param(
            {"after_sequence": -1, "codes": ["c"] * 101, "customer_ids": [1] * 101},
            {"after_sequence", "codes", "customer_ids"},
            id="all at once",
        ),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    service: Service, sent: dict[str, Any], violated: set[str]
) -> None:
    await sell(service, "t1")
    async with watching(service.channel, **sent) as watch:
        status = await watch.failure()
    assert reason(status) == "FIELD_INVALID"
    assert set(fields(status)) == violated


async def test_as_many_filters_as_there_may_be_are_taken(service: Service) -> None:
    async with watching(
        service.channel,
        after_sequence=0,
        promotion_ids=["p1", *map(str, range(99))],
        codes=["alpha", *map(str, range(99))],
        customer_ids=[catalogs.CUSTOMER, *range(99)],
    ) as watch:
        assert await watch.begins() == 0
        await sell(service, "t1")
        assert len(await watch.events(1)) == 1


async def test_it_is_said_what_the_newest_event_is(service: Service) -> None:
    for identifier in ("t1", "t2"):
        await sell(service, identifier)
    async with watching(service.channel, after_sequence=3) as watch:
        status = await watch.failure()
    [violation] = detail(status, error_details_pb2.BadRequest).field_violations
    assert "must be at most the number of the newest event, 2" in violation.description


@pytest.mark.parametrize(
    ("metadata", "refused"),
    [
        pytest.param((), "UNAUTHENTICATED", id="nobody"),
        pytest.param((("authorization", basic(secret="wrong")),), "UNAUTHENTICATED", id="wrong"),
        pytest.param(
            (("authorization", basic("writer", "w")),), "PERMISSION_DENIED", id="without default"
        ),
    ],
)
async def test_only_who_has_the_access_group_default_may_watch(
    service: Service, metadata: Any, refused: str
) -> None:
    async with watching(service.channel, metadata, after_sequence=0) as watch:
        assert reason(await watch.failure()) == refused
    async with watching(service.channel, READER_METADATA, after_sequence=0) as watch:
        assert await watch.begins() == 0


async def test_another_organisations_events_are_never_seen(service: Service) -> None:
    async with (
        watching(service.channel, after_sequence=0) as ours,
        watching(service.channel, OTHER, after_sequence=0) as theirs,
    ):
        # Numbers, transactions and promotions are the same on both sides.
        for number in range(4):
            await sell(service, f"t{number}")
            if number % 2:
                await sell(service, f"t{number}", OTHER)
        seen_here, seen_there = await ours.events(4), await theirs.events(2)
    for events, org_id in ((seen_here, catalogs.ORG), (seen_there, catalogs.OTHER_ORG)):
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert {event.promotion_redemption.org_id for event in events} == {org_id}
    identifiers = [event.promotion_redemption.transaction_identifier for event in seen_there]
    assert identifiers == ["t1", "t3"]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        pytest.param({"active": False}, "UNAUTHENTICATED", id="revoked"),
        pytest.param({"access": {"admin": True}}, "PERMISSION_DENIED", id="without default"),
    ],
)
@pytest.mark.parametrize("idle", [True, False])
async def test_a_credential_that_is_taken_back_ends_its_watches_soon(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    refused: str,
    idle: bool,
) -> None:
    monkeypatch.setattr(pipeline, "_IDENTIFY_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 0.1 if idle else 60.0)
    async with (
        watching(service.channel, READER_METADATA) as ended,
        watching(service.channel) as other,
    ):
        await ended.begins()
        await other.begins()
        await _apply(service, {"key": "reader", "secret": "r", **change})
        if not idle:
            await asyncio.sleep(0.2)  # Past the time when the credential is looked at again.
            await sell(service, "t1")
        assert reason(await ended.failure(5)) == refused
        # What came meanwhile was not told any more.
        assert ended.sequence == 0
        if not idle:
            assert len(await other.events(1)) == 1


async def _apply(service: Service, credential: dict[str, Any]) -> None:
    change = {
        "id": catalogs.ORG,
        "redemption_without_evaluation": True,
        "credentials": [credential],
    }
    message = catalog_service_pb2.ApplyCatalogRequest(catalog={"organizations": [change]})
    await service.catalog.ApplyCatalog(message, metadata=service.metadata)
