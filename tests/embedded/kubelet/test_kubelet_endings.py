"""Nothing outlives the cluster, and what an earlier one left is removed without harm."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nightshift.embedded.kube.kubelet import MountMode
from nightshift.embedded.kube.kubelet.folders import remove_stale, remove_tree
from nightshift.errors import PermanentError
from tests.embedded.kubelet.bench import Bench, open_bench, pod, shell

STUBBORN = "trap '' TERM HUP INT; (setsid sleep {0} &); setsid sleep {0} & sleep {0}"
HOST_PROGRAM = """
import asyncio, sys
from pathlib import Path
from nightshift.embedded.kube.events import StoredEvents
from nightshift.embedded.kube.kubelet import Image, KubeletOptions, LocalKubelet, MountMode
from nightshift.embedded.kube.storage import MemoryStore

async def main():
    store = MemoryStore()
    images = {"h": Image(host=True)}
    options = KubeletOptions(Path(sys.argv[1]), images, mounts=MountMode(sys.argv[2]))
    kubelet = LocalKubelet(store, StoredEvents(store), options)
    running = asyncio.create_task(kubelet.run())
    shell = {"name": "c", "image": "h", "command": ["sh", "-c", sys.argv[3]]}
    spec = {"nodeName": "n", "containers": [shell]}
    store.create("pods", {"metadata": {"name": "p", "namespace": "d"}, "spec": spec})
    await running

asyncio.run(main())
"""


def _sleepers(seconds: str) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if p.info["cmdline"] == ["sleep", seconds]]


def _wait_for(count: int, seconds: str) -> list[psutil.Process]:
    end = time.monotonic() + 20
    while len(found := _sleepers(seconds)) != count:
        assert time.monotonic() < end, f"{len(found)} processes instead of {count}"
        time.sleep(0.02)
    return found


def test_shutdown_leaves_no_process_and_no_file(bench: Bench) -> None:
    for number in range(3):
        bench.create(pod(shell(STUBBORN.format(5151)), name=f"p{number}"))
    bench.until(lambda: len(_sleepers("5151")) == 9)
    bench.runner.run(bench.kubelet.shutdown())
    assert _sleepers("5151") == []
    assert list((bench.folder / "kubelet" / "pods").iterdir()) == []


@pytest.mark.parametrize("mode", [MountMode.NAMESPACES, MountMode.REWRITE])
def test_a_killed_cluster_takes_its_pods_along(
    tmp_path: Path, mode: MountMode, namespaces_refused: str
) -> None:
    if mode is MountMode.NAMESPACES and namespaces_refused:
        pytest.skip(namespaces_refused)
    seconds = {MountMode.NAMESPACES: "6161", MountMode.REWRITE: "6262"}[mode]
    program = [sys.executable, "-c", HOST_PROGRAM, str(tmp_path), mode, STUBBORN.format(seconds)]
    include = str(Path(__file__).resolve().parents[3] / "include")
    with subprocess.Popen(program, env={**os.environ, "PYTHONPATH": include}) as host:
        _wait_for(3, seconds)
        host.send_signal(signal.SIGKILL)
    _wait_for(0, seconds)


def test_what_an_earlier_cluster_left_is_removed(tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").touch()
    stale = tmp_path / "kubelet" / "pods" / "old"
    stale.mkdir(parents=True)
    (stale / "link").symlink_to(outside)
    (stale.parent / "linked-pod").symlink_to(outside)
    closed = stale / "closed"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0)
    with open_bench(tmp_path):
        assert list(stale.parent.iterdir()) == []
    assert (outside / "file").exists()


def test_known_entries_stay(tmp_path: Path) -> None:
    for name in ("known", "stale"):
        (tmp_path / name).mkdir()
    assert remove_stale(tmp_path, {"known"}) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["known"]


def test_removing_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    remove_tree(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_two_clusters_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        open_bench(tmp_path),
        pytest.raises(PermanentError, match="in use by another cluster"),
        open_bench(tmp_path),
    ):
        pytest.fail("the second one must not start")
