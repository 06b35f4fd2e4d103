"""Several scans at a time: one runner process a slice of the work list.

Processes, not threads: each is the subreaper of the one scan that it runs, so that it always knows
which processes are the scan's.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nightshift.domain.worklists import ScanItem

_POLL_SECONDS = 0.1


class Stop(Protocol):
    """Tells whether the pod was asked to end."""

    asked: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """Every ``of``-th item, from the ``number``-th on; all by default."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Slice":
        """Read ``2/4``.

        :raises ValueError: if it is none.
        """
        number, _, of = text.partition("/")
        part = cls(int(number), int(of))
        if not 1 <= part.number <= part.of:
            raise ValueError("a slice is N/M with N from 1 to M")
        return part

    @property
    def is_all(self) -> bool:
        """Tell whether nothing is left to others."""
        return self.of == 1

    def take(self, items: Sequence[ScanItem]) -> Sequence[ScanItem]:
        """Give this slice of the items."""
        return items[self.number - 1 :: self.of]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def run_slices(argv: Sequence[str], jobs: int, stop: Stop) -> None:
    """Run a work list in ``jobs`` processes and wait for them.

    What they leave undone, because one died or a scan must run alone, is for the caller.

    :param argv: this process's own arguments; the last of an option wins.
    """
    base = [sys.executable, "-m", "nightshift.runner", "scan", *argv, "--jobs", "1"]
    children = [
        subprocess.Popen([*base, "--slice", str(Slice(number, jobs))])
        for number in range(1, jobs + 1)
    ]
    told = False
    while any(child.poll() is None for child in children):
        if stop.asked and not told:
            told = True
            for child in children:
                child.terminate()
        time.sleep(_POLL_SECONDS)
