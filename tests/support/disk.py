"""A disk that forgets on a power cut what was not synced, rebuilt from a trace of system calls."""

from collections.abc import Iterator
from pathlib import Path

from tests.support.syscalls import Moment

_WRITES = frozenset({"pwrite64", "write"})
_SYNCS = frozenset({"fsync", "fdatasync"})
_OPENS = frozenset({"open", "openat"})
# An index into the write-ahead log that is made anew from it, in shared memory.
_FORGETTABLE = "-shm"


class _File:
    def __init__(self, content: bytes = b"", *, named: bool) -> None:
        self.synced = bytearray(content)
        self.named = named
        """Whether the folder was synced since it was created."""
        self.changes: list[tuple[int, bytes | None]] = []
        """What the synced content lacks: data at an offset, or the end of the file."""

    def sync(self, count: int) -> None:
        for position, data in self.changes[:count]:
            if data is None:
                self._resize(position)
            else:
                end = position + len(data)
                self._resize(max(end, len(self.synced)))
                self.synced[position:end] = data
        del self.changes[:count]

    def _resize(self, size: int) -> None:
        del self.synced[size:]
        self.synced.extend(bytes(size - len(self.synced)))


class Disk:
    """The files of one folder, from what was there when the trace began."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files = {
            file: _File(file.read_bytes(), named=True) for file in self._folder.iterdir()
        }
        self._syncing: dict[int, int] = {}

    def see(self, moment: Moment) -> None:
        """Takes part in a call; one that it does not understand is an error."""
        if moment.result is None:
            self._begin(moment)
        elif moment.result >= 0:
            self._end(moment)

    def sync_all(self) -> None:
        """As if there were no power cut: nothing is forgotten."""
        for file in self._files.values():
            file.named = True
            file.sync(len(file.changes))

    def after_a_power_cut(self) -> dict[str, bytes]:
        """What is there of each file."""
        return {path.name: bytes(file.synced) for path, file in self._files.items() if file.named}

    def _begin(self, moment: Moment) -> None:
        # A sync is about what was written before it began.
        if moment.name in _SYNCS and moment.place in self._files:
            self._syncing[moment.thread] = len(self._files[moment.place].changes)

    def _end(self, moment: Moment) -> None:
        if moment.name in _OPENS:
            self._opened(moment)
        elif moment.name in {"unlink", "unlinkat"}:
            for path in self._ours(moment):
                self._files.pop(path, None)
        elif moment.place == self._folder and moment.name in _SYNCS:
            for file in self._files.values():
                file.named = True
        elif moment.place and self._is_ours(moment.place):
            self._changed(self._files[moment.place], moment)
        else:
            assert not (moment.name.startswith("rename") and list(self._ours(moment))), moment

    def _opened(self, moment: Moment) -> None:
        for path in self._ours(moment):
            assert "O_TRUNC" not in moment.arguments, moment
            if "O_CREAT" in moment.arguments:
                self._files.setdefault(path, _File(named=False))

    def _changed(self, file: _File, moment: Moment) -> None:
        if moment.name in _SYNCS:
            file.sync(self._syncing.pop(moment.thread))
        elif moment.name == "ftruncate":
            file.changes.append((moment.numbers[0], None))
        else:
            assert moment.name == "pwrite64", moment
            (data,) = moment.strings
            assert len(data) == moment.result, "cut short by strace"
            file.changes.append((moment.numbers[-1], data))

    def _ours(self, moment: Moment) -> Iterator[Path]:
        for name in moment.strings:
            path = self._folder / name.decode()
            if self._is_ours(path):
                yield path

    def _is_ours(self, path: Path) -> bool:
        return path.parent == self._folder and not path.name.endswith(_FORGETTABLE)
