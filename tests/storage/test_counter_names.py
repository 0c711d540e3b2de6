"""What a finding calls a counter, whatever is stored in its key."""

import pytest
from redemption_server.rules.facts import CounterKey, Scope
from redemption_server.storage.verify.counters import _name


@pytest.mark.parametrize(
    ("window_start", "shown"),
    [(0, ""), (739_252, "/2025-01-01"), (-1, "/-1"), (2**40, f"/{2**40}")],
)
def test_a_counter_is_named_by_its_day_or_by_whatever_stands_there(
    window_start: int, shown: str
) -> None:
    key = CounterKey(Scope.PROMOTION, "p1", "", window_start)
    assert _name(key).removeprefix("counters/PROMOTION/p1") == shown
