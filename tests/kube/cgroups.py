"""The cgroups of a cluster's nodes: made in every hierarchy before a kubelet starts, removed after.

Both kinds are served: one hierarchy a controller (v1), and the unified one (v2).
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.kube.errors import HarnessError
from tests.kube.layout import Layout

_MOUNTS = Path("/proc/self/mountinfo")
_REMOVE_SECONDS = 15.0
_INHERITED = ("cpuset.cpus", "cpuset.mems")


def parse_hierarchies(mountinfo: str) -> list[Path]:
    """Find where cgroup file systems are mounted, by proc(5)'s mountinfo."""
    found = []
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        if separator and right.split(" ", 1)[0] in {"cgroup", "cgroup2"}:
            found.append(Path(left.split(" ")[4]))
    return found


def make_cgroup(layout: Layout, node: str) -> str:
    """Make a node's cgroup in every hierarchy, and give its name as the kubelet takes it.

    :raises HarnessError: if the cgroup file systems cannot be written.
    """
    for hierarchy in _hierarchies():
        parent = hierarchy
        for part in (layout.cgroup, node):
            _delegate(parent)
            folder = parent / part
            try:
                folder.mkdir(exist_ok=True)
            except OSError as error:
                raise HarnessError(f"cannot make the cgroup {folder}: {error}") from error
            _inherit(parent, folder)
            parent = folder
        _delegate(parent)
    return f"/{layout.cgroup}/{node}"


def remove_cgroups(layout: Layout) -> int:
    """Remove the cluster's cgroups, once their processes are gone; give how many there were.

    :raises HarnessError: if one stays busy.
    """
    removed = 0
    deadline = time.monotonic() + _REMOVE_SECONDS
    while left := list(list_cgroups(layout)):
        for folder in left:
            with suppress(OSError):  # busy while its last process is on its way out
                folder.rmdir()
                removed += 1
        if time.monotonic() > deadline:
            raise HarnessError(f"the cgroup {left[0]} stays busy: look at its cgroup.procs")
        time.sleep(0.05)
    return removed


def list_cgroups(layout: Layout) -> Iterator[Path]:
    """List the cluster's cgroups in every hierarchy, deepest first."""
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / layout.cgroup, topdown=False):
            yield Path(folder)


def _hierarchies() -> list[Path]:
    return parse_hierarchies(_MOUNTS.read_text())


def _delegate(folder: Path) -> None:
    """Hand a v2 cgroup's controllers on to those below it."""
    control = folder / "cgroup.subtree_control"
    if control.is_file():
        for controller in (folder / "cgroup.controllers").read_text().split():
            with suppress(OSError):  # one that cannot be had here; the kubelet says if it needs it
                control.write_text(f"+{controller}")


def _inherit(parent: Path, folder: Path) -> None:
    """Copy what a v1 cpuset must have before it takes a process."""
    for name in _INHERITED:
        file = folder / name
        if (folder / "tasks").is_file() and file.is_file() and not file.read_text().strip():
            file.write_text((parent / name).read_text())
