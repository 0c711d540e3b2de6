"""Tells a state that is exact because nothing went wrong from one that was put right afterwards.

A guard that is backed up by another can go missing unseen: what it kept apart collides, fails and
is run again, and the outcome is right. The count of what was run again is where one sees it.
"""

from collections.abc import Mapping

EXACT_BUT = "still exact, but"


def assert_nothing_was_repaired(repairs: Mapping[str, int]) -> None:
    """To be asserted last: fails when the state, which is right, took repairs to become so."""
    counted = ", ".join(f"{kind} × {count}" for kind, count in sorted(repairs.items()) if count)
    assert not counted, f"{EXACT_BUT} {counted}"
