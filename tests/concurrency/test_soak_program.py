"""The soak, small: that its program runs and finds nothing wrong, and that it would find it."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from redemption.v1.outcome_service_pb2 import OUTCOME_STATE_NOT_RECORDED, GetOutcomeResponse

from tests.soak import judge
from tests.soak.book import CodeSales, Known
from tests.soak.calls import Answer, Call, GrpcAsk, one_of
from tests.soak.sales import Found

ROOT = Path(__file__).parents[2]
CALLS = 1_500


def test_a_small_soak_breaks_no_rule(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    ended = subprocess.run(
        [sys.executable, "-m", "tests.soak.soak", "--calls", str(CALLS), "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(file.read_text())
    assert report["violations"] == {}
    assert report["calls"] == CALLS
    assert 0.15 < report["abandoned"] / CALLS < 0.25
    # It was a mixture: good calls and bad ones, through both doors.
    assert {"sale", "coupons", "lookup", "outcome of a sale"} <= report["outcomes"].keys()
    statuses: Counter[str] = Counter()
    for outcomes in report["outcomes"].values():
        statuses.update(outcomes)
    assert statuses["200"] > 200
    assert statuses["OK"] > 200
    assert {"400", "401", "403", "404", "405", "409", "415", "closed"} <= statuses.keys()
    assert {"INVALID_ARGUMENT", "NOT_FOUND", "UNAUTHENTICATED"} <= statuses.keys()
    assert {"PERMISSION_DENIED", "ALREADY_EXISTS", "UNIMPLEMENTED"} <= statuses.keys()


def answered(answer: Answer, *allowed: str) -> str:
    """What the judge says of an answer to a call that only some answers are right for."""
    violation = judge.violation_of(Call("lookup", GrpcAsk("", b""), one_of(*allowed)), answer)
    return violation.name if violation else ""


@pytest.mark.parametrize(
    "answer",
    [
        Answer("500"),
        Answer("503"),
        Answer("504"),
        Answer("INTERNAL"),
        Answer("INTERNAL", "INTERNAL"),
        Answer("UNKNOWN"),
        Answer("UNAVAILABLE", "OVERLOADED"),
        Answer("ABORTED", "CONTENTION"),
        Answer("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
        Answer("CANCELLED"),
    ],
)
def test_a_failure_of_the_service_is_seen_whatever_was_asked(answer: Answer) -> None:
    allowed = answer.reason or answer.status
    assert answered(answer, allowed) == "a failure of the service"


def test_an_answer_that_is_not_the_right_one_is_seen() -> None:
    assert answered(Answer("404"), "404", "CODE_NOT_FOUND") == ""
    assert answered(Answer("NOT_FOUND", "CODE_NOT_FOUND"), "404", "CODE_NOT_FOUND") == ""
    assert answered(Answer("200"), "404", "CODE_NOT_FOUND") == "wrong answer"
    other = Answer("NOT_FOUND", "CUSTOMER_NOT_FOUND")
    assert answered(other, "404", "CODE_NOT_FOUND") == "wrong answer"


def test_an_answer_that_cannot_be_read_is_seen() -> None:
    def check(answer: Answer) -> str:
        return str(json.loads(answer.body)["data"])

    violation = judge.violation_of(Call("sale", GrpcAsk("", b""), check), Answer("200", "", b"{"))
    assert violation
    assert violation.name == "wrong answer"


def test_a_message_of_another_type_is_seen() -> None:
    def check(answer: Answer) -> str:
        state = GetOutcomeResponse.FromString(answer.body).state
        return "" if state == OUTCOME_STATE_NOT_RECORDED else "recorded"

    call = Call("outcome of a sale", GrpcAsk("", b""), check)
    assert judge.violation_of(call, Answer("OK", "", b"\xff"))


def test_what_is_granted_twice_or_answered_otherwise_is_seen() -> None:
    known = Known("sale")
    assert known.told(("a",), repeated=False, was_recorded=False) == ""
    assert known.told(("a",), repeated=True, was_recorded=True) == ""
    assert known.told(("b",), repeated=True, was_recorded=True)
    assert known.told(("b",), repeated=False, was_recorded=True) == "granted twice"


@pytest.mark.parametrize(
    ("found", "is_right"),
    [
        pytest.param({"a": 2}, True, id="what is known"),
        pytest.param({"a": 2, "b": 1}, True, id="what may be, too"),
        pytest.param({"b": 1}, False, id="not what is known"),
        pytest.param({"a": 3}, False, id="counted otherwise"),
        pytest.param({"a": 2, "c": 1}, False, id="of somebody else"),
    ],
)
def test_a_lookup_must_find_what_is_recorded_and_nothing_else(
    found: dict[str, int], is_right: bool
) -> None:
    sales = CodeSales(sent={"a": 2, "b": 1})
    complaint = sales.complaint(Found({"a": 2}, 2), Found(found, sum(found.values())), each=True)
    assert (complaint == "") == is_right


FLAT = [130.0 + number % 5 for number in range(200)]


def names(*found: judge.Violation) -> list[str]:
    return [violation.name for violation in found]


def test_memory_that_grows_is_seen() -> None:
    assert names(*judge.growth(FLAT)) == []
    growing = [mib + 0.3 * number for number, mib in enumerate(FLAT)]
    assert names(*judge.growth(growing)) == ["memory grows"]


def test_memory_that_grows_less_than_the_bound_or_for_a_moment_is_fine() -> None:
    growing = [mib + 0.2 * number for number, mib in enumerate(FLAT)]
    assert names(*judge.growth(growing)) == []
    # An expensive hash takes 64 MiB, two at once.
    peaks = [mib + 128.0 * (number % 3 == 0) for number, mib in enumerate(FLAT)]
    assert names(*judge.growth(peaks)) == []


@pytest.mark.parametrize("rss_mib", [[], FLAT[:4], [0.0] * 200])
def test_memory_that_was_not_seen_is_no_flat_memory(rss_mib: list[float]) -> None:
    assert names(*judge.growth(rss_mib)) == ["memory is not known"]


def test_descriptors_that_stay_open_are_seen() -> None:
    assert names(*judge.leak(32, 32 + judge.MORE_DESCRIPTORS_MAX)) == []
    assert names(*judge.leak(32, 33 + judge.MORE_DESCRIPTORS_MAX)) == ["descriptors leak"]


@pytest.mark.parametrize(
    ("line", "is_error"),
    [
        ({"level": "error", "event": "call failed"}, True),
        ({"level": "critical", "event": "a"}, True),
        ({"event": "ERROR:asyncio:Task exception was never retrieved\n"}, True),
        ({"event": "Traceback (most recent call last):\n"}, True),
        ({"level": "info", "event": "stopped"}, False),
        ({"level": "info", "event": "authentication failed", "why": "wrong secret"}, False),
        ({"event": "E1126 02:21:02.155052 hpack_parser.cc:1048] Error parsing 'te'\n"}, False),
    ],
)
def test_an_error_in_the_log_is_seen(line: dict[str, str], is_error: bool) -> None:
    assert names(*judge.errors([line])) == ["error in the log"] * is_error
