"""One look at a node that is being drained, and the one call that ends a pod of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from nightshift.cluster.budget_objects import parse_budget
from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.objects import read_object
from nightshift.cluster.targets import read_target
from nightshift.domain.capacity.drain_pods import DrainPod, parse_drain_pod
from nightshift.domain.capacity.drains import NodePods, SetState
from nightshift.domain.capacity.evictions import EvictionAnswer
from nightshift.domain.capacity.snapshots import BudgetFacts
from nightshift.domain.capacity.targets import FieldName, LiveTarget, ObjectKind, TargetId
from nightshift.errors import ClusterUnavailable

_PODS = "/api/v1/pods"


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as one look shows it.

    :param node: None if it is gone.
    """

    node: LiveTarget | None
    pods: NodePods


def look_at_node(cluster: Cluster, name: str) -> NodeView:
    """Read a node, its pods, and the sets and budgets that they belong to."""
    node = read_target(cluster, TargetId(ObjectKind.NODE, "", name))
    found = cluster.iterate(_PODS, fieldSelector=f"spec.nodeName={name}")
    pods = tuple(read_object(cluster, obj, parse_drain_pod) for obj in found)
    return NodeView(
        node, NodePods(pods, dict(_sets(cluster, pods)), tuple(_budgets(cluster, pods)))
    )


def evict_pod(cluster: Cluster, pod: DrainPod) -> EvictionAnswer:
    """Ask the API to end exactly this pod: one that has its name by now is not meant.

    The body of the answer counts, not its status alone: a proxy may wrap a refusal in a 201.

    :returns: the answer; status 0 if none came.
    """
    body: Object = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }
    path = f"{cluster.path('pods', pod.name, namespace=pod.namespace)}/eviction"
    try:
        answer = cluster.ask("POST", path, body)
    except ClusterUnavailable as error:
        return EvictionAnswer(0, message=str(error))
    return _read_answer(answer.status, answer.body, answer.retry_after_seconds)


def _read_answer(status: int, body: Object, retry_after_seconds: float | None) -> EvictionAnswer:
    details = body.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    code = body.get("code")
    return EvictionAnswer(
        status=status,
        verdict=str(body.get("status") or ""),
        message=" ".join(str(body.get("message") or "").split())[:500],
        code=code if isinstance(code, int) else 0,
        causes=tuple(
            (str(one.get("reason") or ""), str(one.get("message") or ""))
            for one in (causes if isinstance(causes, list) else [])[:20]
            if isinstance(one, dict)
        ),
        retry_after_seconds=retry_after_seconds,
    )


def _sets(cluster: Cluster, pods: Iterable[DrainPod]) -> Iterable[tuple[str, SetState]]:
    """Count the members of each StatefulSet from its pods: its own status lags behind."""
    for key in sorted({pod.stateful_set for pod in pods if pod.stateful_set}):
        namespace, _, name = key.partition("/")
        live = read_target(cluster, TargetId(ObjectKind.STATEFUL_SET, namespace, name))
        if live is None:
            continue
        members = [one for one in _pods_of(cluster, namespace) if one.stateful_set == key]
        ready = sum(one.ready and not one.deleting for one in members)
        yield key, SetState(live.capacity(FieldName.REPLICAS), ready)


def _pods_of(cluster: Cluster, namespace: str) -> Iterable[DrainPod]:
    found = cluster.iterate(cluster.path("pods", namespace=namespace))
    return (read_object(cluster, obj, parse_drain_pod) for obj in found)


def _budgets(cluster: Cluster, pods: Iterable[DrainPod]) -> Iterable[BudgetFacts]:
    for namespace in sorted({pod.namespace for pod in pods}):
        path = cluster.path("poddisruptionbudgets", group="apis/policy/v1", namespace=namespace)
        for obj in cluster.iterate(path):
            yield read_object(cluster, obj, parse_budget)
