"""How many files and connections this process may have open."""

import resource


def allow_open_files() -> None:
    """Raises the soft limit to the hard one: each connection is an open file.

    The usual soft limit, 1,024, is there for programs that use select(); nothing here does.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
