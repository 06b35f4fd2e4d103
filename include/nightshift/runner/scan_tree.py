"""All processes that the current scan has started, also those that left its group and session.

The runner is made a child subreaper, so a process that daemonizes comes back to it instead of to
init: whatever descends from the runner, and was not there before, belongs to the scan that runs.
See PR_SET_CHILD_SUBREAPER in prctl(2).
"""

import ctypes
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_SWEEP_SECONDS = 10.0
_SWEEP_PAUSE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """What the scan's processes hold at one instant.

    :param rss_bytes: resident memory, pages that they share counted for each.
    """

    rss_bytes: int
    processes: int


def become_subreaper() -> None:
    """Make orphaned descendants children of this process.

    :raises OSError: if the kernel refuses (before Linux 3.4).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(code)}")


class ProcessTree:
    """The descendants that this process gets from now on."""

    def __init__(self) -> None:
        self._spared = {process.pid for process in _descendants()}

    def measure(self) -> TreeUsage:
        """Sum up what the tree holds now."""
        rss = processes = 0
        for process in self._members():
            with suppress(psutil.Error):
                rss += process.memory_info().rss
                processes += 1
        return TreeUsage(rss, processes)

    def kill(self) -> int:
        """Kill all of the tree, and what it starts meanwhile, until none is left.

        :returns: how many were alive, at least.
        :raises RuntimeError: if some survive (a process in uninterruptible sleep).
        """
        killed: set[int] = set()
        end = time.monotonic() + _SWEEP_SECONDS
        while members := self._members():
            alive = [process for process in members if _is_alive(process)]
            if alive and time.monotonic() > end:
                raise RuntimeError(f"processes of a scan cannot be killed: {sorted(killed)[:10]}")
            for process in alive:
                killed.add(process.pid)
                with suppress(psutil.Error):
                    process.kill()
            _reap(members)
            if alive:
                time.sleep(_SWEEP_PAUSE_SECONDS)
            elif time.monotonic() > end:
                break  # only zombies whose parent lives on elsewhere; they hold nothing
        return len(killed)

    def _members(self) -> list[psutil.Process]:
        """List the tree; what spared processes start is no more the scan's than they are."""
        outside, members = set(self._spared), []
        for process in _descendants():  # parents come before their children
            with suppress(psutil.Error):
                if process.pid in outside or process.ppid() in outside:
                    outside.add(process.pid)
                else:
                    members.append(process)
        return members


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signal a scan's first process and its group; gone already is fine."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


def _descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _reap(members: list[psutil.Process]) -> None:
    """Collect the dead that came back to us."""
    for process in members:
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
