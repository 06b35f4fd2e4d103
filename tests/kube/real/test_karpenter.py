"""A weekend on a real Karpenter: it adds nodes for pods, rests within its limit, and adds again."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nightshift.domain.leases.records import LeaseState, StepState
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.store.capacity_leases import list_open_leases, read_lease_row
from nightshift.store.capacity_records import RunKind
from nightshift.store.engines import transaction
from nightshift.store.schema import migrate
from nightshift.weekend.operations import lower, raise_all
from nightshift.weekend.policies import load_policy
from nightshift.weekend.restoring import Given
from nightshift.weekend.sessions import open_session
from tests.kube.api import Api
from tests.kube.clusters import CHECKOUT, Cluster
from tests.kube.fake_nodes import is_ready
from tests.kube.installing import install
from tests.kube.karpenter import CLAIMS, POOLS, add_node_pool, running_karpenter
from tests.kube.real.weekend_support import (
    MONDAY_LATER,
    OURS,
    Weekend,
    WeekendClock,
    settings,
    tools,
)
from tests.kube.waits import wait_for

PATIENCE = dt.timedelta(hours=1)
POOL_LABEL = "karpenter.sh/nodepool"
POLICY = """\
apiVersion: nightshift/v1
kind: CapacityPolicy
metadata: {{name: weekend, owner: team, cluster: karpenter}}
spec:
  mode: enforce
  schedule:
    timezone: UTC
    windows: [{{name: weekend, down: "{down}", up: "{up}"}}]
  approval: {{down: {{requiredIf: {{firstRun: true}}}}}}
  protect: {{namespaces: [kube-system, nightshift]}}
  tiers:
    - name: workers
      targets: [{{kind: Deployment, ns: {ns}, name: worker, replicas: 1}}]
  nodePools:
    - name: elastic
      driver: karpenter
      params: {{node_pool: {ns}}}
      weekend: {{min: 0, max: 1, target: 1}}
      drain: {{nodeTimeout: 20m}}
  limits: {{minReadyNodes: 1, maxNodesRemovedPct: 100, headroomPct: 0}}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_karpenter() as running:
        yield running


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Iterator[Api]:
    with cluster.api() as opened:
        yield opened


@pytest.fixture(scope="module")
def account(cluster: Cluster) -> Path:
    """Airflow's own kubeconfig: what deploy/weekend grants has to be enough."""
    kubeconfig = install(cluster)
    cluster.kubectl("apply", "-k", str(CHECKOUT / "deploy" / "weekend"))
    return kubeconfig


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def weekend(
    account: Path, api: Api, namespace: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> Iterator[Weekend]:
    url = postgres.create_database(namespace.replace("-", "_"))
    migrate(url)
    clock, hour = WeekendClock(), dt.timedelta(hours=1)
    now = clock.read()
    down, up = (f"{at:%a %H:%M}".upper() for at in (now - hour, now + dt.timedelta(days=2)))
    (tmp_path / "capacity.yaml").write_text(POLICY.format(ns=namespace, down=down, up=up))
    chosen = settings(account, url, tmp_path)
    policy = load_policy(chosen, None, now, needed=True)
    with open_session(chosen, policy, tools(clock)) as session:
        yield Weekend(session, clock, api, namespace, "")
    api.delete(f"{POOLS}/{namespace}")
    api.delete(f"{CLAIMS}?labelSelector={POOL_LABEL}%3D{namespace}")


def pod_spec(pool: str, cpu: str, *, apart: str = "") -> dict[str, Any]:
    requests = {"cpu": cpu, "memory": "64Mi"}
    container = {"name": "main", "image": "scan", "resources": {"requests": requests}}
    spec: dict[str, Any] = {"nodeSelector": {POOL_LABEL: pool}, "containers": [container]}
    if apart:
        term = {
            "labelSelector": {"matchLabels": {"app": apart}},
            "topologyKey": "kubernetes.io/hostname",
        }
        preferred = [{"weight": 100, "podAffinityTerm": term}]
        spec["affinity"] = {
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}
        }
    return spec


def deployment(name: str, replicas: int, spec: dict[str, Any]) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    wanted = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name}, "spec": wanted}


def nodes(weekend: Weekend) -> list[dict[str, Any]]:
    found = weekend.api.items(f"/api/v1/nodes?labelSelector={POOL_LABEL}%3D{weekend.namespace}")
    return [one for one in found if is_ready(one) and "deletionTimestamp" not in one["metadata"]]


def wait_nodes(weekend: Weekend, count: int) -> None:
    wait_for(f"{count} nodes of Karpenter", lambda: len(nodes(weekend)) == count, 60)


def node_pool(weekend: Weekend) -> dict[str, Any]:
    found: dict[str, Any] = weekend.api.get(f"{POOLS}/{weekend.namespace}")
    return found


def fill(weekend: Weekend, **spec: Any) -> None:
    """Have three nodes, each with a big pod and a small one; a dynamic pool's pods bring them."""
    name = weekend.namespace
    add_node_pool(weekend.api, name, **spec)
    path = weekend.path("deployments")
    weekend.api.post(path, deployment("worker", 3, pod_spec(name, "3")))
    weekend.wait_ready(worker=3)
    weekend.api.post(path, deployment("web", 3, pod_spec(name, "100m", apart="web")))
    weekend.wait_ready(worker=3, web=3)
    assert len(nodes(weekend)) == 3


def pend(weekend: Weekend) -> None:
    """Have a pod wait until Karpenter itself says that the limit forbids it a node."""
    pod = {"metadata": {"name": "late"}, "spec": pod_spec(weekend.namespace, "3")}
    weekend.api.post(weekend.path("pods"), pod)

    def is_told() -> bool:
        events = weekend.api.items(f"/api/v1/namespaces/{weekend.namespace}/events")
        return any(
            one["involvedObject"]["name"] == "late" and "limits" in one.get("message", "")
            for one in events
        )

    wait_for("Karpenter to refuse a node to the late pod", is_told, 60)


def marks(weekend: Weekend) -> list[str]:
    found = [node_pool(weekend), *nodes(weekend), *weekend.api.items(weekend.path("deployments"))]
    return [
        key
        for one in found
        for key in one["metadata"].get("annotations", {})
        if key.startswith(OURS)
    ]


def friday(weekend: Weekend) -> None:
    journal, _ = weekend.approved()
    applied = lower(weekend.session, journal)
    assert applied.failed == ""
    assert {step.state for step in applied.steps} == {StepState.VERIFIED}
    assert sum(int(step.detail.get("evictions", 0)) for step in applied.steps) >= 2
    wait_nodes(weekend, 1)
    assert node_pool(weekend)["spec"]["limits"]["nodes"] == "1"
    weekend.wait_ready(worker=1, web=3)


def check_monday(weekend: Weekend, limits: dict[str, str]) -> None:
    assert node_pool(weekend)["spec"]["limits"] == limits
    wait_nodes(weekend, 4)
    weekend.wait_ready(worker=3, web=3, **{"": 1})
    assert marks(weekend) == []
    assert not any(one["spec"].get("unschedulable") for one in nodes(weekend))


@pytest.mark.timeout(300)
def test_karpenter_rests_within_its_limit_and_fills_again_on_monday(weekend: Weekend) -> None:
    limits = {"cpu": "100", "nodes": "5"}
    fill(weekend, limits=limits)
    friday(weekend)
    pend(weekend)
    assert len(nodes(weekend)) == 1, "the late pod waits"
    with transaction(weekend.session.the_engine()) as connection:
        leases = [one.id for one in list_open_leases(connection)]
    weekend.clock.ahead += MONDAY_LATER
    restored = raise_all(weekend.session, weekend.journal(RunKind.UP), patience=PATIENCE)
    assert restored.complete
    check_monday(weekend, limits)
    with transaction(weekend.session.the_engine()) as connection:
        assert list_open_leases(connection) == []
        assert {read_lease_row(connection, one).state for one in leases} == {LeaseState.CLOSED}


@pytest.mark.timeout(300)
def test_annotations_alone_take_the_limit_away_again(weekend: Weekend) -> None:
    limits = {"cpu": "100"}
    fill(weekend, limits=limits)
    friday(weekend)
    pend(weekend)
    weekend.clock.ahead += MONDAY_LATER
    held = weekend.session
    with open_session(held.settings, held.policy, tools(weekend.clock), with_store=False) as bare:
        restored = raise_all(bare, bare.annotations(), patience=PATIENCE)
    assert restored.complete
    assert {one.given for one in restored.outcomes} == {Given.BACK}
    check_monday(weekend, limits)


@pytest.mark.timeout(300)
def test_a_static_pool_loses_exactly_the_emptied_nodes_and_gets_others(weekend: Weekend) -> None:
    fill(weekend, replicas=3)
    before = {one["metadata"]["name"] for one in nodes(weekend)}
    friday(weekend)
    assert node_pool(weekend)["spec"]["replicas"] == 1
    (kept,) = (one["metadata"]["name"] for one in nodes(weekend))
    assert kept in before, "the node that stays was not replaced"
    weekend.clock.ahead += MONDAY_LATER
    restored = raise_all(weekend.session, weekend.journal(RunKind.UP), patience=PATIENCE)
    assert restored.complete
    spec = node_pool(weekend)["spec"]
    assert (spec["replicas"], spec.get("limits", {})) == (3, {})
    wait_nodes(weekend, 3)
    weekend.wait_ready(worker=3, web=3)
    assert marks(weekend) == []
