"""``nightshift capacity`` as a user calls it, against a cluster whose controllers act."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.targets import FieldName, ObjectKind, TargetId
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.kubelet import KubeletOptions
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.store.engines import Engine
from tests.capacity.capacity_support import NS, add, read
from tests.capacity.weekend_support import workload
from tests.cli.cli_support import Result, call
from tests.cluster.kube_support import connected_to, running_server

WORKER = TargetId(ObjectKind.DEPLOYMENT, NS, "worker")
STORE = TargetId(ObjectKind.STATEFUL_SET, NS, "store")
POLICY = """\
apiVersion: nightshift/v1
kind: CapacityPolicy
metadata: {{name: weekend, owner: team, cluster: test}}
spec:
  mode: enforce
  schedule:
    timezone: UTC
    windows: [{{name: now, down: "{down}", up: "{up}"}}]
  approval: {{down: {{requiredIf: {required}}}}}
  tiers:
    - name: services
      targets:
        - {{kind: Deployment, ns: app, name: worker, replicas: 1}}
        - {{kind: StatefulSet, ns: app, name: store, replicas: 1}}
"""
NEVER, FIRST = "never", "{firstRun: true}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BackgroundCluster]:
    kubelet = KubeletOptions(tmp_path / "kubelet", pretend_seconds=3600)
    nodes = (NodeSpec("n1", "4", "16Gi"),)
    folder = tmp_path / "cluster"
    with running_server(folder, nodes, controllers=True, kubelet=kubelet) as running:
        yield running


@pytest.fixture
def cluster(server: BackgroundCluster) -> Iterator[Cluster]:
    with connected_to(server, "nightshift") as connected:
        for name in ("nightshift", NS):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            connected.create("/api/v1/namespaces", body)
        add(connected, "deployments", workload("Deployment", "worker", 3), "apis/apps/v1")
        add(connected, "statefulsets", workload("StatefulSet", "store", 2), "apis/apps/v1")
        yield connected


class User:
    """Somebody with a kubeconfig, a policy, and maybe a database."""

    def __init__(self, server: BackgroundCluster, folder: Path, url: str) -> None:
        self.folder = folder
        self.environ = {
            "NIGHTSHIFT_KUBECONFIG": str(server.kubeconfig),
            "NIGHTSHIFT_CONFIG_DIR": str(folder),
            "NIGHTSHIFT_DATABASE_URL": url,
            "USER": "vera",
        }
        self.writes(NEVER)

    def writes(self, required: str) -> None:
        """Write a policy whose window is open now and for the next two days."""
        now = dt.datetime.now(dt.UTC)
        down, up = now - dt.timedelta(hours=1), now + dt.timedelta(days=2)
        text = POLICY.format(
            down=f"{down:%a %H:%M}".upper(), up=f"{up:%a %H:%M}".upper(), required=required
        )
        (self.folder / "capacity.yaml").write_text(text)

    def runs(self, *arguments: str) -> Result:
        return call("capacity", *arguments, environ=self.environ)


@pytest.fixture
def user(
    server: BackgroundCluster, cluster: Cluster, engine: Engine, migrated_url: str, tmp_path: Path
) -> User:
    (tmp_path / "config").mkdir()
    made = User(server, tmp_path / "config", migrated_url)
    wait_ready(cluster)
    return made


def wait_ready(cluster: Cluster) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if read(cluster, WORKER).status.ready == 3 and read(cluster, STORE).status.ready == 2:
            return
        time.sleep(0.1)
    raise AssertionError("the workloads are not ready")


def replicas(cluster: Cluster) -> tuple[object, ...]:
    return tuple(read(cluster, one).fields[FieldName.REPLICAS] for one in (WORKER, STORE))


def test_a_diff_and_a_plan_change_nothing(user: User, cluster: Cluster) -> None:
    shown = user.runs("diff")
    assert shown.code == 0, shown.err
    assert "Deployment/app/worker" in shown.out
    assert "replicas 3 -> 1" in shown.out
    planned = json.loads(user.runs("plan", "-o", "json").out)
    assert [one["order"] for one in planned["actions"]] == [1, 2]
    assert replicas(cluster) == (3, 2)


def test_apply_lowers_status_and_explain_say_so_and_restore_brings_back(
    user: User, cluster: Cluster
) -> None:
    applied = user.runs("apply")
    assert applied.code == 0, applied.err
    assert replicas(cluster) == (1, 1)
    status = user.runs("status")
    assert "Deployment/app/worker" in status.out
    assert "replicas 3" in status.out
    explained = user.runs("explain", "Deployment/app/worker")
    assert "a restore would: set: back to replicas 3" in explained.out
    assert "vera@" in explained.out
    assert user.runs("restore").out == "nothing is due\n"
    restored = user.runs("restore", "--now")
    assert restored.code == 0, restored.err
    assert replicas(cluster) == (3, 2)
    assert "nothing is lowered" in user.runs("status").out


def test_restore_from_annotations_needs_only_a_kubeconfig(user: User, cluster: Cluster) -> None:
    assert user.runs("apply").code == 0
    (user.folder / "capacity.yaml").unlink()
    user.environ = {"NIGHTSHIFT_KUBECONFIG": user.environ["NIGHTSHIFT_KUBECONFIG"]}
    user.environ["NIGHTSHIFT_CONFIG_DIR"] = str(user.folder)
    restored = user.runs("restore", "--from-annotations", "--now")
    assert restored.code == 0, restored.err
    assert replicas(cluster) == (3, 2)
    assert "nightshift/lease" not in read(cluster, WORKER).annotations


def test_a_plan_that_needs_a_person_is_applied_only_with_its_hash(
    user: User, cluster: Cluster
) -> None:
    user.writes(FIRST)
    file = user.folder / "plan.json"
    shown = user.runs("plan", "--out", str(file))
    assert "A person must approve it: this policy has never been applied" in shown.out
    refused = user.runs("apply", "--plan", str(file))
    assert refused.code == 1
    assert "a person must approve this plan" in refused.err
    wrong = user.runs("apply", "--plan", str(file), "--approve", "0" * 12)
    assert "is not this plan's hash" in wrong.err
    assert replicas(cluster) == (3, 2)
    digest = json.loads(file.read_text())["hash"]
    applied = user.runs("apply", "--plan", str(file), "--approve", digest[:12])
    assert applied.code == 0, applied.err
    assert replicas(cluster) == (1, 1)


def test_a_plan_that_somebody_changed_is_none(user: User) -> None:
    file = user.folder / "plan.json"
    user.runs("plan", "--out", str(file))
    plan = json.loads(file.read_text())
    plan["actions"].pop()
    file.write_text(json.dumps(plan))
    refused = user.runs("apply", "--plan", str(file))
    assert refused.code == 1
    assert "is not a plan" in refused.err


def test_what_is_held_is_neither_lowered_nor_planned(user: User, cluster: Cluster) -> None:
    assert "held" in user.runs("hold", "StatefulSet/app/store").out
    assert "held by an annotation" in user.runs("explain", "StatefulSet/app/store").out
    assert user.runs("apply").code == 0
    assert replicas(cluster) == (1, 2)
    user.runs("hold", "StatefulSet/app/store", "--release")
    assert "nightshift/hold" not in read(cluster, STORE).annotations


@pytest.mark.parametrize("text", ["web", "Pod/app/web", "Deployment/web", "Node/a/b"])
def test_what_is_no_target_is_told(user: User, text: str) -> None:
    result = user.runs("hold", text)
    assert result.code == 1
    assert "write Kind/namespace/name" in result.err
