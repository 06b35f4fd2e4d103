"""An unmodified kubectl works on the embedded cluster."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.embedded.kube.background import BackgroundCluster, cluster_in_background
from nightshift.embedded.kube.cluster import ClusterOptions
from nightshift.embedded.kube.kubelet import Image, KubeletOptions
from nightshift.embedded.kube.nodespecs import NodeSpec

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: %s}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers: [{name: base, image: img, command: [sh, -c, %r]}]
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: base, image: img, command: [sleep, "60"]}]
"""


class Kubectl:
    """Runs kubectl with the cluster's kubeconfig."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self._kubeconfig = kubeconfig
        self._home = home

    def run(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        assert KUBECTL is not None
        command = [KUBECTL, f"--kubeconfig={self._kubeconfig}", *words]
        env = {"HOME": str(self._home), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            command, input=text, env=env, capture_output=True, text=True, timeout=60
        )

    def ok(self, *words: str, text: str | None = None) -> str:
        done = self.run(*words, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, text: str) -> str:
        return self.ok("apply", "-f", "-", text=text)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundCluster]:
    folder = tmp_path_factory.mktemp("kubectl")
    options = ClusterOptions(
        folder,
        nodes=(NodeSpec("n1", "4", "8Gi"), NodeSpec("n2", "4", "8Gi")),
        kubelet=KubeletOptions(folder / "kubelet", images={"img": Image(host=True)}),
    )
    with cluster_in_background(options) as running:
        yield running


@pytest.fixture
def kubectl(cluster: BackgroundCluster, tmp_path: Path) -> Kubectl:
    return Kubectl(cluster.kubeconfig, tmp_path)


def test_get_shows_the_columns_that_people_know(kubectl: Kubectl) -> None:
    nodes = kubectl.ok("get", "nodes", "-o", "wide").splitlines()
    assert nodes[0].split()[:5] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert [line.split()[:2] for line in nodes[1:]] == [["n1", "Ready"], ["n2", "Ready"]]
    assert kubectl.ok("get", "nodes", "-o", "name").split() == ["node/n1", "node/n2"]
    assert "default" in kubectl.ok("get", "ns")


def test_pod_from_apply_to_delete(kubectl: Kubectl) -> None:
    manifest = POD % ("one", "one", "echo started; sleep 60")
    assert kubectl.apply(manifest) == "pod/one created\n"
    kubectl.ok("wait", "--for=condition=Ready", "pod/one", "--timeout=30s")
    row = kubectl.ok("get", "pod", "one", "--no-headers").split()
    assert row[:4] == ["one", "1/1", "Running", "0"]
    assert kubectl.ok("logs", "one") == "started\n"
    assert kubectl.ok("exec", "-i", "one", "--", "cat", text="fed\n") == "fed\n"
    assert kubectl.run("exec", "one", "--", "sh", "-c", "exit 5").returncode == 5
    described = kubectl.ok("describe", "pod", "one")
    assert "Successfully assigned default/one to" in described
    assert "Started container base" in described
    assert kubectl.apply(manifest) == "pod/one unchanged\n"
    assert "deleted" in kubectl.ok("delete", "pod", "one")
    assert "NotFound" in kubectl.run("get", "pod", "one").stderr


def test_followed_log_ends_with_the_pod(kubectl: Kubectl) -> None:
    kubectl.apply(POD % ("two", "two", "for i in 1 2 3; do echo $i; sleep 0.3; done"))
    kubectl.ok("wait", "--for=jsonpath={.status.phase}=Running", "pod/two", "--timeout=30s")
    assert kubectl.ok("logs", "-f", "two").split() == ["1", "2", "3"]
    kubectl.ok("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/two", "--timeout=30s")
    assert "Completed" in kubectl.ok("get", "pod", "two")
    kubectl.ok("delete", "pod", "two")


def test_deployment_rolls_out_scales_and_goes(kubectl: Kubectl) -> None:
    kubectl.apply(DEPLOYMENT % 1)
    kubectl.ok("rollout", "status", "deployment/web", "--timeout=40s")
    assert kubectl.apply(DEPLOYMENT % 2) == "deployment.apps/web configured\n"
    assert "scaled" in kubectl.ok("scale", "deployment", "web", "--replicas=3")
    kubectl.ok("rollout", "status", "deployment/web", "--timeout=40s")
    assert kubectl.ok("get", "deploy", "web", "--no-headers").split()[1] == "3/3"
    assert len(kubectl.ok("get", "pods", "-l", "app=web", "-o", "name").split()) == 3
    kubectl.ok("delete", "deployment", "web")
    kubectl.ok("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=40s")


def test_cordon_drain_uncordon(kubectl: Kubectl) -> None:
    kubectl.apply(POD % ("three", "three", "sleep 60"))
    kubectl.ok("wait", "--for=condition=Ready", "pod/three", "--timeout=30s")
    node = kubectl.ok("get", "pod", "three", "-o", "jsonpath={.spec.nodeName}")
    for mode in ("client", "server"):
        dry = kubectl.ok("drain", node, f"--dry-run={mode}", "--force")
        assert "default/three" in dry
    assert "SchedulingDisabled" not in kubectl.ok("get", "node", node)
    kubectl.ok("cordon", node)
    assert "SchedulingDisabled" in kubectl.ok("get", "node", node)
    assert "evicted" in kubectl.ok("drain", node, "--force", "--timeout=30s")
    assert "NotFound" in kubectl.run("get", "pod", "three").stderr
    kubectl.ok("uncordon", node)


def test_server_side_apply_says_what_to_do(kubectl: Kubectl) -> None:
    done = kubectl.run("apply", "--server-side", "-f", "-", text=POD % ("x", "x", "true"))
    assert done.returncode != 0
    assert "use client-side apply" in done.stderr


def test_create_in_protobuf_says_what_to_do_and_that_works(kubectl: Kubectl) -> None:
    words = ("create", "namespace", "team")
    done = kubectl.run(*words)
    if done.returncode != 0:  # kubectl 1.32 and later send protobuf here
        assert "--dry-run=client -o yaml | kubectl apply -f -" in done.stderr
        kubectl.apply(kubectl.ok(*words, "--dry-run=client", "-o", "yaml"))
    assert "Active" in kubectl.ok("get", "namespace", "team")
    kubectl.ok("delete", "namespace", "team")


def test_questions_about_oneself_and_the_server(kubectl: Kubectl) -> None:
    assert kubectl.ok("auth", "can-i", "create", "pods") == "yes\n"
    assert "Server Version: v1.36" in kubectl.ok("version")
    kinds = kubectl.ok("api-resources", "-o", "name").split()
    assert {"pods", "deployments.apps", "poddisruptionbudgets.policy"} <= set(kinds)
    assert "nodes" in kubectl.ok("api-resources", "--namespaced=false")


def test_events_and_short_names(kubectl: Kubectl) -> None:
    kubectl.apply(POD % ("four", "four", "true"))
    kubectl.ok("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/four", "--timeout=30s")
    events = kubectl.ok("get", "ev", "--field-selector", "involvedObject.name=four")
    assert events.splitlines()[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert "pod/four" in events
    assert "Scheduled" in kubectl.ok("events", "--for", "pod/four")
    for short in ("deploy", "sts", "ds", "pdb", "hpa", "pvc", "cj", "quota", "netpol"):
        assert kubectl.run("get", short).returncode == 0
    kubectl.ok("delete", "po", "four")
