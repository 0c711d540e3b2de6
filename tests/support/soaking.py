"""Whether the suite runs long: `HYPOTHESIS_PROFILE=soak`, as `make soak` has it."""

import os

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


def examples(short: int, long: int) -> int:
    """How many examples a property is tried on."""
    return long if SOAK else short
