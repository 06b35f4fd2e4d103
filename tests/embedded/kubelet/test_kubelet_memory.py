"""Memory limits: the sum over a container's processes, looked at several times a second."""

import sys
from typing import Any

import psutil
import pytest

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet import processtrees
from tests.embedded.kubelet.bench import Bench, container, pod

ALLOCATE = "import time; block = b'x' * (80 << 20); time.sleep(60)"
IN_CHILDREN = """
import subprocess, sys, time
hold = "import time; block = b'x' * (40 << 20); time.sleep(60)"
children = [subprocess.Popen([sys.executable, "-c", hold]) for _ in range(2)]
time.sleep(60)
"""
SHARED = """
import os, time
block = b'x' * (50 << 20)
for _ in range(3):
    if os.fork() == 0:
        break
else:
    time.sleep(0.5)
    os._exit(0)
time.sleep(60)
"""


def _python(script: str, limit: str, **fields: Any) -> Object:
    resources = {"limits": {"memory": limit}}
    return container(sys.executable, "-c", script, resources=resources, **fields)


@pytest.mark.parametrize(
    "script",
    [pytest.param(ALLOCATE, id="one process"), pytest.param(IN_CHILDREN, id="its children")],
)
def test_a_container_beyond_its_limit_is_killed(bench: Bench, script: str) -> None:
    ended = bench.finish(pod(_python(script, "64Mi")))
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert bench.status()["phase"] == "Failed"
    bench.until(lambda: bench.processes() == [])


def test_within_its_limit_it_runs_to_its_end(bench: Bench) -> None:
    ended = bench.finish(pod(_python("block = b'x' * (20 << 20)", "256Mi")))
    assert ended["reason"] == "Completed"


@pytest.mark.skipif(sys.platform != "linux", reason="proportional sizes are Linux's")
def test_pages_that_processes_share_count_once(bench: Bench) -> None:
    ended = bench.finish(pod(_python(SHARED, "120Mi")))
    assert ended["reason"] == "Completed", "resident sizes sum to 200 MiB, proportional to 60"


def test_a_limit_that_is_no_quantity_is_refused(rewriting_bench: Bench) -> None:
    bench = rewriting_bench
    bench.create(pod(_python("pass", "lots")))
    bench.until(lambda: "limits.memory" in str(bench.state().get("waiting")))
    assert bench.state()["waiting"]["reason"] == "CreateContainerConfigError"


def test_descendants_are_what_psutil_finds(bench: Bench) -> None:
    bench.create(pod(container("sh", "-c", "sleep 60 & sh -c 'sleep 60 & wait' & wait")))
    bench.until_running()
    bench.until(lambda: sum(p.name() == "sleep" for p in bench.processes()) == 2)
    me = psutil.Process()
    expected = {child.pid for child in me.children(recursive=True)}
    assert set(processtrees.find_descendants(me.pid)) == expected


def test_a_process_that_is_gone_has_no_memory() -> None:
    gone = psutil.Popen(["true"])
    gone.wait()
    assert processtrees.measure_memory(gone.pid, 0) == 0
