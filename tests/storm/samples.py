"""How much memory and how many file descriptors servers hold while they are stormed."""

import os
import statistics
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_MIB = 1024 * 1024
_WINDOW = 0.05
_SHOWN_SHARES = (0.1, 0.5, 1.0)
_GROWTH_MAX = 1.3
_MORE_FDS_MAX = 16


class Sample(NamedTuple):
    """What a process held when so many attempts had been made."""

    attempts: int
    rss_mib: float
    fds: int


class Samples:
    """The samples of one process; none where there is no /proc."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._taken: list[Sample] = []

    def take(self, attempts: int) -> None:
        """Adds a sample."""
        folder = _PROC / str(self._pid)
        if folder.exists():
            pages = int((folder / "statm").read_text().split()[1])
            rss_mib = pages * os.sysconf("SC_PAGE_SIZE") / _MIB
            fds = len(list((folder / "fd").iterdir()))
            self._taken.append(Sample(attempts, round(rss_mib, 1), fds))

    def at(self, share: float) -> Sample | None:
        """The typical sample just before a share of the attempts; a peak does not count."""
        last = self._taken[-1].attempts if self._taken else 0
        if not last:
            return None
        near = [s for s in self._taken if share - _WINDOW <= s.attempts / last <= share]
        near = near or [min(self._taken, key=lambda s: abs(s.attempts / last - share))]
        return Sample(
            near[-1].attempts,
            statistics.median_low(sample.rss_mib for sample in near),
            statistics.median_low(sample.fds for sample in near),
        )

    def summary(self) -> dict[str, Sample]:
        """The samples that a report shows, by their share."""
        shares = {f"{share:.0%}": self.at(share) for share in _SHOWN_SHARES}
        return {name: sample for name, sample in shares.items() if sample}

    def growth(self) -> str:
        """What grew too much between 30 % and 100 % of the attempts; empty when nothing did."""
        early, late = self.at(0.3), self.at(1.0)
        if early is None or late is None:
            return ""
        grown = late.rss_mib > _GROWTH_MAX * early.rss_mib or late.fds > early.fds + _MORE_FDS_MAX
        return f"from {early} to {late}" if grown else ""
