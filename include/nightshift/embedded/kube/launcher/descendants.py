"""End every process below this one, where no PID namespace does it."""
# pathlib is a slow import, and every container would pay for it:
# ruff: noqa: PTH123, PTH208

import _signal  # type: ignore[import-not-found]  # untyped C module; signal is slow to import
import os
import time

_PAUSE_SECONDS = 0.005
_ROUNDS = 400


def kill_descendants() -> None:
    """Kill and reap all descendants; the orphans among them must have been adopted (Linux)."""
    for _ in range(_ROUNDS):
        below = find_descendants(os.getpid())
        if not below:
            return
        for process in below:
            _kill(process)
        _reap()
        time.sleep(_PAUSE_SECONDS)


def kill_group(leader: int) -> None:
    """Kill what is left of the process group that ``leader``, which has ended, made."""
    try:
        os.killpg(leader, _signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a zombie
        return


def find_descendants(ancestor: int) -> list[int]:
    """List the processes below ``ancestor``, zombies too."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(_parent_of(name), []).append(int(name))
    found = list(children.get(ancestor, []))
    for process in found:
        found.extend(children.get(process, []))
    return found


def _parent_of(process: str) -> int:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _kill(process: int) -> None:
    try:
        os.kill(process, _signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended by itself


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
