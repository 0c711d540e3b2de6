"""The rules that a soak is judged by."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from tests.soak.calls import Answer, Call

# What a service of some 130 MiB may grow by from the second to the last fifth: the allocator's
# pieces, and the page cache of SQLite's writer, which fills up to 64 MiB while the file grows.
# Between the middles of both lie 57,000 of 100,000 calls, so half a kilobyte a call is seen.
RSS_GROWTH_SHARE = 0.1
RSS_GROWTH_MIB = 16.0
# Readers of the database that were not needed before. What leaks leaks more in a hundred thousand.
MORE_DESCRIPTORS_MAX = 8
_FIFTHS = 5
# What the service, or what carries its answers, says when something of its own went wrong. Two of
# gRPC's names are not among them where the caller left it hardly any time: see `GrpcDoor`.
_FAILURES = frozenset(
    {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED"}
)
# What the checks raise when an answer is not even of the right kind.
_NO_ANSWERS = (AssertionError, DecodeError, LookupError, TypeError, ValueError)


class Violation(NamedTuple):
    """A rule that was broken, and how."""

    name: str
    detail: str


def violation_of(call: Call, answer: Answer) -> Violation | None:
    """What is wrong with an answer."""
    said = f"{call.kind}: {answer.status} {answer.reason} {answer.body[:300]!r}"
    if is_failure(answer.status):
        return Violation("a failure of the service", said)
    try:
        complaint = call.check(answer)
    except _NO_ANSWERS as error:
        complaint = repr(error)
    return Violation("wrong answer", f"{said}: {complaint}") if complaint else None


def is_failure(status: str) -> bool:
    """Whether a status says that the service failed, rather than that it refuses."""
    return status in _FAILURES or (status.isdigit() and int(status) >= 500)


def growth(rss_mib: Sequence[float]) -> Iterator[Violation]:
    """Whether memory grew between the second and the last fifth of the samples."""
    early, late = medians(rss_mib)
    if not late:
        yield Violation("memory is not known", "too few samples, or the process has ended")
    bound = early * (1 + RSS_GROWTH_SHARE) + RSS_GROWTH_MIB
    if late > bound:
        yield Violation("memory grows", f"from {early:.1f} to {late:.1f} MiB, above {bound:.1f}")


def leak(before: int, after: int) -> Iterator[Violation]:
    """Whether descriptors stay open that nobody uses any more."""
    if after > before + MORE_DESCRIPTORS_MAX:
        yield Violation("descriptors leak", f"from {before} to {after}")


def errors(log: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    """Lines of the log that tell of a failure."""
    for line in log:
        if is_error(line):
            yield Violation("error in the log", str(line))


def is_error(line: Mapping[str, Any]) -> bool:
    """Failures of ours, and of tasks; what gRPC's core says, which is no JSON, is about clients."""
    if "level" in line:
        return line["level"] in ("error", "critical")
    event = str(line["event"])
    return any(word in event for word in ("ERROR:", "CRITICAL:", "Traceback", "Exception"))


def medians(rss_mib: Sequence[float]) -> tuple[float, float]:
    """Of the second and of the last fifth: a peak, such as an expensive hash, does not count."""
    fifth = len(rss_mib) // _FIFTHS
    if not fifth:
        return 0.0, 0.0
    early, late = rss_mib[fifth : 2 * fifth], rss_mib[-fifth:]
    return statistics.median(early), statistics.median(late)
