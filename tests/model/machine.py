"""What both machines share: a model to compare with, and two servers on one database.

After each step the answers are those of the model. When both servers decide at once, either may
have come first, but each as a whole. Which one did is chance: a failure that comes with it may be
called flaky, and what it reports first is still true.
"""

import asyncio
import os
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Hashable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from redemption_server.rules.commands import Caller, Command
from redemption_server.rules.outcomes import Granted, Outcome, Replayed
from redemption_server.rules.refusals import Violation
from redemption_server.storage.verify.findings import Finding
from sqlalchemy import Connection, text

from tests.storage.ledger import find
from tests.support import catalogs
from tests.support.desk import CALLER, Desk, open_desk

GRANTED, REPLAYED, REFUSED = "GRANTED", "REPLAYED", "REFUSED"
# In Kolkata a day, a week and a month have just begun; in UTC all three are about to end.
START = datetime(2026, 5, 31, 19, 0, 0, 8_000, UTC)
EVENTS = (
    "SELECT sequence, record_id, last FROM event LEFT JOIN event_sequence "
    "ON event_sequence.org_id = event.org_id WHERE event.org_id = :org ORDER BY sequence"
)
PARTS = ("code", "customer", "budget")
REASONS = ("CANCEL", "RETURN", "FRAUD", "CHARGEBACK", "TEST")
Returned = frozenset[str]
_USUALLY: dict[str, Returned] = {
    "CANCEL": frozenset(PARTS),
    "RETURN": frozenset({"budget"}),
    "FRAUD": frozenset(),
    "CHARGEBACK": frozenset(),
    "TEST": frozenset(PARTS),
}
some_reasons = st.sampled_from(["CANCEL"] * 3 + ["RETURN"] * 2 + list(REASONS))
some_policies: st.SearchStrategy[dict[str, list[str]]] = st.just({}) | st.dictionaries(
    st.sampled_from(REASONS), st.lists(st.sampled_from(PARTS), unique=True), max_size=2
)
"""By reason, what comes back instead of what usually does."""
_TOLD = (
    "promotion_id",
    "code",
    "scope",
    "limit",
    "used",
    "requested",
    "redeemable_from",
    "field",
)


class Verdict(NamedTuple):
    """What a request is answered, and what is recorded under its key if anything is."""

    told: Hashable
    record: Any = None


class Model(Protocol):
    """Judges requests by what the catalog says and `recorded` holds, both by scanning."""

    recorded: Mapping[str, Any]

    def judge(self, request: Any, now: datetime) -> Verdict: ...


def comes_back(written: Mapping[str, Any], reason: str) -> Returned:
    """What a promotion or series, as the catalog writes it, gives back for a reason."""
    for policy in written.get("reversal_policies", []):
        if policy["reason"] == reason:
            return frozenset(part for part in PARTS if policy.get(part))
    return _USUALLY[reason]


def parts(returned: int) -> Returned:
    """What came back, as it is stored."""
    return frozenset(part for bit, part in enumerate(PARTS) if returned >> bit & 1)


def policies(sets: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Policies as the catalog writes them."""
    return [{"reason": reason, **dict.fromkeys(what, True)} for reason, what in sets.items()]


def counting(counted: Mapping[Any, tuple[int, Any]]) -> dict[Any, tuple[int, Any]]:
    """The counters that count something: of the others rows may be there or not."""
    return {where: found for where, found in counted.items() if found[0]}


def why(violation: Violation) -> tuple[str, ...]:
    """A violation as far as it is compared."""
    told = violation.metadata
    return (violation.reason.value, *(told[name] for name in _TOLD if name in told))


def instant(milliseconds: int) -> datetime:
    """A stored instant."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


class Stage:
    """Two servers on one database. Each example plays in an organisation of its own."""

    def __init__(
        self, run: Callable[[Coroutine[Any, Any, Any]], Any], desks: Sequence[Desk]
    ) -> None:
        self._run = run
        self._desks = desks
        self._org_ids = count(catalogs.ORG)
        self._org_id = 0

    def begin(self) -> None:
        """Starts another example."""
        self._org_id = next(self._org_ids)
        for desk in self._desks:
            desk.clock.now = START

    @property
    def caller(self) -> Caller:
        return CALLER._replace(org_id=self._org_id)

    @property
    def now(self) -> datetime:
        return self._desks[0].clock.now

    def advance(self, by: timedelta) -> None:
        for desk in self._desks:
            desk.clock.advance(by)

    def apply(self, **changes: Any) -> None:
        """Applies the organisation, without credentials, whose hashes take long."""
        organization = catalogs.organization(id=self._org_id, credentials=[], **changes)
        self._run(self._desks[0].apply(organization))

    def submit(self, batches: Sequence[Sequence[Command]]) -> list[list[Outcome]]:
        """Hands each server a batch, all at once."""

        async def submitted() -> list[list[Outcome]]:
            return await asyncio.gather(
                *(
                    asyncio.gather(*(desk.queue.submit(command) for command in batch))
                    for desk, batch in zip(self._desks, batches, strict=False)
                )
            )

        outcomes: list[list[Outcome]] = self._run(submitted())
        return outcomes

    def findings(self) -> list[Finding]:
        """What verifying finds in the organisation."""

        async def found() -> list[Finding]:
            async with self._desks[0].database.snapshot() as connection:
                return await connection.run_sync(find, self._org_id)

        findings: list[Finding] = self._run(found())
        return findings

    def read(self, statements: Mapping[str, str]) -> dict[str, list[tuple[Any, ...]]]:
        """What each statement finds of the organisation, which it names `:org`."""

        def found(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
            results = {
                name: connection.execute(text(statement), {"org": self._org_id})
                for name, statement in statements.items()
            }
            return {name: [tuple(row) for row in rows] for name, rows in results.items()}

        rows: dict[str, list[tuple[Any, ...]]] = self._run(self._desks[0].database.read(found))
        return rows


class Machine(RuleBasedStateMachine):
    """A machine whose rules end in `submit`."""

    model: Model

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        stage.begin()
        self.asked = 0
        self._answers: dict[str, Any] = {}

    def teardown(self) -> None:
        """What an example leaves agrees with itself."""
        assert self.stage.findings() == []

    @abstractmethod
    def command(self, request: Any) -> Command:
        """What is sent for a request of the model."""

    @abstractmethod
    def told(self, outcome: Outcome) -> Hashable:
        """An outcome in the words of the model."""

    @abstractmethod
    def answer(self, outcome: Granted | Replayed) -> Any:
        """What a repeat must be told again."""

    def submit(self, *batches: Sequence[Any]) -> None:
        """Submits a batch at each server and compares the answers with those of the model."""
        self.asked += 1
        outcomes = self.stage.submit([[self.command(r) for r in batch] for batch in batches])
        found = [[self.told(outcome) for outcome in batch] for batch in outcomes]
        expected = [self._play(batches, order) for order in permutations(range(len(batches)))]
        matching = [recorded for told, recorded in expected if told == found]
        assert matching, f"answered: {found}\nby the model: {[told for told, _ in expected]}"
        self.model.recorded = matching[0]
        self._compare_answers(
            [
                (request.key, outcome)
                for batch, answered in zip(batches, outcomes, strict=True)
                for request, outcome in zip(batch, answered, strict=True)
            ]
        )

    def _play(
        self, batches: Sequence[Sequence[Any]], order: Sequence[int]
    ) -> tuple[list[list[Hashable]], Mapping[str, Any]]:
        """What the model tells each batch when they come in this order, and what it records."""
        before = self.model.recorded
        told: list[list[Hashable]] = [[] for _ in batches]
        for position in order:
            for request in batches[position]:
                verdict = self.model.judge(request, self.stage.now)
                told[position].append(verdict.told)
                if verdict.record is not None:
                    self.model.recorded = {**self.model.recorded, request.key: verdict.record}
        after, self.model.recorded = self.model.recorded, before
        return told, after

    def _compare_answers(self, answered: Sequence[tuple[str, Outcome]]) -> None:
        for key, outcome in answered:
            if isinstance(outcome, Granted):
                self._answers[key] = self.answer(outcome)
        for key, outcome in answered:
            if isinstance(outcome, Replayed):
                assert self.answer(outcome) == self._answers[key]


def check_events(events: Sequence[tuple[Any, ...]], record_ids: Sequence[str]) -> None:
    """There is one event for each record, and their numbers have no gap."""
    last = len(record_ids)
    assert [(number, total) for number, _, total in events] == [(n + 1, last) for n in range(last)]
    assert sorted(record_id for _, record_id, _ in events) == sorted(record_ids)


@contextmanager
def _open_stage(url: str, folder: Path) -> Iterator[Stage]:
    writers = 1 if url.startswith("sqlite") else 2
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            desks = [
                runner.run(stack.enter_async_context(open_desk(url, folder, writers=writers)))
                for _ in range(2)
            ]
            yield Stage(runner.run, desks)
        finally:
            runner.run(stack.aclose())


def run_machine(machine: Callable[[Stage], Machine], url: str, folder: Path) -> None:
    """Runs a machine on a database, for as long as the profile says."""
    asked = os.environ.get("HYPOTHESIS_PROFILE") or settings.get_current_profile_name()
    profile = settings.get_profile("soak" if asked == "soak" else "model")
    with _open_stage(url, folder) as stage:
        # Any function that makes a machine will do, but for its annotation.
        run_state_machine_as_test(lambda: machine(stage), settings=profile)  # type: ignore[arg-type]
