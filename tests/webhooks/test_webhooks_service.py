"""Webhooks of a running service: real calls, a real receiver, nobody who pushes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redemption.v1 import catalog_service_pb2
from redemption_server.access.seal import new_key
from redemption_server.storage.database import open_database
from redemption_server.webhooks import delivery as delivery_module
from redemption_server.webhooks import sender
from structlog.testing import capture_logs

from tests.rpc.promotion_calls import redeem, request
from tests.support import catalogs
from tests.support.desk import rows_of
from tests.support.eventually import eventually
from tests.support.receiver import FAILS, OTHER_SECRET, TAKES, Receiver, running_receiver, waits_for
from tests.support.service import Service, run_service
from tests.webhooks.office import organization, webhook

KEY = new_key()


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_LOOK_SECONDS", 0.1)


def catalog_with(*webhooks: dict[str, Any]) -> dict[str, Any]:
    return organization(*webhooks, credentials=[catalogs.CREDENTIAL])


@asynccontextmanager
async def running(
    url: str, folder: Path, *webhooks: dict[str, Any], key: str = KEY, **settings: Any
) -> AsyncIterator[Service]:
    file = catalogs.write(folder, catalog_with(*webhooks))
    settings = {"webhook_private_addresses": True, **settings}
    async with run_service(url, file, webhook_keys=SecretStr(key), **settings) as service:
        yield service


async def apply(service: Service, folder: Path, *webhooks: dict[str, Any]) -> None:
    catalog = catalogs.read(folder, catalog_with(*webhooks))
    message = catalog_service_pb2.ApplyCatalogRequest(catalog=catalog)
    await service.catalog.ApplyCatalog(message, metadata=service.metadata)


async def redeem_times(service: Service, name: str, times: int) -> None:
    for number in range(times):
        await redeem(service, request(transaction_identifier=f"{name}-{number}"))


async def let_go(url: str) -> None:
    """Returns once no server holds a webhook any more."""
    database = open_database(url)

    async def nobody_holds() -> bool:
        now_ms = time.time() * 1_000
        ((until,),) = await rows_of(database, "SELECT max(held_until_ms) FROM webhook_delivery")
        return bool(until < now_ms)

    await eventually(nobody_holds)
    await database.close()


def transactions(receiver: Receiver) -> list[str]:
    return [message.event["data"]["transactionIdentifier"] for message in receiver.taken]


async def test_calls_that_come_together_are_all_told_in_order(
    database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    async with running(database_url, tmp_path, webhook(receiver)) as service:
        await asyncio.gather(*(redeem_times(service, str(n), 5) for n in range(8)))
        await receiver.took(40)
        assert receiver.sequences == list(range(1, 41))
        assert len(set(transactions(receiver))) == 40


async def test_a_change_of_the_catalog_is_followed_while_it_runs(
    database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    async with (
        running_receiver(OTHER_SECRET) as other,
        running(database_url, tmp_path) as service,
    ):
        await redeem_times(service, "before", 2)
        await apply(service, tmp_path, webhook(receiver))
        await redeem_times(service, "first", 2)
        await receiver.took(2)
        await apply(service, tmp_path, webhook(receiver, active=False))
        await let_go(database_url)
        await redeem_times(service, "held", 2)
        moved = webhook(other, events=["PROMOTION_REDEEMED"])
        await apply(service, tmp_path, moved)
        await redeem_times(service, "last", 1)
        await other.took(3)
    assert transactions(receiver) == ["first-0", "first-1"]
    assert transactions(other) == ["held-0", "held-1", "last-0"]


async def test_dead_and_slow_receivers_hold_up_neither_calls_nor_others(
    database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    async with AsyncExitStack() as stack:
        dead, slow = [await stack.enter_async_context(running_receiver()) for _ in range(2)]
        dead.manner, slow.manner = FAILS, waits_for(asyncio.Event())
        hooks = (webhook(dead, "dead"), webhook(slow, "slow"), webhook(receiver, "well"))
        async with running(database_url, tmp_path, *hooks) as service:
            async with asyncio.timeout(30):
                await redeem_times(service, "t", 5)
                await receiver.took(5)
                await dead.got(1)
                await slow.got(1)
        assert receiver.sequences == [1, 2, 3, 4, 5]
        assert {message.sequence for message in (*dead.messages, *slow.messages)} == {1}
        assert dead.taken == []


async def test_what_was_not_told_before_a_stop_is_told_after_it_once(
    database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    async with running(database_url, tmp_path, webhook(receiver)) as service:
        await redeem_times(service, "a", 3)
        await receiver.took(3)
        receiver.manner = FAILS
        await redeem_times(service, "b", 2)
        await receiver.got(4)
    receiver.manner = TAKES
    async with running(database_url, tmp_path, webhook(receiver)):
        await receiver.took(5)
    assert transactions(receiver) == ["a-0", "a-1", "a-2", "b-0", "b-1"]


async def test_with_another_key_the_service_runs_and_says_what_is_wrong(
    database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    async with running(database_url, tmp_path, webhook(receiver)):
        pass
    with capture_logs() as log:
        async with run_service(
            database_url, webhook_keys=SecretStr(new_key()), webhook_private_addresses=True
        ) as service:
            await redeem_times(service, "t", 2)

            async def is_said() -> bool:
                return any("unknown key" in line["event"] for line in log)

            await eventually(is_said)
    assert receiver.connections == 0
    async with running(database_url, tmp_path, webhook(receiver)):
        await receiver.took(2)


async def test_private_addresses_are_not_asked_unless_it_is_allowed(
    sqlite_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    url = f"https://127.0.0.1:{receiver.port}/hook"
    hooks = [webhook(receiver), webhook(receiver, "w2", url=url)]
    with capture_logs() as log:
        async with running(
            sqlite_url, tmp_path, *hooks, webhook_private_addresses=False
        ) as service:
            await redeem_times(service, "t", 1)

            async def both_failed() -> bool:
                failed = [line["error"] for line in log if line["event"] == "webhook failed"]
                return {"the URL is not https", "the host has no public address"} <= set(failed)

            await eventually(both_failed)
    assert receiver.connections == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_services_on_one_database_tell_everything_once(
    database_url: str, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "_NOTE_SECONDS", 0.0)
    async with running(database_url, tmp_path, webhook(receiver)) as second:
        async with running(database_url, tmp_path, webhook(receiver)) as first:
            await asyncio.gather(redeem_times(first, "a", 20), redeem_times(second, "b", 20))
            await receiver.took(40)
        # One of them is gone; whoever held the webhook, the other goes on.
        await redeem_times(second, "c", 10)
        await receiver.took(50)
    assert receiver.sequences == list(range(1, 51))
