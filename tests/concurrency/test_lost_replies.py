"""Calls whose reply is lost on the way, between real clients and the real service."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from redemption_server.rules.facts import Scope

from tests.support import catalogs
from tests.support.chance import new_chance
from tests.support.process import started
from tests.support.proxy import Cut, running_proxy
from tests.support.records import Counted, assert_same, read_records
from tests.support.servers import LISTENS
from tests.support.tills import Answer, Ask, Door, GrpcDoor, HttpDoor, Unanswered, until_answered

PROMOTIONS = 60
COUPONS = PROMOTIONS
TILLS = 6
GATEWAY_LISTENS = "HTTP gateway listens"


class Way(NamedTuple):
    """How to call a service that listens on two ports."""

    listens: str
    framing: str
    door: Callable[[int], Door]


GRPC = Way(LISTENS, "http/2", GrpcDoor)
HTTP = Way(GATEWAY_LISTENS, "http/1", HttpDoor)
each_way = pytest.mark.parametrize("way", [GRPC, HTTP], ids=["grpc", "http"])


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    """There is one for each ask: if one were counted twice, another would be refused."""
    promotion = catalogs.promotion(limits={"redemptions_total": PROMOTIONS})
    coupons = [{"code": f"C{number}"} for number in range(COUPONS)]
    series = catalogs.series(coupons=coupons, max_redemptions=COUPONS)
    organization = catalogs.organization(promotions=[promotion], coupon_series=[series])
    catalog = catalogs.write(tmp_path, organization)
    return {"database_url": database_url, "catalog": str(catalog)}


@pytest.fixture
def ports(settings: dict[str, str], tmp_path: Path) -> Iterator[dict[str, int]]:
    """The ports of both doors of one process."""
    with started("up", folder=tmp_path, **settings) as process:
        yield {listens: process.port(listens) for listens in (LISTENS, GATEWAY_LISTENS)}


def asks(each: int) -> list[Ask]:
    """As many promotions as coupons."""
    promotions = [Ask(f"t{number}", "p1") for number in range(each)]
    return promotions + [Ask(f"r{number}", code=f"C{number}") for number in range(each)]


def every_second_reply() -> Callable[[], Cut]:
    return partial(next, itertools.cycle((Cut.BEFORE_THE_REPLY, Cut.NOWHERE)))


async def assert_given_again(door: Door, ask: Ask, url: str) -> None:
    """The reply to a first attempt is lost; the second is told what the first one recorded."""
    with pytest.raises(Unanswered):
        await door.redeem(ask)
    before = await read_records(url)
    assert ask.key in {key for _, key in before.keys}
    again = await until_answered(partial(door.redeem, ask))
    assert (again.granted, again.replayed) == (True, True)
    recorded = {record.request_id: record.id for record in before.coupons}
    assert again.redemption_id == recorded.get(ask.key, "")
    assert await read_records(url) == before


@each_way
async def test_a_lost_reply_is_given_again(
    database_url: str, ports: dict[str, int], way: Way
) -> None:
    to_port, choose = ports[way.listens], every_second_reply()
    async with (
        running_proxy(to_port, way.framing, choose, new_chance()) as proxy,
        aclosing(way.door(proxy.port)) as door,
    ):
        for ask in asks(each=8):
            await assert_given_again(door, ask, database_url)


async def test_a_reply_that_is_lost_between_gateway_and_server_is_given_again(
    database_url: str, settings: dict[str, str], tmp_path: Path
) -> None:
    with started("server", folder=tmp_path, **settings) as server:
        to_port, choose = server.port(LISTENS), every_second_reply()
        async with running_proxy(to_port, GRPC.framing, choose, new_chance()) as proxy:
            target = f"ipv4:127.0.0.1:{proxy.port}"
            with started("gateway", folder=tmp_path, server_target=target) as gateway:
                port = await asyncio.to_thread(gateway.port, GATEWAY_LISTENS)
                async with aclosing(HttpDoor(port)) as door:
                    for ask in asks(each=2):
                        await assert_given_again(door, ask, database_url)


async def redeem_all(ways: dict[Way, int]) -> dict[str, Answer]:
    """Tills redeem what there is, each attempt at one of the doors; answers by key."""
    chance = new_chance()
    wanted = asks(PROMOTIONS)
    chance.shuffle(wanted)
    answers: dict[str, Answer] = {}

    async def till() -> None:
        async with AsyncExitStack() as stack:
            doors = [
                await stack.enter_async_context(aclosing(way.door(port)))
                for way, port in ways.items()
            ]

            async def attempt(ask: Ask) -> Answer:
                return await chance.choice(doors).redeem(ask)

            while wanted:
                ask = wanted.pop()
                answers[ask.key] = await until_answered(partial(attempt, ask))

    await asyncio.gather(*(till() for _ in range(TILLS)))
    return answers


async def test_wherever_connections_are_cut_each_key_is_recorded_once(
    database_url: str, ports: dict[str, int]
) -> None:
    chance = new_chance()
    choose = partial(chance.choice, [Cut.NOWHERE, *Cut])
    async with (
        running_proxy(ports[GRPC.listens], GRPC.framing, choose, chance) as grpc_proxy,
        running_proxy(ports[HTTP.listens], HTTP.framing, choose, chance) as http_proxy,
    ):
        answers = await redeem_all({GRPC: grpc_proxy.port, HTTP: http_proxy.port})
    assert set(grpc_proxy.cuts) == set(http_proxy.cuts) == set(Cut)
    assert all(answer.granted for answer in answers.values())
    assert any(answer.replayed for answer in answers.values())
    records = await read_records(database_url)
    records.assert_agree()
    assert_same([key for _, key in records.keys], [ask.key for ask in asks(PROMOTIONS)])
    for record in records.coupons:
        assert answers[record.request_id].redemption_id == record.id
    assert records.usage[Scope.PROMOTION, "p1", ""] == Counted(PROMOTIONS, PROMOTIONS)
    assert records.usage[Scope.SERIES, "1", ""] == Counted(COUPONS, COUPONS)
