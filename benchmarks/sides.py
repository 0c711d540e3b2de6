"""The sides of a comparison: which service runs, and what load it is under."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import requests
from benchmarks.loads import REDEEM_PROMOTIONS, GrpcLoad, HttpLoad, Measured
from benchmarks.services import Databases, Service, noop, ours, peer


@dataclass(frozen=True, slots=True)
class Setting:
    """Where services run."""

    folder: Path
    databases: Databases
    protoset: Path
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def new_folder(self) -> Path:
        """A name for a folder that is not there yet."""
        return self.folder / f"service{next(self._numbers)}"


@contextmanager
def new_setting() -> Iterator[Setting]:
    """A setting in a folder of its own; both are gone in the end."""
    with TemporaryDirectory(prefix="bench") as name:
        folder = Path(name)
        setting = Setting(folder, Databases(folder), folder / "image.binpb")
        requests.write_protoset(setting.protoset)
        try:
            yield setting
        finally:
            setting.databases.close()


@dataclass(slots=True)
class Running:
    """A service under load, and what was seen of it. `table` holds a row for each right answer."""

    service: Service
    load: GrpcLoad | HttpLoad
    table: str = ""
    answered: int = 0
    rounds: int = 0
    measured: list[Measured] = field(default_factory=list)
    cpu_microseconds: list[float] = field(default_factory=list)

    def run(self, seconds: float, *, warm_up: bool = False) -> None:
        """Loads the service for a round, all its servers at once."""
        before = self.service.cpu_seconds()
        grpc = isinstance(self.load, GrpcLoad)
        ports = self.service.grpc_ports if grpc else [self.service.http_port]
        with ThreadPoolExecutor(len(ports)) as pool:
            loads = list(pool.map(lambda port: self.load.run(port, seconds), ports))
        together = _together(loads)
        self.answered += together.calls
        self.rounds += 1
        if not warm_up:
            self.measured.append(together)
            cpu = self.service.cpu_seconds() - before
            self.cpu_microseconds.append(cpu / together.calls * 1e6)

    def check(self) -> None:
        """Compares what was answered with what is recorded, and verifies the records.

        wrk does not wait for what is under way at its end, so that a little more may be recorded.
        """
        if self.table:
            recorded = self.service.recorded(self.table)
            more = self.rounds * self.load.in_flight if isinstance(self.load, HttpLoad) else 0
            assert self.answered <= recorded <= self.answered + more, (self.answered, recorded)
        self.service.verify()


def _together(loads: list[Measured]) -> Measured:
    """Loads that ran side by side, as one; its latencies are the worst ones."""
    return Measured(
        sum(one.calls for one in loads),
        max(one.seconds for one in loads),
        *(max(getattr(one, name) for one in loads) for name in ("p50", "p95", "p99")),
    )


@dataclass(frozen=True, slots=True)
class Ours:
    """Our service under calls of an RPC; `stock` furnishes its database before it starts."""

    engine: str = "sqlite"
    in_flight: int = 64
    data: str = requests.redeem_promotions()
    call: str = REDEEM_PROMOTIONS
    table: str = "promotion_transaction"
    servers: int = 1
    command: str = "server"
    stock: Callable[[str], None] | None = None

    @contextmanager
    def open(self, setting: Setting) -> Iterator[Running]:
        """Runs it."""
        url = setting.databases.new(self.engine)
        load = GrpcLoad(self.call, self.data, self.in_flight // self.servers, setting.protoset)
        processes = ours(setting.new_folder(), url, self.command, self.servers, self.stock)
        with processes as service:
            yield Running(service, load, self.table)


@dataclass(frozen=True, slots=True)
class OursThroughHttp:
    """Our service with its gateway in one process, under redemptions.

    With `servers` their processes stand behind that of one gateway.
    """

    engine: str = "sqlite"
    in_flight: int = 64
    servers: int = 0

    @contextmanager
    def open(self, setting: Setting) -> Iterator[Running]:
        """Runs it."""
        url = setting.databases.new(self.engine)
        if self.servers:
            processes = ours(setting.new_folder(), url, servers=self.servers, gateway=True)
        else:
            processes = ours(setting.new_folder(), url, "up")
        with processes as service:
            yield Running(service, HttpLoad(self.in_flight), "promotion_transaction")


@dataclass(frozen=True, slots=True)
class Noop:
    """The server that does nothing, under calls of `RedeemPromotions`."""

    in_flight: int = 64

    @contextmanager
    def open(self, setting: Setting) -> Iterator[Running]:
        """Runs it."""
        data = requests.redeem_promotions()
        with noop() as service:
            yield Running(
                service, GrpcLoad(REDEEM_PROMOTIONS, data, self.in_flight, setting.protoset)
            )


@dataclass(frozen=True, slots=True)
class Peer:
    """The obvious build, under redemptions through HTTP."""

    engine: str = "sqlite"
    in_flight: int = 64

    @contextmanager
    def open(self, setting: Setting) -> Iterator[Running]:
        """Runs it."""
        with peer(setting.databases.new(self.engine)) as service:
            yield Running(service, HttpLoad(self.in_flight), '"transaction"')


Side = Ours | OursThroughHttp | Noop | Peer
