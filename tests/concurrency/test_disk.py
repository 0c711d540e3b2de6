"""The disk of a running service cannot be written any more, and later it can."""

import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.books import books_at, books_of
from tests.support.both_doors import LOOKUP, BothDoors, both_doors, catalog
from tests.support.eventually import eventually
from tests.support.load import redeem_body
from tests.support.process import COMMAND, environment, run
from tests.support.service import REDEMPTIONS
from tests.support.till import GRANTED, assert_nothing_was_granted_twice, busy

CALLERS = 4
PAGE_BYTES = 4_096
# What keeps a process from writing to the folder of its database, for a while.
Trouble = Callable[[int, Path], AbstractContextManager[None]]


@contextmanager
def too_large(pid: int, _folder: Path) -> Iterator[None]:
    """The process may not write beyond the first page of any file."""
    no_limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (PAGE_BYTES, no_limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, no_limits)


@contextmanager
def read_only(_pid: int, folder: Path) -> Iterator[None]:
    """Nobody may write to the files, not even who has them open."""
    files = [file for file in folder.iterdir() if not file.name.endswith("-shm")]
    attempt("chattr", "+i", *files)
    try:
        yield
    finally:
        attempt("chattr", "-i", *files)


@contextmanager
def full(_pid: int, folder: Path) -> Iterator[None]:
    """The file system has no room left."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(PAGE_BYTES))
    try:
        yield
    finally:
        ballast.unlink()


def attempt(*command: str | Path) -> None:
    """Does what only some users on some machines can do."""
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"cannot {command[0]} here")


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    attempt("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the service has its database."""
    return tmp_path / "var"


@pytest.fixture(params=[too_large, read_only, full], ids=lambda trouble: trouble.__name__)
def trouble(request: pytest.FixtureRequest, folder: Path) -> Iterator[Trouble]:
    if request.param is full:
        with small_disk(folder):
            yield full
    else:
        yield request.param


def url_of(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'redemption.db'}"


def look_into(folder: Path, statement: str) -> object:
    """What a statement finds in the file, which another process may be writing to."""
    uri = f"file:{folder / 'redemption.db'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        return connection.execute(statement).fetchone()[0]


async def assert_can_only_read(service: BothDoors, folder: Path) -> None:
    refused = await service.http.post(REDEMPTIONS, json=redeem_body("http"))
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    found = await service.http.get(LOOKUP)
    assert found.status_code == 200
    recorded = look_into(folder, "SELECT count(*) FROM promotion_transaction")
    assert found.json()["data"][0]["redemptionCount"] == recorded


@pytest.mark.provokes("UNAVAILABLE")
async def test_a_disk_that_cannot_be_written_is_missed_and_found_again(
    trouble: Trouble, folder: Path, tmp_path: Path
) -> None:
    async with both_doors(tmp_path) as service:
        till = service.till
        async with busy(till, CALLERS):
            await till.hears(GRANTED, 20)
            with trouble(service.process.pid, folder):
                await eventually(service.is_down)
                await assert_can_only_read(service, folder)
                await till.hears("UNAVAILABLE", 5 * CALLERS)
            assert await eventually(service.is_up) < 5
            await till.hears(GRANTED, 20)
        service.process.signal(signal.SIGTERM)
        assert service.process.wait() == 0
    refused = [answer for answer in till.answers if not answer.is_settled]
    assert {answer.said for answer in refused} == {"UNAVAILABLE"}
    assert {answer.advice["retry"] for answer in refused} == {"safe"}
    # Only who was there when the disk failed has to ask what became of the call.
    assert sum(answer.may_be_recorded for answer in refused) <= CALLERS
    assert max(answer.seconds for answer in refused) < 1
    assert_nothing_was_granted_twice(till.answers)
    assert await books_at(url_of(folder)) == books_of(*till.identifiers)
    assert look_into(folder, "PRAGMA integrity_check") == "ok"


def attempt_start(folder: Path, *command: str | Path, **settings: str) -> str:
    """What a command says that cannot start for want of a disk that can be written."""
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=environment(grpc_address="127.0.0.1:0", **settings),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip(f"there is no {command[0]} here")
    assert ended.returncode == 1, ended
    return ended.stderr


def with_room_for(pages: int) -> tuple[str, ...]:
    return "prlimit", f"--fsize={pages * PAGE_BYTES}"


# Modes of files are nothing to root unless it gives that power away.
WITHOUT_PRIVILEGE = (
    ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    if os.geteuid() == 0
    else ()
)


def test_a_disk_that_is_full_from_the_start_is_a_clear_error(tmp_path: Path) -> None:
    said = attempt_start(tmp_path, *with_room_for(1), COMMAND, "server")
    assert said.startswith("cannot open the database")
    assert "disk I/O error" in said


def test_a_file_that_is_read_only_from_the_start_is_a_clear_error(
    tmp_path: Path, folder: Path
) -> None:
    assert run("migrate", folder=tmp_path).returncode == 0
    (folder / "redemption.db").chmod(0o400)
    folder.chmod(0o500)
    try:
        said = attempt_start(tmp_path, *WITHOUT_PRIVILEGE, COMMAND, "server")
    finally:
        folder.chmod(0o700)
    assert said.startswith("cannot open the database")
    assert "readonly database" in said


def test_a_disk_that_is_too_full_for_the_catalog_is_a_clear_error(tmp_path: Path) -> None:
    assert run("migrate", folder=tmp_path).returncode == 0
    # Enough for what SQLite needs to open the file.
    limited = with_room_for(9)
    said = attempt_start(tmp_path, *limited, COMMAND, "server", catalog=catalog(tmp_path))
    assert "Traceback" not in said
    assert "unavailable" in said
