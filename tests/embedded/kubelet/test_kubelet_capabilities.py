"""What the kernel grants is found by trying; and the way between: a root, but the host's ids."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.embedded.kube.kubelet import Capabilities, MountMode
from nightshift.embedded.kube.kubelet.capabilities import find_capabilities
from tests.embedded.kubelet.bench import Bench, open_bench, pod, shell

WITHOUT = """
import asyncio, os
from pathlib import Path
from nightshift.embedded.kube.kubelet import MountMode
from nightshift.embedded.kube.kubelet.capabilities import find_capabilities
from nightshift.embedded.kube.launcher import syscalls
uid, gid = os.geteuid(), os.getegid()
syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
{obstacle}
found = asyncio.run(find_capabilities(MountMode.AUTO))
print(found.namespaces, found.pid_namespace, found.reason)
"""
NO_NAMESPACES = 'Path("/proc/sys/user/max_user_namespaces").write_text("0")'
MASKED_PROC = 'syscalls.mount("none", "/proc/sys", "tmpfs")'


@pytest.fixture
def middle_bench(tmp_path: Path, namespaces_refused: str) -> Iterator[Bench]:
    """Private roots without PID namespaces, as in a container whose /proc is masked."""
    if namespaces_refused:
        pytest.skip(namespaces_refused)
    with open_bench(tmp_path, capabilities=Capabilities(True, False)) as bench:
        yield bench


def test_rewriting_is_a_choice_and_says_so() -> None:
    found = asyncio.run(find_capabilities(MountMode.REWRITE))
    assert (found.namespaces, found.pid_namespace) == (False, False)
    assert found.describe() == (
        "pods run with rewritten mount paths and the host's process ids (chosen by configuration)"
    )


def test_the_kernel_is_tried_and_the_answer_has_a_reason() -> None:
    found = asyncio.run(find_capabilities(MountMode.AUTO))
    assert found.pid_namespace <= found.namespaces
    assert bool(found.reason) == (not found.pid_namespace)


@pytest.mark.parametrize(
    ("obstacle", "expected"),
    [
        pytest.param(NO_NAMESPACES, "False False [Errno 28] unshare", id="no user namespaces"),
        pytest.param(MASKED_PROC, "True False [Errno 1] mount proc", id="a masked /proc"),
    ],
)
def test_what_is_refused_is_done_without(
    obstacle: str, expected: str, namespaces_refused: str
) -> None:
    if namespaces_refused:
        pytest.skip(namespaces_refused)
    include = str(Path(__file__).resolve().parents[3] / "include")
    program = [sys.executable, "-c", WITHOUT.replace("{obstacle}", obstacle)]
    env = {**os.environ, "PYTHONPATH": include}
    tried = subprocess.run(program, env=env, capture_output=True, text=True, check=True)
    assert tried.stdout.startswith(expected)


def test_with_the_hosts_process_ids_mounts_hold(middle_bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    mounts = [{"name": "v", "mountPath": "/data", "readOnly": True}]
    script = "touch /data/x; test -e /proc/self/status && test $$$$ -gt 2 && echo host ids"
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path / "d")}}]
    middle_bench.finish(pod(shell(script, volumeMounts=mounts), volumes=volumes))
    assert "Read-only file system" in middle_bench.log()
    assert middle_bench.log().endswith("host ids\n")


def test_with_the_hosts_process_ids_all_that_is_left_behind_ends(middle_bench: Bench) -> None:
    middle_bench.finish(pod(shell("(setsid sleep 60 &) ; setsid sleep 60 & exit 0")))
    assert middle_bench.processes() == []


def test_with_the_hosts_process_ids_a_command_runs_beside(middle_bench: Bench) -> None:
    middle_bench.create(pod(shell("echo up > /tmp/mine; exec sleep 60")))
    middle_bench.until_running()
    middle_bench.until(lambda: middle_bench.execute("cat", "/tmp/mine")[1][1] == b"up\n")
    middle_bench.delete(grace=0)
    middle_bench.until(lambda: middle_bench.processes() == [])
