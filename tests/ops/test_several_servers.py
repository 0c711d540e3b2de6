"""Several servers on one database: behind one gateway, or behind one address."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM

import grpc
import httpx
import pytest
from redemption.v1.promotion_redemption_service_pb2_grpc import PromotionRedemptionServiceStub

from tests.support import catalogs
from tests.support.databases import Databases
from tests.support.load import METADATA, redeem_body, redeem_request
from tests.support.process import Process, run, started
from tests.support.servers import LISTENS
from tests.support.service import REDEMPTIONS, basic

CALLS = 100
# The kernel deals connections out by a hash of their ports: with so many, none is without for sure.
CONNECTIONS = 64


@pytest.fixture
def url(databases: Databases, tmp_path: Path) -> Iterator[str]:
    """A PostgreSQL database with one promotion."""
    catalog = catalogs.write(tmp_path, catalogs.organization(promotions=[catalogs.promotion()]))
    with databases.postgresql() as url:
        applied = run("catalog", "apply", str(catalog), folder=tmp_path, database_url=url)
        assert applied.returncode == 0, applied.stderr
        yield url


def calls_of(server: Process) -> int:
    """Stops a server; how many calls it has answered."""
    server.signal(SIGTERM)
    assert server.wait() == 0
    return int(next(entry["calls"] for entry in server.whole_log() if entry["event"] == "stopped"))


def test_a_gateway_gives_each_server_its_share_and_goes_on_without_one(
    url: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(started("server", folder=tmp_path, database_url=url))
            for _ in range(2)
        ]
        ports = [server.port(LISTENS) for server in servers]
        target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        gateway = stack.enter_context(started("gateway", folder=tmp_path, server_target=target))
        base = f"http://127.0.0.1:{gateway.port('HTTP gateway listens')}"
        client = stack.enter_context(
            httpx.Client(base_url=base, headers={"Authorization": basic()})
        )
        numbers = itertools.count()

        def redeem() -> int:
            body = redeem_body(f"call-{next(numbers)}")
            return client.post(REDEMPTIONS, json=body).status_code

        for _ in range(CALLS):
            assert redeem() == 200
        first = calls_of(servers[0])
        assert CALLS / 4 <= first <= CALLS * 3 / 4
        for _ in range(CALLS):
            assert redeem() == 200
        assert calls_of(servers[1]) == 2 * CALLS - first


def test_servers_that_say_so_share_an_address(url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:

        def start(address: str) -> Process:
            return stack.enter_context(
                started(
                    "server",
                    folder=tmp_path,
                    database_url=url,
                    grpc_address=address,
                    grpc_reuse_port="true",
                )
            )

        servers = [start("127.0.0.1:0")]
        address = f"127.0.0.1:{servers[0].port(LISTENS)}"
        servers.append(start(address))
        servers[1].port(LISTENS)
        for number in range(CONNECTIONS):
            # Without an option of its own a channel shares the connection of one like it.
            options = [("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(address, options) as channel:
                stub = PromotionRedemptionServiceStub(channel)  # type: ignore[no-untyped-call]
                stub.RedeemPromotions(redeem_request(f"call-{number}"), metadata=METADATA)
        calls = [calls_of(server) for server in servers]
    assert sum(calls) == CONNECTIONS
    assert min(calls) > 0, calls


def test_a_server_that_shares_does_not_take_the_address_of_one_that_does_not(
    url: str, tmp_path: Path
) -> None:
    with started("server", folder=tmp_path, database_url=url) as server:
        address = f"127.0.0.1:{server.port(LISTENS)}"
        second = run(
            "server",
            folder=tmp_path,
            database_url=url,
            grpc_address=address,
            grpc_reuse_port="true",
        )
    assert second.returncode == 1
    assert f"cannot listen on {address}" in second.stderr
