"""Nodes: taints that follow their state, and pods that do not tolerate them.

Source: pkg/controller/nodelifecycle and tainteviction, Kubernetes 1.36. A node whose Lease is not
renewed in time becomes Unknown; a node without a Lease is taken at its word.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

from nightshift.domain.nodes import Taint, TaintEffect
from nightshift.domain.pods import parse_tolerations
from nightshift.embedded.kube.controllers.changes import Change, Delete, Key, Plan, Tell, Update
from nightshift.embedded.kube.controllers.loops import Controller, by_itself
from nightshift.embedded.kube.controllers.podstates import (
    condition,
    format_time,
    is_terminal,
    is_terminating,
    parse_time,
    put_condition,
)
from nightshift.embedded.kube.interfaces import Object, ObjectStore

LEASES = "leases.coordination.k8s.io"
LEASE_NAMESPACE = "kube-node-lease"
GRACE = dt.timedelta(seconds=50)
"""How long after its last sign of life a node still counts as alive."""

_PREFIX = "node.kubernetes.io"
_PRESSURES = {
    "MemoryPressure": "memory-pressure",
    "DiskPressure": "disk-pressure",
    "PIDPressure": "pid-pressure",
    "NetworkUnavailable": "network-unavailable",
}
_MANAGED = frozenset(
    f"{_PREFIX}/{name}"
    for name in ("not-ready", "unreachable", "unschedulable", *_PRESSURES.values())
)


def plan_node(node: Object, lease: Object | None, pods: Sequence[Object], now: dt.datetime) -> Plan:
    """Plan one step of a node: its Ready condition, its taints, evictions from it.

    :param pods: those that are bound to it.
    """
    changes, seen_until = _plan_heartbeat(node, lease, now)
    if changes:
        return Plan(changes, now)  # its taints follow from the new condition
    taints = wanted_taints(node, now)
    if taints != (node["spec"].get("taints") or []):
        return Plan([Update("nodes", node, _with_taints(taints))], seen_until)
    evictions, due = plan_evictions(taints, pods, now)
    times = [time for time in (seen_until, due) if time is not None]
    return Plan(evictions, min(times, default=None))


def _plan_heartbeat(
    node: Object, lease: Object | None, now: dt.datetime
) -> tuple[list[Change], dt.datetime | None]:
    renewed = ((lease or {}).get("spec") or {}).get("renewTime")
    if renewed is None:
        return [], None
    overdue = parse_time(renewed) + GRACE
    if overdue > now:
        return [], overdue
    if condition(node, "Ready").get("status") == "Unknown":
        return [], None

    def change(obj: Object) -> None:
        conditions = list((obj.get("status") or {}).get("conditions") or ())
        told = {
            "type": "Ready",
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.",
        }
        obj.setdefault("status", {})["conditions"] = put_condition(conditions, told, now)

    name = node["metadata"]["name"]
    message = f"Node {name} status is now: NodeNotReady"
    return [Update("nodes", node, change), Tell(node, "NodeNotReady", message)], None


def wanted_taints(node: Object, now: dt.datetime) -> list[Object]:
    """Give the taints that a node should have: others' as they are, ours by its state."""
    present = node["spec"].get("taints") or []
    wanted = dict.fromkeys(_due_taints(node))
    kept = [
        taint
        for taint in present
        if taint["key"] not in _MANAGED or (taint["key"], taint["effect"]) in wanted
    ]
    have = {(taint["key"], taint["effect"]) for taint in kept}
    for key, effect in wanted:
        if (key, effect) not in have:
            since = {"timeAdded": format_time(now)} if effect == "NoExecute" else {}
            kept.append({"key": key, "effect": effect, **since})
    return kept


def _due_taints(node: Object) -> Iterable[tuple[str, str]]:
    ready = condition(node, "Ready").get("status")
    if ready in {"False", "Unknown"}:
        key = f"{_PREFIX}/{'not-ready' if ready == 'False' else 'unreachable'}"
        yield key, "NoSchedule"
        yield key, "NoExecute"
    if node["spec"].get("unschedulable"):
        yield f"{_PREFIX}/unschedulable", "NoSchedule"
    for kind, name in _PRESSURES.items():
        if condition(node, kind).get("status") == "True":
            yield f"{_PREFIX}/{name}", "NoSchedule"


def _with_taints(taints: list[Object]) -> Callable[[Object], None]:
    def change(obj: Object) -> None:
        obj["spec"].pop("taints", None)
        if taints:
            obj["spec"]["taints"] = taints

    return change


def plan_evictions(
    taints: Sequence[Object], pods: Sequence[Object], now: dt.datetime
) -> tuple[list[Change], dt.datetime | None]:
    """Delete pods that do not tolerate a NoExecute taint (any longer).

    :returns: what to do now, and when the next pod's tolerance ends.
    """
    expelling = [taint for taint in taints if taint["effect"] == "NoExecute"]
    changes: list[Change] = []
    times: list[dt.datetime] = []
    for pod in pods if expelling else ():
        if is_terminal(pod) or is_terminating(pod):
            continue
        due = _tolerated_until(pod, expelling, now)
        if due is None:
            continue
        if due <= now:
            changes += _evict(pod, now)
        else:
            times.append(due)
    return changes, min(times, default=None)


def _tolerated_until(
    pod: Object, expelling: Sequence[Object], now: dt.datetime
) -> dt.datetime | None:
    """Tell when a pod has to go; None is never."""
    ends: list[dt.datetime] = []
    raw = pod["spec"].get("tolerations") or []
    for taint in expelling:
        facts = Taint(taint["key"], TaintEffect(taint["effect"]), taint.get("value", ""))
        pairs = zip(raw, parse_tolerations(raw), strict=True)
        matching = [given for given, read in pairs if read.tolerates(facts)]
        if not matching:
            return now
        limits = [t["tolerationSeconds"] for t in matching if "tolerationSeconds" in t]
        if limits:
            added = taint.get("timeAdded")
            since = parse_time(added) if added else now
            ends.append(since + dt.timedelta(seconds=max(0, min(limits))))
    return min(ends, default=None)


def _evict(pod: Object, now: dt.datetime) -> list[Change]:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    told = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
    }

    def change(obj: Object) -> None:
        conditions = list((obj.get("status") or {}).get("conditions") or ())
        obj.setdefault("status", {})["conditions"] = put_condition(conditions, told, now)

    message = f"Marking for deletion Pod {namespace}/{name}"
    return [
        Tell(pod, "TaintManagerEviction", message),
        Update("pods", pod, change),
        Delete("pods", pod),
    ]


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    node = store.find("nodes", key[1])
    if node is None:
        return Plan()
    taints = wanted_taints(node, now)
    pods: list[Object] = []
    if any(taint["effect"] == "NoExecute" for taint in taints):
        pods = [p for p in store.list("pods") if p["spec"].get("nodeName") == key[1]]
    return plan_node(node, store.find(LEASES, key[1], LEASE_NAMESPACE), pods, now)


def _node_of_pod(pod: Object) -> Iterable[Key]:
    name = pod["spec"].get("nodeName")
    return (("", name),) if name else ()


def _node_of_lease(lease: Object) -> Iterable[Key]:
    metadata = lease["metadata"]
    return (("", metadata["name"]),) if metadata.get("namespace") == LEASE_NAMESPACE else ()


CONTROLLER = Controller(
    "node-controller",
    {"nodes": by_itself, "pods": _node_of_pod, LEASES: _node_of_lease},
    _plan,
)
