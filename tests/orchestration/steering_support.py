"""Makes planned pods as KubernetesPodOperator does, callbacks included, without waiting."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

from nightshift.clock import Clock, utc_now
from nightshift.cluster.client import Cluster, Object, connect
from nightshift.domain.placement.affinity import POOL_LABEL
from nightshift.domain.placement.steering import SteeringChoice
from nightshift.domain.placement.waves import WaveOrder
from nightshift.orchestration.callbacks import PodSteerer
from nightshift.orchestration.pods import Stage, pod_operator_kwargs
from nightshift.orchestration.steps.connections import Night, connected
from nightshift.orchestration.steps.opening import open_night
from nightshift.orchestration.steps.ranking import PlacementWish, plan_scans
from nightshift.orchestration.steps.selection import Selection
from nightshift.orchestration.steps.workspaces import prepare
from nightshift.settings import PREFIX, Settings, describe_settings
from nightshift.store.engines import transaction
from nightshift.store.placements import read_placement, read_shard_plans
from nightshift.store.records import BatchId, ShardPlan
from tests.orchestration.conftest import World

PRIORITY_CLASS = "scans"
Item = Mapping[str, Any]


def make_priority_class(world: World, policy: str = "Never") -> None:
    body = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": PRIORITY_CLASS},
        "value": -11,
        "preemptionPolicy": policy,
    }
    with cluster_of(world) as cluster:
        cluster.create("/apis/scheduling.k8s.io/v1/priorityclasses", body)


def plan_night(
    world: World,
    steering: SteeringChoice,
    strategy: str = "spread",
    order: WaveOrder = WaveOrder.FIFO,
    run: str = "run-1",
    now: Clock = utc_now,
) -> tuple[int, list[dict[str, Any]]]:
    """Open, prepare and plan a night; give its batch and the mapped items."""
    batch = int(open_night(world.settings, Selection(), run, now).batch)
    prepare(world.settings, batch, now)
    wish = PlacementWish(strategy, steering, order)
    items = plan_scans(world.settings, batch, wish, now)
    return batch, json.loads(json.dumps(items))


def set_environment(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Let callbacks, which read the environment, find what the test's settings say."""
    for one in describe_settings():
        value = getattr(settings, one.name)
        text = value if isinstance(value, str) else one.kind.show(value)
        monkeypatch.setitem(os.environ, f"{PREFIX}{one.name.upper()}", text)


@contextmanager
def cluster_of(world: World) -> Iterator[Cluster]:
    cluster = connect(world.settings)
    try:
        yield cluster
    finally:
        cluster.close()


def build_pod(settings: Settings, item: Item) -> Any:
    """Build a pod of the stage ``scan`` and let the callback change it before it is made."""
    kwargs = pod_operator_kwargs(Stage.SCAN, settings)
    for name in ("pool", "trigger_rule", "max_active_tis_per_dagrun"):  # the Dag's, not the pod's
        kwargs.pop(name)
    operator = KubernetesPodOperator(**kwargs, **item)
    context: Any = {"task": operator, "ti": SimpleNamespace(try_number=1, max_tries=2)}
    operator.render_template_fields(context)
    request = operator.build_pod_request_obj(None, dry_run=True)
    request.metadata.labels["task_id"] = "scan"  # in a run the operator adds it
    PodSteerer.on_pod_manifest_created(pod_request=request)
    return request


def post_pod(cluster: Cluster, request: Any) -> str:
    """Make the pod and stop there, as a task that dies would."""
    body: Object = cluster.api_client.sanitize_for_serialization(request)
    made = cluster.create(cluster.path("pods"), body)
    return str(made["metadata"]["name"])


def finish_creation(cluster: Cluster, name: str) -> None:
    """Do what the operator does after the pod is there: read it, call the callback."""
    read = cluster.get(cluster.path("pods", name))
    PodSteerer.on_pod_creation(pod=as_v1_pod(cluster, read))


def record_end(cluster: Cluster, name: str) -> None:
    read = cluster.get(cluster.path("pods", name))
    PodSteerer.on_pod_completion(pod=as_v1_pod(cluster, read))


def as_v1_pod(cluster: Cluster, obj: Object) -> Any:
    response = SimpleNamespace(data=json.dumps(obj))
    return cluster.api_client.deserialize(response, "V1Pod")


def make_pods(world: World, items: Sequence[Item]) -> list[str]:
    with cluster_of(world) as cluster:
        names = []
        for item in items:
            name = post_pod(cluster, build_pod(world.settings, item))
            finish_creation(cluster, name)
            names.append(name)
        return names


@contextmanager
def night_of(world: World) -> Iterator[Night]:
    with connected(world.settings) as night:
        yield night


def stored_placement(world: World, batch: int) -> dict[str, Any]:
    with night_of(world) as night, transaction(night.writer) as connection:
        return read_placement(connection, BatchId(batch))


def stored_shards(world: World, batch: int) -> dict[str, ShardPlan]:
    with night_of(world) as night, transaction(night.writer) as connection:
        plans = read_shard_plans(connection, BatchId(batch))
    return {str(plan.name): plan for plan in plans}


def pod_object(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = world.kube.call(lambda c: c.store.get("pods", name, "nightshift"))
    return found


def labelled(world: World) -> dict[str, str]:
    nodes = world.kube.call(lambda cluster: list(cluster.store.list("nodes")))
    labels = {n["metadata"]["name"]: n["metadata"]["labels"].get(POOL_LABEL) for n in nodes}
    return {name: value for name, value in labels.items() if value}


def wait_until_bound(world: World, names: list[str]) -> None:
    deadline = time.monotonic() + 60
    while not all(pod_object(world, name)["spec"].get("nodeName") for name in names):
        assert time.monotonic() < deadline, "pods stay without a node"
        time.sleep(0.1)
