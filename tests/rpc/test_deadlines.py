"""A deadline that passes is answered, and the commit under way goes on."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from tests.support import catalogs
from tests.support.load import redeem_body, redeem_request
from tests.support.service import REDEMPTIONS, Service, run_service


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody else writes to the database meanwhile."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("COMMIT")
        connection.close()


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    organization = catalogs.organization(promotions=[catalogs.promotion()])
    return catalogs.write(tmp_path, organization)


async def test_a_client_whose_deadline_passed_finds_its_request_recorded(
    service: Service,
) -> None:
    await service.promotions.RedeemPromotions(redeem_request("t0"), metadata=service.metadata)
    with locked(service.database_file), pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.promotions.RedeemPromotions(
            redeem_request("t1"), metadata=service.metadata, timeout=0.3
        )
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    again = await service.promotions.RedeemPromotions(
        redeem_request("t1"), metadata=service.metadata
    )
    assert again.replayed


@pytest.mark.provokes("DEADLINE_EXCEEDED")
async def test_the_gateway_answers_504_and_the_request_can_be_sent_again(
    sqlite_url: str, catalog: Path
) -> None:
    async with run_service(sqlite_url, catalog, deadline_seconds=2) as service:
        await service.post(REDEMPTIONS, redeem_body("t0"))
        with locked(service.database_file):
            late = await service.post(REDEMPTIONS, redeem_body("t1"))
        assert late.status_code == 504
        assert late.json()["errorCode"] == 504
        again = await service.post(REDEMPTIONS, redeem_body("t1"))
        assert again.status_code == 200
        assert again.headers["Idempotent-Replayed"] == "true"
