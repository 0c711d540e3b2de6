"""Loads from real generators: ghz for gRPC, wrk for HTTP. Each answer is looked at."""

import json
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import basic

_CONNECTIONS = 4
_LUA = Path(__file__).parent / "redeem.lua"
REDEEM_PROMOTIONS = "redemption.v1.PromotionRedemptionService.RedeemPromotions"
LIST_PROMOTION_REDEMPTIONS = "redemption.v1.PromotionRedemptionService.ListPromotionRedemptions"
REDEEM_COUPONS = "redemption.v1.CouponRedemptionService.RedeemCoupons"


class LoadError(Exception):
    """An answer was wrong, or a generator is missing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load showed: right answers, and latencies in milliseconds."""

    calls: int
    seconds: float
    p50: float
    p95: float
    p99: float

    @property
    def per_second(self) -> float:
        """Right answers per second."""
        return self.calls / self.seconds


@dataclass(frozen=True, slots=True)
class GrpcLoad:
    """Calls of one RPC, so many in flight. `data` is a template of ghz."""

    call: str
    data: str
    in_flight: int
    protoset: Path

    def run(self, port: int, seconds: float) -> Measured:
        """Sends for so long, and waits for what is under way. Raises LoadError."""
        return self._send(port, "-z", f"{seconds}s", "--duration-stop", "wait")

    def send(self, port: int, calls: int) -> Measured:
        """Sends so many calls. Raises LoadError."""
        return self._send(port, "-n", str(calls))

    def _send(self, port: int, *amount: str) -> Measured:
        command = [
            _generator("ghz"),
            *("--insecure", "--protoset", str(self.protoset), "--call", self.call),
            *("-d", self.data, "-m", json.dumps({"authorization": basic()})),
            *("-c", str(self.in_flight), "--connections", str(min(_CONNECTIONS, self.in_flight))),
            *(*amount, "-O", "json"),
            f"127.0.0.1:{port}",
        ]
        report = json.loads(_output(command))
        calls = report["count"]
        if report["statusCodeDistribution"] != {"OK": calls}:
            raise LoadError(f"{report['statusCodeDistribution']} {report['errorDistribution']}")
        latencies = {
            one["percentage"]: one["latency"] / 1e6 for one in report["latencyDistribution"]
        }
        # What is waited for at the end was sent, and took, as long as the rest.
        return Measured(calls, report["total"] / 1e9, latencies[50], latencies[95], latencies[99])


@dataclass(frozen=True, slots=True)
class HttpLoad:
    """Redemptions over so many connections."""

    in_flight: int

    def run(self, port: int, seconds: float) -> Measured:
        """Sends for so long; what is under way at the end is not waited for. Raises LoadError."""
        command = [
            _generator("wrk"),
            *("-t", "1", "-c", str(self.in_flight), "-d", f"{round(seconds)}s"),
            *(
                "--timeout",
                "30s",
                "-s",
                str(_LUA),
                f"http://127.0.0.1:{port}",
                "--",
                uuid.uuid4().hex,
            ),
        ]
        report = json.loads(_output(command).strip().rpartition("\n")[2])
        if report["wrong"] or report["broken"]:
            raise LoadError(str(report))
        latencies = (report["p50"], report["p95"], report["p99"])
        return Measured(report["right"], report["seconds"], *latencies)


def _output(command: list[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise LoadError(ended.stderr or ended.stdout)
    return ended.stdout


def _generator(name: str) -> str:
    go = Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin"
    found = shutil.which(name, path=os.pathsep.join((os.environ["PATH"], str(go))))
    if not found:
        raise LoadError(f"{name} is missing: see benchmarks/README.md")
    return found
