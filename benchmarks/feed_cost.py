"""What three watchers and a webhook cost the redemptions that they are told of.

    python -m benchmarks.feed_cost

Two servers, one that tells and one that nobody listens to, get the same durable redemptions in
alternation, from ghz; the watchers and the receiver of the webhook have processes of their own. All
share the processors of the machine, so beside throughputs it compares the processor time of the
servers, from the kernel. Then it measures how far behind watchers are at a steady rate.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.feed_servers import IN_FLIGHT, WATCHERS, Round, Server, Told, servers

RATIO_AT_LEAST = 0.9
DRAINED_WITHIN_SECONDS = 60.0
LAG_BELOW_MS = 1_000
_PATIENCE_SECONDS = 600.0
_SUSTAINED = 0.97
_SLOWER = 0.8


async def measure_cost(told: Told, quiet: Server, rounds: int, calls: int) -> dict[str, Any]:
    """Throughputs and processor times with and without listeners, in alternation."""
    with_, without, whole = [], [], []
    for number in range(rounds):
        if number % 2:
            without.append(await quiet.load(calls))
        before = told.server.cpu_seconds()
        with_.append(await told.server.load(calls))
        await told.watched()
        await told.drained(_PATIENCE_SECONDS)
        whole.append((told.server.cpu_seconds() - before) / calls * 1e6)
        if not number % 2:
            without.append(await quiet.load(calls))
    return {
        "per_second_with": _spread(one.per_second for one in with_),
        "per_second_without": _spread(one.per_second for one in without),
        "ratio": _spread(a.per_second / b.per_second for a, b in zip(with_, without, strict=True)),
        "cpu_us_with": _spread(one.cpu_microseconds for one in with_),
        "cpu_us_without": _spread(one.cpu_microseconds for one in without),
        "cpu_us_with_to_the_drain": _spread(whole),
        "cpu_ratio": _spread(
            a.cpu_microseconds / b.cpu_microseconds for a, b in zip(with_, without, strict=True)
        ),
    }


async def measure_drain(told: Told, calls: int) -> dict[str, Any]:
    """How long after a long load the webhook has been told everything."""
    before = (await told.drained(0))["received"]
    load = await told.server.load(calls)
    await told.watched()
    drained = await told.drained(2 * DRAINED_WITHIN_SECONDS)
    return {
        "calls": calls,
        "per_second": load.per_second,
        "delivered_meanwhile": drained["before"] - before,
        "delivered_after": drained["received"] - drained["before"],
        "repeated": drained["repeated"],
        "missing": told.server.sequence - drained["sequence"],
        "seconds": drained["seconds"],
    }


async def measure_lag(told: Told, rate: float, seconds: float) -> dict[str, Any]:
    """How late events reach watchers at a steady rate: the highest up to `rate` that is kept up."""
    while True:
        await told.watched()
        load: Round = await told.server.load_steadily(rate, seconds)
        lags = await told.watched()
        if load.per_second >= rate * _SUSTAINED:
            break
        print(f"{rate:,.0f} per second are not kept up, only {load.per_second:,.0f}")
        rate = min(rate, load.per_second) * _SLOWER
    percentiles = statistics.quantiles(lags, n=100, method="inclusive")
    return {
        "per_second": load.per_second,
        "events": len(lags),
        "cpu_us": load.cpu_microseconds,
        "p50_ms": percentiles[49],
        "p99_ms": percentiles[98],
        "max_ms": lags[-1],
    }


def _spread(values: Iterable[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "lowest": ordered[0], "highest": ordered[-1]}


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures, and which bounds were missed."""
    async with servers() as (told, quiet):
        for server in (told.server, quiet):
            await server.load(arguments.calls)
        await told.watched()
        await told.drained(_PATIENCE_SECONDS)
        cost = await measure_cost(told, quiet, arguments.rounds, arguments.calls)
        drain = await measure_drain(told, arguments.drain_calls)
        await told.drained(_PATIENCE_SECONDS)
        lag = await measure_lag(told, arguments.rate, arguments.seconds)
    bounds = {
        f"ratio at least {RATIO_AT_LEAST}": cost["ratio"]["median"] >= RATIO_AT_LEAST,
        f"drained within {DRAINED_WITHIN_SECONDS:.0f} s": not drain["missing"]
        and drain["seconds"] <= DRAINED_WITHIN_SECONDS,
        f"lag below {LAG_BELOW_MS} ms": lag["max_ms"] < LAG_BELOW_MS,
    }
    return {"cost": cost, "drain": drain, "lag": lag, "bounds": bounds}


def table(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as lines."""
    yield f"{WATCHERS} watchers and a webhook, {IN_FLIGHT} calls in flight; median (spread)"
    for title, name, form in (
        ("redemptions per second with", "per_second_with", ",.0f"),
        ("redemptions per second without", "per_second_without", ",.0f"),
        ("ratio, round by round", "ratio", ".3f"),
        ("server CPU µs per redemption with", "cpu_us_with", ".0f"),
        ("… to the end of the deliveries", "cpu_us_with_to_the_drain", ".0f"),
        ("server CPU µs per redemption without", "cpu_us_without", ".0f"),
        ("ratio with to without", "cpu_ratio", ".3f"),
    ):
        median, *ends = (format(value, form) for value in figures["cost"][name].values())
        yield f"  {title:<38}{median:>8}  ({' to '.join(ends)})"
    drain, lag = figures["drain"], figures["lag"]
    yield f"Webhook after {drain['calls']:,} redemptions at {drain['per_second']:,.0f} per second"
    yield f"  {'delivered meanwhile':<38}{drain['delivered_meanwhile']:>8,}"
    yield f"  {'delivered after':<38}{drain['delivered_after']:>8,}"
    yield f"  {'seconds until all were':<38}{drain['seconds']:>8.1f}"
    yield f"Lag of watchers at {lag['per_second']:,.0f} redemptions per second, webhook delivering"
    for name in ("p50_ms", "p99_ms", "max_ms"):
        yield f"  {name.replace('_', ', '):<38}{lag[name]:>8,.0f}"
    for bound, met in figures["bounds"].items():
        yield f"{bound}: {'yes' if met else 'NO'}"


def main() -> int:
    """Prints the figures; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--calls", type=int, default=3_000, help="in a round")
    parser.add_argument("--drain-calls", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=1_000)
    parser.add_argument("--seconds", type=float, default=15, help="at the steady rate")
    parser.add_argument("--json", type=Path, help="a file to write the figures to")
    arguments = parser.parse_args()
    figures = uvloop.run(measure(arguments))
    print("\n".join(table(figures)))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return not all(figures["bounds"].values())


if __name__ == "__main__":
    sys.exit(main())
