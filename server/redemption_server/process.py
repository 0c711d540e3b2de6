"""What a process that serves asks of its system and its interpreter."""

import gc
import resource

# Most of what a batch makes is gone soon, without any help: looking for cycles among it after
# every few hundred objects, as is usual, costs more than a tenth of the time.
_NEW_OBJECTS = 50_000


def allow_open_files() -> None:
    """Raises the soft limit to the hard one: each connection is an open file.

    The usual soft limit, 1,024, is there for programs that use select(); nothing here does.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def collect_garbage_seldom() -> None:
    """Has the interpreter look for cycles of dead objects less often."""
    _, *older = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *older)
