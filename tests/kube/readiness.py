"""Whether a cluster with real nodes can run on this machine: asked before anything is built."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.kube.builds import find_go_fault
from tests.kube.cgroups import parse_hierarchies
from tests.kube.packages import IMAGES, NODE, list_missing

_NAMESPACES = ("unshare", "--net", "--pid", "--fork", "--mount", "true")


def list_obstacles() -> list[str]:
    """List what is in the way, each with what to do; empty if nothing is."""
    return list(_obstacles())


def _obstacles() -> Iterator[str]:
    if platform.system() != "Linux":
        yield f"real nodes need Linux, and this is {platform.system()}"
        return
    if fault := find_go_fault():
        yield fault
    if os.geteuid() != 0:
        yield "real nodes need root"
        return
    missing = list_missing([*NODE, *IMAGES])
    if missing and shutil.which("apt-get") is None:
        yield f"not installed, and there is no apt-get to do it: {', '.join(missing)}"
    elif "util-linux" not in missing and not _may_make_namespaces():
        yield "this root may not make namespaces (a container without CAP_SYS_ADMIN?)"
    hierarchies = parse_hierarchies(Path("/proc/self/mountinfo").read_text())
    if not all(os.access(folder, os.W_OK) for folder in hierarchies):
        yield "the cgroup file systems are mounted read-only"


def _may_make_namespaces() -> bool:
    return subprocess.run(_NAMESPACES, capture_output=True, check=False).returncode == 0
