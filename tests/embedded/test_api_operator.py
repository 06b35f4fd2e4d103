"""Real KubernetesPodOperators, sync and deferrable, on the embedded cluster."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from nightshift.embedded.kube.background import BackgroundCluster, cluster_in_background
from nightshift.embedded.kube.cluster import ClusterOptions
from nightshift.embedded.kube.kubelet import Image, KubeletOptions
from nightshift.embedded.kube.nodespecs import NodeSpec

SCRIPT = Path(__file__).with_name("operator_run.py")
CASES = {
    "sync": ("sync", "echo from the pod"),
    "fails": ("sync", "echo before the end; exit 3"),
    "deferrable": ("deferrable", "echo from the pod"),
    "xcom": ("xcom", """echo '{"found": 7}' > /airflow/xcom/return.json"""),
}


def sidecar_image() -> str:
    """Read which image the provider runs beside a pod whose result it wants."""
    provider = distribution("apache-airflow-providers-cncf-kubernetes")
    source = "airflow/providers/cncf/kubernetes/utils/xcom_sidecar.py"
    text = Path(str(provider.locate_file(source))).read_text()
    found = re.search(r'^XCOM_SIDECAR_IMAGE = "(.+)"$', text, re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundCluster]:
    folder = tmp_path_factory.mktemp("operator")
    images = dict.fromkeys(
        ("scanner:test", sidecar_image()),
        Image(host=True, visible=(Path(__file__).resolve().parents[2],)),
    )
    options = ClusterOptions(
        folder,
        nodes=(NodeSpec("n1", "4", "8Gi"),),
        kubelet=KubeletOptions(folder / "kubelet", images=images),
    )
    with cluster_in_background(options) as running:
        yield running


@pytest.fixture(scope="module")
def runs(
    cluster: BackgroundCluster, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What each operator gave, and under ``log`` what Airflow wrote meanwhile."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, str(SCRIPT), str(cluster.kubeconfig), json.dumps(CASES)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    results, log = {}, []
    for line in (done.stdout + done.stderr).splitlines():
        if line.startswith("RESULT "):
            result = json.loads(line.removeprefix("RESULT "))
            results[result["name"]] = result
        else:
            log.append(line)
    results["log"] = {"lines": log}
    return results


@pytest.mark.parametrize("name", ["sync", "deferrable"])
def test_operator_succeeds_and_shows_the_log(runs: dict[str, dict[str, Any]], name: str) -> None:
    assert "error" not in runs[name], runs[name]
    written = [line for line in runs["log"]["lines"] if "[base]" in line and "from the pod" in line]
    assert len(written) == 2


def test_operator_reports_a_failed_pod(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["fails"]["error"] == "AirflowException"
    assert "returned a failure" in runs["fails"]["message"]


def test_operator_reads_what_the_sidecar_kept(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["xcom"].get("value") == {"found": 7}, runs["xcom"]


def test_pods_that_succeeded_are_deleted_and_the_failed_one_is_marked(
    cluster: BackgroundCluster, runs: dict[str, dict[str, Any]]
) -> None:
    pods = cluster.call(lambda c: list(c.store.list("pods", "default")))
    assert [pod["metadata"]["labels"]["task_id"] for pod in pods] == ["fails"]
    assert pods[0]["metadata"]["labels"]["already_checked"] == "True"
    assert pods[0]["status"]["phase"] == "Failed"
