"""The callers of a soak: so many at once, some of whom go away before they are answered."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator

from tests.soak import judge, vitals
from tests.soak.bad_calls import BadCalls
from tests.soak.book import Book
from tests.soak.calls import Answer, Call, FramesAsk, GrpcAsk, HttpAsk, Impatience
from tests.soak.doors import GrpcDoor, HttpDoor, NoAnswerError
from tests.soak.good_calls import GoodCalls
from tests.soak.judge import Violation
from tests.soak.offer import Codes
from tests.support.process import Process

Turn = tuple[Call, Impatience | None]
CALLERS = 32
ABANDONED = "abandoned"
_ABANDONED_SHARE = 0.2
_GOOD_SHARE = 0.6
_WARM_UP_SHARE, _WARM_UP_MIN = 0.05, 500
_SAMPLES = 200
# Shortest and longest. RPCs are hung up on sooner: whoever hears an answer has not abandoned it.
_PATIENCE = (0.0, 0.05)
_RPC_PATIENCE = (0.0005, 0.01)
# More of them show nothing more.
_VIOLATIONS_MAX = 100


class Soak:
    """So many calls to the service of a process; `run` makes them."""

    def __init__(self, service: Process, codes: Codes, calls: int, seed: int) -> None:
        self._pid = service.pid
        self._grpc_port = service.port("gRPC server listens")
        self._http_port = service.port("HTTP gateway listens")
        self._chance = random.Random(seed)
        book = Book(self._chance, codes)
        self._good, self._bad = GoodCalls(self._chance, book), BadCalls(self._chance, book)
        self._calls = calls
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.violations: list[Violation] = []
        self.rss_mib: list[float] = []
        """Sampled after the warm-up, each time that some share of the calls was made."""
        self.warm_rss_mib = 0.0
        self.warm_descriptors = self.descriptors = 0

    async def run(self) -> None:
        """Warms the service up, lets it rest, makes the other calls, and lets it rest again."""
        first = self._good.before_all()
        await self._make((call, None) for call in first)
        warm_up = max(_WARM_UP_MIN, round(self._calls * _WARM_UP_SHARE))
        await self._make(self._turns(warm_up))
        self.warm_descriptors = await vitals.resting_descriptors(self._pid)
        self.warm_rss_mib = vitals.rss_mib(self._pid)
        await self._make(self._sampled(self._calls - warm_up - len(first)))
        most = self.warm_descriptors + judge.MORE_DESCRIPTORS_MAX
        self.descriptors = await vitals.resting_descriptors(self._pid, most)

    async def _make(self, turns: Iterator[Turn]) -> None:
        """Makes calls, each by whichever caller is free."""
        grpc_door = GrpcDoor(self._grpc_port)
        async with asyncio.TaskGroup() as tasks:
            for caller in range(CALLERS):
                tasks.create_task(self._call(caller, turns, grpc_door))
        await grpc_door.close()

    def _turns(self, calls: int) -> Iterator[Turn]:
        for _ in range(calls):
            if len(self.violations) >= _VIOLATIONS_MAX:
                return
            is_good = self._chance.random() < _GOOD_SHARE
            call = self._good.draw() if is_good else self._bad.draw()
            yield call, self._impatience(call)

    def _sampled(self, calls: int) -> Iterator[Turn]:
        every = max(1, calls // _SAMPLES)
        for number, turn in enumerate(self._turns(calls)):
            if number % every == 0:
                self.rss_mib.append(vitals.rss_mib(self._pid))
            yield turn

    async def _call(self, caller: int, turns: Iterator[Turn], grpc_door: GrpcDoor) -> None:
        http_door = HttpDoor(self._http_port)
        for call, impatience in turns:
            try:
                if isinstance(call.ask, HttpAsk):
                    answers = await http_door.send(call.ask, impatience)
                elif isinstance(call.ask, FramesAsk):
                    answers = await grpc_door.send_frames(call.ask, impatience)
                else:
                    answers = await grpc_door.send(call.ask, caller, impatience)
            except NoAnswerError as error:
                self.outcomes[call.kind, "no answer"] += 1
                self.violations.append(Violation("no answer", f"{call.kind}: {error}"))
            else:
                self._answered(call, answers)
        await http_door.close()

    def _answered(self, call: Call, answers: list[Answer]) -> None:
        self.outcomes[call.kind, answers[0].status if answers else ABANDONED] += 1
        found = (judge.violation_of(call, answer) for answer in answers)
        self.violations += filter(None, found)

    def _impatience(self, call: Call) -> Impatience | None:
        chance = self._chance
        if chance.random() >= _ABANDONED_SHARE:
            return None
        is_rpc = isinstance(call.ask, GrpcAsk)
        at_once, at_last = _RPC_PATIENCE if is_rpc else _PATIENCE
        return Impatience(
            sent=chance.choice([1, chance.random()]),
            seconds=chance.choice([at_once, chance.uniform(at_once, at_last)]),
            abrupt=chance.random() < 0.5,
        )
