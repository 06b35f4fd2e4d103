"""Placement against its rivals on a real kube-scheduler, with fake nodes.

    make bench-placement-kube ARGS="--nodes 500 --seeds 5"

The target starts what this wants: an API server and a scheduler, and nothing else. Nodes are plain
objects marked Ready, pods on them never start; a controller manager would mark the nodes NotReady.
The scheduler has a second profile called ``most-allocated`` (scheduler.json); on one without it
that rival is left out (--no-most-allocated). **All nodes and the namespace are the benchmark's
own**: it refuses a cluster that has nodes already, and deletes its own at the end.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.placement.arms import ALL_RIGHTS, Result
from bench.placement.results import Record, table, worst
from bench.placement.workloads import MIXES, Workload, make_batch, make_nodes
from nightshift.cluster.client import Cluster, connect
from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node, format_amount
from nightshift.domain.placement.affinity import POOL_LABEL
from nightshift.domain.placement.pack import PackStrategy
from nightshift.domain.placement.plans import PlacementPlan, ShardDemand, ShardPlacement, Strategy
from nightshift.domain.placement.steering import SteeringChoice
from nightshift.domain.placement.strategies import strategy_by_name
from nightshift.domain.resources import Resources
from nightshift.errors import NotFound
from nightshift.settings import Settings

NAMESPACE = "bench-placement"
CLASS = "bench-placement"
GATE = "nightshift/placement"
MOST_ALLOCATED = "most-allocated"
_THREADS = 8
_PATIENCE_SECONDS = 30.0
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


@dataclass(frozen=True, slots=True)
class KubeArm:
    """One way to place a batch, and the scheduler's profile that is used."""

    name: str
    strategy: Strategy | None = None
    profile: str = "default-scheduler"


def list_arms(nodes: int, most_allocated: bool) -> list[KubeArm]:
    """List the arms: rivals, then the levels that make sense for so many nodes."""
    found = [KubeArm("default"), KubeArm("ratio", strategy_by_name("ratio"))]
    if most_allocated:
        found.append(KubeArm("MostAllocated", profile=MOST_ALLOCATED))
    levels = [SteeringChoice.SOFT]
    if nodes >= 100:
        levels += [SteeringChoice.NOMINATE, SteeringChoice.POOL_NOMINATE]
    return found + [KubeArm(f"pack {c}", PackStrategy(c, ALL_RIGHTS)) for c in levels]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = _options().parse_args(argv)
    settings = Settings.from_env({
        "NIGHTSHIFT_KUBECONFIG": str(options.kubeconfig), "NIGHTSHIFT_NAMESPACE": NAMESPACE,
    })  # fmt: skip
    cluster = connect(settings)
    options.out.mkdir(parents=True, exist_ok=True)
    records: list[Record] = []
    try:
        prepare(cluster)
        for nodes, seed, mix in itertools.product(
            options.nodes, range(1, options.seeds + 1), MIXES
        ):
            work = Workload(mix, nodes, seed)
            wanted = [
                arm
                for arm in list_arms(nodes, options.most_allocated)
                if not options.arms or arm.name in options.arms
            ]
            records += run_work(cluster, work, wanted)
            document = {"worst": worst(records), "runs": [one.to_json() for one in records]}
            (options.out / "placement-kube.json").write_text(json.dumps(document, indent=1))
    finally:
        clear(cluster)
        cluster.close()
    text = "\n".join(_tables(records))
    (options.out / "placement-kube.md").write_text(text)
    print(text)
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.placement.kube", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--nodes", type=int, nargs="+", default=[90, 500], help="clusters")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--arms", nargs="+", default=[], help="only these")
    parser.add_argument("--most-allocated", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", type=Path, default=Path(".nightshift-bench"), help="a folder")
    return parser


def _tables(records: Sequence[Record]) -> Iterator[str]:
    for size in dict.fromkeys(record.work.nodes for record in records):
        mine = [record for record in records if record.work.nodes == size]
        yield table(mine, f"kube-scheduler, {size} nodes", lambda record: str(record.work.mix))


def prepare(cluster: Cluster) -> None:
    """Make the namespace and the priority class.

    :raises SystemExit: if the cluster has nodes that are not ours.
    """
    others = [
        node["metadata"]["name"]
        for node in cluster.iterate("/api/v1/nodes")
        if (node["metadata"].get("labels") or {}).get("bench") != NAMESPACE
    ]
    if others:
        sys.exit(f"{cluster.server} has nodes of its own ({others[0]}, ..): take an empty cluster")
    clear(cluster)
    _ensure(cluster, "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    _ensure(cluster, accounts, {"metadata": {"name": "default"}})
    _ensure(
        cluster,
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        {"metadata": {"name": CLASS}, "value": 0, "preemptionPolicy": "Never"},
    )


def run_work(cluster: Cluster, work: Workload, arms: Sequence[KubeArm]) -> list[Record]:
    """Run the arms on one cluster and one batch, one after the other."""
    nodes = make_nodes(work)
    batch = make_batch(work, nodes)
    packing = PackStrategy().plan(nodes, batch).packing
    bound = None if packing is None else packing.bound
    print(f"{work.nodes} nodes, {work.mix}, seed {work.seed}: {len(batch)} pods, bound {bound}")
    clear(cluster)
    _each(lambda node: _create_node(cluster, node), nodes)
    records = []
    for arm in arms:
        begun = time.perf_counter()
        result = _run_arm(cluster, arm, nodes, batch)
        records.append(Record("kube", work, 0.0, result, bound))
        hits = "" if result.hits is None else f", hit {result.hits:.3f}"
        print(
            f"    {arm.name}: {result.opened} opened, {result.unplaced} without a node{hits}"
            f" ({time.perf_counter() - begun:.0f} s)",
            flush=True,
        )
        _delete_pods(cluster, "batch=yes")
    return records


def _run_arm(
    cluster: Cluster, arm: KubeArm, nodes: Sequence[Node], batch: Sequence[ShardDemand]
) -> Result:
    begun = time.process_time()
    plan = None if arm.strategy is None else arm.strategy.plan(nodes, batch)
    seconds = time.process_time() - begun
    _label_pool(cluster, nodes, plan)
    placements = {} if plan is None else {shard.shard: shard for shard in plan.shards}
    pods = [_build_pod(one, placements.get(one.shard), arm.profile) for one in batch]
    _each(lambda pod: _start(cluster, pod), pods)
    where = _await(cluster, len(batch))
    idle = {node.name for node in nodes if not node.busy}
    planned = {shard: one.primary for shard, one in placements.items() if one.primary}
    met = sum(where.get(str(shard)) == node for shard, node in planned.items())
    return Result(
        arm.name,
        len(batch),
        len(idle & set(where.values())),
        len(set(where.values())),
        len(batch) - len(where),
        met / len(planned) if planned else None,
        seconds,
        sum(len(json.dumps(pod["spec"].get("affinity", {}))) for pod in pods),
        sum(3 if pod["spec"].get("schedulingGates") else 1 for pod in pods),
    )


def _start(cluster: Cluster, pod: dict[str, Any]) -> None:
    """Create a pod; a gated one is nominated, and then let go."""
    nominated = pod.pop("nominated")
    cluster.create(_PODS, pod)
    if nominated:
        path = f"{_PODS}/{pod['metadata']['name']}"
        cluster.patch(f"{path}/status", {"status": {"nominatedNodeName": nominated}})
        cluster.patch(path, {"spec": {"schedulingGates": None}})


def _await(cluster: Cluster, count: int) -> dict[str, NodeName]:
    """Wait until every pod has a node, or nothing has changed for long; give pods' nodes."""
    deadline, least = time.monotonic() + _PATIENCE_SECONDS, count + 1
    while time.monotonic() < deadline:
        selector = {"labelSelector": "batch=yes", "fieldSelector": "spec.nodeName="}
        waiting = sum(1 for _ in cluster.iterate(_PODS, **selector))
        if not waiting:
            break
        if waiting < least:
            deadline, least = time.monotonic() + _PATIENCE_SECONDS, waiting
        time.sleep(0.5)
    pods = cluster.iterate(_PODS, labelSelector="batch=yes")
    return {
        pod["metadata"]["name"]: NodeName(pod["spec"]["nodeName"])
        for pod in pods
        if pod["spec"].get("nodeName")
    }


def _label_pool(cluster: Cluster, nodes: Sequence[Node], plan: PlacementPlan | None) -> None:
    """Put the plan's labels on the nodes, and take those of the last arm off."""
    labels = {} if plan is None or plan.packing is None else plan.packing.pool_labels
    held = {
        node["metadata"]["name"]: (node["metadata"].get("labels") or {}).get(POOL_LABEL)
        for node in cluster.iterate("/api/v1/nodes")
    }
    wanted = {node.name: labels.get(node.name) for node in nodes}
    changed = [name for name, value in wanted.items() if held.get(name) != value]
    _each(
        lambda name: cluster.patch(
            f"/api/v1/nodes/{name}", {"metadata": {"labels": {POOL_LABEL: wanted[name]}}}
        ),
        changed,
    )


def _create_node(cluster: Cluster, node: Node) -> None:
    """Create a node, mark it Ready, and put one pod on it that asks for what it has in use."""
    room = {**_quantities(node.allocatable), "pods": str(node.pod_slots)}
    labels = {**node.labels, "bench": NAMESPACE}
    cluster.create(
        "/api/v1/nodes",
        {
            "metadata": {"name": node.name, "labels": labels},
            "status": {"capacity": room, "allocatable": room},
        },
    )
    path = f"/api/v1/nodes/{node.name}"
    cluster.patch(path, {"spec": {"taints": None}})  # admission adds not-ready to every new node
    ready = {"type": "Ready", "status": "True", "reason": "Fake", "message": "no machine"}
    cluster.patch(f"{path}/status", {"status": {"conditions": [ready]}})
    cluster.create(_PODS, _pod(f"others-{node.name}", node.requested, {"nodeName": node.name}))


def _build_pod(
    demand: ShardDemand, placement: ShardPlacement | None, profile: str
) -> dict[str, Any]:
    nominated = placement.nominated if placement is not None else None
    spec: dict[str, Any] = {"schedulerName": profile, "priorityClassName": CLASS}
    if placement is not None:
        spec["affinity"] = placement.affinity()
    if nominated is not None:
        spec["schedulingGates"] = [{"name": GATE}]
    pod = _pod(str(demand.shard), demand.request, spec)
    pod["metadata"]["labels"] = {"batch": "yes"}
    return {**pod, "nominated": nominated}


def _pod(name: str, request: Resources, spec: dict[str, Any]) -> dict[str, Any]:
    container = {"name": "main", "image": "none", "resources": {"requests": _quantities(request)}}
    shared = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **shared, **spec}}


def _quantities(amounts: Resources) -> dict[str, str]:
    return {name: format_amount(name, amount) for name, amount in amounts.items()}


def clear(cluster: Cluster) -> None:
    """Delete all of the benchmark's pods and nodes."""
    _delete_pods(cluster, "")
    nodes = cluster.iterate("/api/v1/nodes", labelSelector=f"bench={NAMESPACE}")
    _each(lambda node: cluster.delete(f"/api/v1/nodes/{node['metadata']['name']}"), list(nodes))


def _delete_pods(cluster: Cluster, selector: str) -> None:
    query = {"labelSelector": selector} if selector else {}
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    while any(True for _ in cluster.iterate(_PODS, **query)):
        cluster.call("DELETE", _PODS, query=query, body=body)


def _ensure(cluster: Cluster, path: str, body: dict[str, Any]) -> None:
    try:
        cluster.get(f"{path}/{body['metadata']['name']}")
    except NotFound:
        cluster.create(path, body)


def _each(function: Any, items: Sequence[Any]) -> None:  # noqa: ANN401 - any call of one thing
    """Call for each item, several at a time, begun in order; the first error is raised."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(function, items):
            pass


if __name__ == "__main__":
    sys.exit(main())
