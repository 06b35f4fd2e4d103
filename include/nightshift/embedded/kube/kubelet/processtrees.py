"""The memory of a process and all below it.

On Linux children are read from /proc/PID/task/TID/children, which costs far less than looking at
every process of the machine, as psutil has to do elsewhere.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

_log = logging.getLogger(__name__)


def find_descendants(process: int) -> list[int]:
    """List the processes below ``process``; those that end meanwhile may be missing."""
    try:
        if not Path(f"/proc/{process}/task/{process}/children").exists():
            return [child.pid for child in psutil.Process(process).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    found = list(_read_children(process))
    for child in found:
        found.extend(_read_children(child))
    return found


def measure_memory(process: int, limit: int) -> int:
    """Sum what the processes below ``process`` hold, in bytes.

    Resident sizes count shared pages once a process. Only when they exceed ``limit`` is the exact,
    slower proportional size taken, where the system has it.
    """
    below = find_descendants(process)
    resident = _sum(below, _read_resident)
    return resident if resident <= limit else _sum(below, _read_proportional)


def _read_children(process: int) -> Iterator[int]:
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
    except FileNotFoundError:
        return
    for thread in threads:
        try:
            yield from map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue


def _sum(processes: list[int], read: Callable[[psutil.Process], int]) -> int:
    total = 0
    for process in processes:
        try:
            total += read(psutil.Process(process))
        except psutil.NoSuchProcess:
            continue
    return total


def _read_resident(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def _read_proportional(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return _read_resident(process)
    return int(getattr(full, "pss", full.uss))
