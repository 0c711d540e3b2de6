"""Chance that can be repeated: a failure says which seed it had."""

import logging
import os
import random

SEED_VARIABLE = "REDEMPTION_TEST_SEED"
# Read here, since tests run with a scrubbed environment.
_GIVEN = os.environ.get(SEED_VARIABLE)
_log = logging.getLogger(__name__)


def new_chance() -> random.Random:
    """Chance under a new seed, or under the one in the environment."""
    seed = int(_GIVEN) if _GIVEN else random.SystemRandom().randrange(2**32)
    # pytest shows it with a failure.
    _log.warning("%s=%d repeats this chance", SEED_VARIABLE, seed)
    return random.Random(seed)
