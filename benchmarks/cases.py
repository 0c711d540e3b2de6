"""The cases: two sides, what of them is compared, and what is to be reached."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks import requests
from benchmarks.loads import LIST_PROMOTION_REDEMPTIONS, REDEEM_COUPONS
from benchmarks.sides import Noop, Ours, OursThroughHttp, Peer, Running, Side
from benchmarks.stock import Codes

FEW, MANY, MANY_ON_POSTGRESQL = 1_000, 10_000_000, 1_000_000
_CODE, _COUPON, _LOOKUP = (
    lambda count: requests.redeem_promotions("p0", f"CODE{{{{randomInt 0 {count}}}}}"),
    requests.redeem_coupons,
    requests.list_promotion_redemptions,
)


def throughput(running: Running) -> list[float]:
    """Right answers per second, round by round."""
    return [one.per_second for one in running.measured]


def latency(running: Running) -> list[float]:
    """Median latencies in milliseconds, round by round."""
    return [one.p50 for one in running.measured]


def cpu(running: Running) -> list[float]:
    """Processor time of the service per right answer in microseconds, round by round."""
    return running.cpu_microseconds


@dataclass(frozen=True, slots=True)
class Case:
    """One side compared with another: the ratio is that of the first to the second."""

    name: str
    first: Side
    second: Side
    at_least: float | None = None
    at_most: float | None = None
    aim: float | None = None
    seen: Callable[[Running], list[float]] = throughput
    quick: bool = False

    def is_met(self, ratio: float) -> bool:
        """Whether what must be reached is."""
        if self.at_least is not None and ratio < self.at_least:
            return False
        return self.at_most is None or ratio <= self.at_most


def median_ratio(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """The median of the ratios of the rounds, the least and the greatest one."""
    ratios = [a / b for a, b in zip(first, second, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


_coded = partial(Ours, table="promotion_transaction")
_lookups = partial(Ours, call=LIST_PROMOTION_REDEMPTIONS, table="")
_coupons = partial(Ours, call=REDEEM_COUPONS, table="coupon_redemption")


def _with_codes(
    make: Callable[..., Ours], data: Callable[[int], str], count: int, **more: object
) -> Ours:
    return make(data=data(count), stock=Codes(count), **more)


CASES = (
    Case("gRPC ÷ no-op, SQLite, 1", Ours(in_flight=1), Noop(1)),
    Case("gRPC ÷ no-op, SQLite, 8", Ours(in_flight=8), Noop(8)),
    Case("gRPC ÷ no-op, SQLite, 64", Ours(), Noop(), at_least=0.35, aim=0.6, quick=True),
    Case("gRPC ÷ no-op, SQLite, 256", Ours(in_flight=256), Noop(256), at_least=0.4, aim=0.75),
    Case("gRPC ÷ no-op, PostgreSQL, 1", Ours("postgresql", 1), Noop(1)),
    Case("gRPC ÷ no-op, PostgreSQL, 8", Ours("postgresql", 8), Noop(8)),
    Case("gRPC ÷ no-op, PostgreSQL, 64", Ours("postgresql"), Noop()),
    Case("gRPC ÷ no-op, PostgreSQL, 256", Ours("postgresql", 256), Noop(256)),
    Case(
        "gRPC, PostgreSQL, 64: two servers ÷ one",
        Ours("postgresql", servers=2),
        Ours("postgresql"),
    ),
    Case(
        "gRPC, PostgreSQL, 256: two servers ÷ one",
        Ours("postgresql", 256, servers=2),
        Ours("postgresql", 256),
    ),
    Case(
        "HTTP, PostgreSQL, 64: gateway and two servers ÷ one process",
        OursThroughHttp("postgresql", servers=2),
        OursThroughHttp("postgresql"),
    ),
    Case(
        "HTTP ÷ peer, SQLite, 64",
        OursThroughHttp(),
        Peer(),
        at_least=10,
        aim=25,
        quick=True,
    ),
    Case(
        "HTTP ÷ peer, PostgreSQL, 64",
        OursThroughHttp("postgresql"),
        Peer("postgresql"),
        at_least=4,
        aim=10,
        quick=True,
    ),
    Case(
        "CPU per redemption, HTTP ÷ gRPC, 64",
        OursThroughHttp(),
        Ours(command="up"),
        at_most=1.3,
        aim=1.0,
        seen=cpu,
        quick=True,
    ),
    Case(
        "hot limited ÷ uniform, 64",
        Ours(data=requests.redeem_promotions(requests.LIMITED)),
        Ours(),
        at_least=0.8,
        aim=1.0,
        quick=True,
    ),
    Case(
        "hot unlimited ÷ uniform, 64",
        Ours(data=requests.redeem_promotions(requests.UNLIMITED)),
        Ours(),
        at_least=0.8,
        aim=1.0,
    ),
    Case("Zipf ÷ uniform, 64", Ours(data=requests.redeem_promotions(requests.zipf())), Ours()),
    Case(
        "RedeemCoupons ÷ RedeemPromotions, 64",
        _with_codes(_coupons, _COUPON, FEW),
        Ours(),
    ),
    Case("lookups ÷ RedeemPromotions, 64", _with_codes(_lookups, _LOOKUP, FEW), Ours()),
    Case(
        "codes: 10 million ÷ 1 thousand, redeem, SQLite",
        _with_codes(_coded, _CODE, MANY),
        _with_codes(_coded, _CODE, FEW),
        at_least=0.8,
        aim=0.95,
    ),
    Case(
        "codes: 10 million ÷ 1 thousand, lookup latency, SQLite, 1",
        _with_codes(_lookups, _LOOKUP, MANY, in_flight=1),
        _with_codes(_lookups, _LOOKUP, FEW, in_flight=1),
        at_most=1.5,
        aim=1.1,
        seen=latency,
    ),
    Case(
        "codes: 1 million ÷ 1 thousand, redeem, PostgreSQL",
        _with_codes(_coded, _CODE, MANY_ON_POSTGRESQL, engine="postgresql"),
        _with_codes(_coded, _CODE, FEW, engine="postgresql"),
        at_least=0.8,
        aim=0.95,
    ),
)
