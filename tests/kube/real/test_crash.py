"""What a killed start leaves behind is cleared away; ends leave nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.kube.clearing import list_leftovers
from tests.kube.clusters import CHECKOUT, find_cluster, running_cluster
from tests.kube.fake_nodes import build_fake_node
from tests.kube.layout import Layout
from tests.kube.options import FakeNodes, Options
from tests.kube.processes import list_names
from tests.kube.waits import wait_for


def test_a_start_that_was_killed_midway_is_started_again(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "crashed")
    argv = [sys.executable, "-m", "tests.kube", "up", "--nodes=1", f"--data={layout.data}"]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.DEVNULL) as process:
        wait_for("containerd to start", lambda: "node-1-containerd" in list_names(layout), 120)
        os.kill(process.pid, signal.SIGKILL)
    kinds = {what.split()[0] for what in list_leftovers(layout)}
    assert {"process", "network"} <= kinds

    with running_cluster(Options(nodes=1), layout.data) as cluster:
        assert cluster.kubectl("get", "nodes", "-o", "name") == "node/node-1\n"
        assert find_cluster(layout.data).url == cluster.url
    assert list_leftovers(layout) == []
    assert sorted(path.name for path in layout.data.iterdir()) == ["lock", "logs"]


def test_fake_nodes_take_pods_and_leave_nothing(tmp_path: Path) -> None:
    options = Options(
        fake_only=True, fake_nodes=FakeNodes(count=1, cpu="2"), scheduler={"parallelism": 1}
    )
    with running_cluster(options, tmp_path / "fake") as cluster:
        cluster.create_fake_nodes([build_fake_node("big", cpu="64", labels={"zone": "a"})])
        cluster.kubectl(
            "run", "p", "--image=none", '--overrides={"spec": {"nodeSelector": {"zone": "a"}}}'
        )
        cluster.kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
        where = cluster.kubectl("get", "pod/p", "-o", "jsonpath={.spec.nodeName}")
        assert where == "big"
    assert list_leftovers(cluster.layout) == []
