"""`VerifyLedger` over real gRPC: one response per check, for administrators of the organisation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from redemption.v1 import ledger_service_pb2
from redemption.v1.ledger_service_pb2_grpc import LedgerServiceStub
from redemption_server.storage.verify.checks import CHECKS
from redemption_server.storage.verify.findings import FINDINGS_MAX, FindingKind
from sqlalchemy import Engine, event

from tests.rpc.promotion_calls import failure, reason
from tests.storage.ledger import corrupt
from tests.support import catalogs, connections
from tests.support.catalogs import ORG, OTHER_KEY, OTHER_ORG, OTHER_SECRET
from tests.support.load import redeem_request
from tests.support.service import Service, basic, run_service

THEIRS = (("authorization", basic(OTHER_KEY, OTHER_SECRET)),)
CLERK = {
    "key": "clerk",
    "secret": "clerk",
    "access": {"customer": "write", "default": True, "admin": False},
}
Request = ledger_service_pb2.VerifyLedgerRequest
GHOST = f"INSERT INTO claim VALUES ({ORG}, 1, 'ghost', 0, NULL, NULL)"
RAISE = f"UPDATE usage SET used = used + 1 WHERE org_id = {ORG}"
# A thousand findings of each of five checks: megabytes more than are sent before they are read.
NUMBERS = (
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1200), "
    f"names(name) AS (SELECT '{'x' * 3_000}' || CAST(n AS VARCHAR) FROM numbers) "
)
FLOOD = (
    *(
        f"{NUMBERS} INSERT INTO usage SELECT {ORG}, {scope}, name, '', 0, 1, NULL, NULL FROM names"
        for scope in (1, 5, 10)
    ),
    *(
        f"{NUMBERS} INSERT INTO claim SELECT {ORG}, {operation}, name, 0, NULL, NULL FROM names"
        for operation in (1, 2)
    ),
)


def limited() -> dict[str, Any]:
    return {"promotions": [catalogs.promotion(limits={"redemptions_total": 9})]}


@asynccontextmanager
async def open_service(url: str, folder: Path) -> AsyncIterator[Service]:
    """Two organisations with the same ids; in both something is redeemed."""
    theirs = {**catalogs.CREDENTIAL, "key": OTHER_KEY, "secret": OTHER_SECRET}
    file = catalogs.write(
        folder,
        catalogs.organization(credentials=[catalogs.CREDENTIAL, CLERK], **limited()),
        catalogs.organization(id=OTHER_ORG, credentials=[theirs], **limited()),
    )
    async with run_service(url, file) as service:
        for metadata in (service.metadata, THEIRS):
            await service.promotions.RedeemPromotions(redeem_request("t1"), metadata=metadata)
        yield service


@pytest.fixture
async def service(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with open_service(sqlite_url, tmp_path) as service:
        yield service


def call(service: Service, metadata: Any = None, **options: Any) -> Any:
    stub: Any = LedgerServiceStub(service.channel)  # type: ignore[no-untyped-call]
    return stub.VerifyLedger(Request(), metadata=metadata or service.metadata, **options)


async def verify(service: Service, metadata: Any = None) -> list[Any]:
    return [response async for response in call(service, metadata)]


async def findings(service: Service, metadata: Any = None) -> list[tuple[str, str, str]]:
    """Kind, subject and description of all that is found."""
    return [
        (ledger_service_pb2.LedgerFindingKind.Name(f.kind), f.subject, f.description)
        for response in await verify(service, metadata)
        for f in response.findings
    ]


def test_the_kinds_of_the_code_are_those_of_the_contract() -> None:
    declared = set(ledger_service_pb2.LedgerFindingKind.keys())
    ours = {f"LEDGER_FINDING_KIND_{kind.value}" for kind in FindingKind}
    assert ours | {"LEDGER_FINDING_KIND_UNSPECIFIED"} == declared


async def test_each_check_has_a_response_as_it_completes(service: Service) -> None:
    found = await verify(service)
    assert [response.check for response in found] == [check.name for check in CHECKS]
    assert [response.checks_completed for response in found] == list(range(1, len(CHECKS) + 1))
    assert {response.checks_total for response in found} == {len(CHECKS)}
    assert await findings(service) == []


async def test_findings_are_named_to_their_organisation_alone(
    service: Service, sqlite_url: str
) -> None:
    await corrupt(sqlite_url, [RAISE, GHOST])
    assert await findings(service) == [
        (
            "LEDGER_FINDING_KIND_COUNTER_WRONG",
            "counters/PROMOTION/p1",
            "counter says 2, records add up to 1",
        ),
        (
            "LEDGER_FINDING_KIND_KEY_WITHOUT_RECORD",
            "transactions/ghost",
            "the key is taken, no transaction is recorded under it",
        ),
    ]
    assert await findings(service, THEIRS) == []


@pytest.mark.provokes("PERMISSION_DENIED", "UNAUTHENTICATED")
async def test_it_needs_the_access_group_admin(service: Service) -> None:
    for metadata, expected in (
        ((("authorization", basic("clerk", "clerk")),), "PERMISSION_DENIED"),
        ((("authorization", basic("clerk", "wrong")),), "UNAUTHENTICATED"),
        ((*service.metadata, ("x-cap-api-auth-org-id", str(OTHER_ORG))), "PERMISSION_DENIED"),
    ):
        assert reason(await failure(call(service, metadata).read())) == expected


async def cancel(service: Service, stream: Any) -> None:
    stream.cancel()


async def hang_up(service: Service, stream: Any) -> None:
    await service.channel.close()


async def until_given_back() -> None:
    async with asyncio.timeout(10):
        while connections.checked_out():  # noqa: ASYNC110 — the pool gives no sign
            await asyncio.sleep(0.02)


async def read_the_first_of_many(service: Service, **options: Any) -> Any:
    """A stream of which more is to come than may be sent before it is read."""
    stream = call(service, **options)
    first = await stream.read()
    assert (first.checks_completed, len(first.findings)) == (1, FINDINGS_MAX)
    return stream


async def until_it_stands_still() -> None:
    """Returns when no statement is run any more, though a connection is still in use.

    No statement for a while is not enough: a busy machine may take as long to open a connection.
    """
    statements: list[str] = []

    def remember(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    seen = -1
    async with asyncio.timeout(30):
        while len(statements) > seen or not connections.checked_out():
            seen = len(statements)
            await asyncio.sleep(0.3)
    event.remove(Engine, "before_cursor_execute", remember)


@pytest.mark.parametrize("end", [cancel, hang_up])
async def test_a_caller_who_goes_in_mid_stream_leaves_no_connection_in_use(
    database_url: str, tmp_path: Path, end: Callable[[Service, Any], Awaitable[None]]
) -> None:
    async with open_service(database_url, tmp_path) as service:
        await corrupt(database_url, FLOOD)
        stream = await read_the_first_of_many(service)
        await until_it_stands_still()
        await end(service, stream)
        await until_given_back()


async def test_a_deadline_in_mid_stream_leaves_no_connection_in_use(
    service: Service, sqlite_url: str
) -> None:
    await corrupt(sqlite_url, FLOOD)
    stream = await read_the_first_of_many(service, timeout=3)
    assert await stream.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until_given_back()


async def test_callers_who_go_do_not_keep_others_from_verifying(
    service: Service, sqlite_url: str
) -> None:
    await corrupt(sqlite_url, FLOOD)
    for _ in range(5):
        stream = await read_the_first_of_many(service)
        stream.cancel()
        await until_given_back()
    assert len(await verify(service)) == len(CHECKS)
