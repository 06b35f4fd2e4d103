"""What the hardening of scan pods does on a real kubelet, and what admission keeps out."""

import json

import pytest
import yaml

from nightshift.orchestration.pods import TEMPLATES
from tests.kube.api import Api
from tests.kube.clusters import Cluster
from tests.kube.errors import HarnessError
from tests.kube.installing import NAMESPACE, install
from tests.kube.real.pod_support import build_pod, run_pod

LOOK = """
import json, os, pathlib, re
status = pathlib.Path("/proc/self/status").read_text()
def field(name): return re.search(rf"^{name}:\\s*(.+)$", status, re.M)[1]
def can_write(path):
    try:
        pathlib.Path(path, "probe").write_text("x")
        return True
    except OSError:
        return False
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "capabilities": int(field("CapEff"), 16) | int(field("CapBnd"), 16),
    "no_new_privileges": field("NoNewPrivs"),
    "seccomp": field("Seccomp"),
    "writes": [path for path in ("/", "/opt/nightshift", "/tmp") if can_write(path)],
    "token": os.path.exists("/var/run/secrets/kubernetes.io"),
}))
"""


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> str:
    """The namespace that deploy/base makes."""
    install(cluster)
    return NAMESPACE


def build_confined(name: str, command: list[str]) -> dict[str, object]:
    """Build a pod hardened as scan pods are, without their volumes."""
    template = yaml.safe_load((TEMPLATES / "scan.yaml").read_text())
    pod = build_pod(name, command)
    (container,) = template["spec"].pop("containers")
    pod["spec"] |= {**template["spec"], "volumes": [{"name": "tmp", "emptyDir": {}}]}
    pod["spec"]["containers"][0] |= {
        "securityContext": container["securityContext"],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    return pod


def test_a_scan_pod_has_no_rights_to_speak_of(api: Api, installed: str) -> None:
    phase, log = run_pod(api, installed, build_confined("looker", ["python", "-c", LOOK]))
    api.delete(f"/api/v1/namespaces/{installed}/pods/looker")
    assert phase == "Succeeded", log
    assert json.loads(log) == {
        "ids": [65532, 65532],
        "capabilities": 0,
        "no_new_privileges": "1",
        "seccomp": "2",
        "writes": ["/tmp"],
        "token": False,
    }


def test_scanners_prove_themselves_confined_in_such_a_pod(api: Api, installed: str) -> None:
    command = ["python", "-m", "nightshift.runner.scan_selftest"]
    phase, log = run_pod(api, installed, build_confined("selftest", command))
    api.delete(f"/api/v1/namespaces/{installed}/pods/selftest")
    assert phase == "Succeeded", log
    lines = log.splitlines()
    assert lines[0] == "sandbox: nothing missing"
    assert len(lines) > 1
    assert all(line.endswith(": ok") for line in lines[1:])


@pytest.mark.parametrize(
    "spec",
    [
        {"hostNetwork": True},
        {"volumes": [{"name": "tmp", "hostPath": {"path": "/etc"}}]},
        {"securityContext": {"runAsUser": 0}},
    ],
    ids=["host network", "host path", "root"],
)
def test_nothing_less_than_restricted_is_admitted(
    api: Api, installed: str, spec: dict[str, object]
) -> None:
    pod = build_confined("weaker", ["true"])
    pod["spec"] |= spec  # type: ignore[operator]  # a pod's JSON
    with pytest.raises(HarnessError, match=r"403.*violates PodSecurity"):
        api.post(f"/api/v1/namespaces/{installed}/pods", pod)


def test_the_base_brings_its_policies(api: Api, installed: str) -> None:
    found = api.items(f"/apis/networking.k8s.io/v1/namespaces/{installed}/networkpolicies")
    assert {"nothing-in-nothing-out", "clone-to-the-forge", "ingest-to-the-database"} <= {
        policy["metadata"]["name"] for policy in found
    }
