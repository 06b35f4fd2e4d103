"""DaemonSets: one pod on each node that may have one.

Source: pkg/controller/daemon, Kubernetes 1.36. The pod is bound by the scheduler, through required
affinity to its node's name. Not done: maxSurge.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from nightshift.domain.nodes import untolerated
from nightshift.domain.pods import parse_node, parse_pod
from nightshift.embedded.kube.controllers.changes import (
    Change,
    Create,
    Delete,
    Key,
    Plan,
    set_status,
)
from nightshift.embedded.kube.controllers.deployments import template_hash
from nightshift.embedded.kube.controllers.loops import (
    Controller,
    by_itself,
    by_owner,
    owned_by,
)
from nightshift.embedded.kube.controllers.podstates import (
    is_available,
    is_ready,
    is_terminal,
    is_terminating,
    scaled,
)
from nightshift.embedded.kube.controllers.replicasets import build_pod, next_available
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.validation_affinity import REQUIRED

KIND = "daemonsets.apps"
REVISION = "controller-revision-hash"
_PREFIX = "node.kubernetes.io"
_TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)
ALL_SETS: Key = ("", "every DaemonSet")


def plan_daemonset(
    owner: Object, pods: Sequence[Object], nodes: Sequence[Object], now: dt.datetime
) -> Plan:
    """Plan one step of a DaemonSet.

    :param pods: those that it controls.
    """
    on_node: dict[str, list[Object]] = {}
    for pod in pods:
        on_node.setdefault(node_of(pod), []).append(pod)
    wanted = {n["metadata"]["name"] for n in nodes if _should_run(owner, n)}
    present = {n["metadata"]["name"] for n in nodes}
    changes = set_status(KIND, owner, _status(owner, on_node, wanted, now))
    if not is_terminating(owner):
        changes += _create_and_delete(owner, on_node, wanted, present) or _update(
            owner, on_node, wanted, now
        )
    return Plan(changes, next_available(pods, owner["spec"].get("minReadySeconds", 0), now))


def node_of(pod: Object) -> str:
    """Tell which node a DaemonSet's pod is for, bound or not."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    for term in (affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or ():
        for rule in term.get("matchFields") or ():
            if rule["key"] == "metadata.name":
                return str(rule["values"][0])
    return ""


def _should_run(owner: Object, node: Object) -> bool:
    name = node["metadata"]["name"]
    request, facts = parse_pod(build_daemon_pod(owner, name)), parse_node(node)
    if untolerated(facts.taints, request.tolerations):
        return False
    return request.may_run_on(name, facts.labels)


def _create_and_delete(
    owner: Object, on_node: dict[str, list[Object]], wanted: set[str], present: set[str]
) -> list[Change]:
    changes: list[Change] = []
    for name in sorted(wanted):
        held = on_node.get(name, [])
        ended = [p for p in held if is_terminal(p)]
        changes += [Delete("pods", p, owner) for p in ended if not is_terminating(p)]
        if not held:
            changes.append(Create("pods", build_daemon_pod(owner, name), owner))
    for name, held in on_node.items():
        surplus = held[1:] if name in wanted else held
        for pod in surplus:
            if not is_terminating(pod):
                changes.append(Delete("pods", pod, owner, at_once=name not in present))
    return changes


def _update(
    owner: Object, on_node: dict[str, list[Object]], wanted: set[str], now: dt.datetime
) -> list[Change]:
    """Delete pods of an older template, as many at a time as may be unavailable."""
    strategy = owner["spec"]["updateStrategy"]
    if strategy["type"] != "RollingUpdate":
        return []
    limit = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
    room = scaled(limit, len(wanted), round_up=True)
    pods = [on_node[name][0] for name in sorted(wanted) if on_node.get(name)]
    seconds = owner["spec"].get("minReadySeconds", 0)
    missing = [p for p in pods if is_terminating(p) or not is_available(p, seconds, now)]
    old = [p for p in pods if not _is_current(owner, p) and not is_terminating(p)]
    unavailable = [p for p in old if p in missing]
    spare = [p for p in old if p not in missing][: max(0, room - len(missing))]
    return [Delete("pods", pod, owner) for pod in [*unavailable, *spare]]


def _is_current(owner: Object, pod: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return bool(labels.get(REVISION) == template_hash(owner["spec"]["template"]))


def build_daemon_pod(owner: Object, node: str) -> Object:
    """Build the pod for one node."""
    pod = build_pod(owner)
    revision = template_hash(owner["spec"]["template"])
    pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), REVISION: revision}
    spec = pod["spec"]
    by_name = [{"key": "metadata.name", "operator": "In", "values": [node]}]
    affinity = dict(spec.get("affinity") or {})
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    terms = (node_affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or [{}]
    node_affinity[REQUIRED] = {"nodeSelectorTerms": [{**t, "matchFields": by_name} for t in terms]}
    spec["affinity"] = {**affinity, "nodeAffinity": node_affinity}
    added = [
        {"key": f"{_PREFIX}/{key}", "operator": "Exists", "effect": effect}
        for key, effect in _TOLERATED
    ]
    spec["tolerations"] = [*(spec.get("tolerations") or ()), *added]
    return pod


def _status(
    owner: Object, on_node: dict[str, list[Object]], wanted: set[str], now: dt.datetime
) -> Object:
    running = [on_node[name][0] for name in wanted if on_node.get(name)]
    seconds = owner["spec"].get("minReadySeconds", 0)
    available = sum(is_available(p, seconds, now) for p in running)
    counts = {
        "updatedNumberScheduled": sum(_is_current(owner, p) for p in running),
        "numberAvailable": available,
        "numberUnavailable": len(wanted) - available,
    }
    return {
        "currentNumberScheduled": len(running),
        "numberMisscheduled": sum(1 for name in on_node if name not in wanted),
        "desiredNumberScheduled": len(wanted),
        "numberReady": sum(map(is_ready, running)),
        **{name: count for name, count in counts.items() if count},
        "observedGeneration": owner["metadata"].get("generation", 0),
    }


def _every_set(_: Object) -> Iterable[Key]:
    return (ALL_SETS,)


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    if key == ALL_SETS:
        sets = store.list(KIND)
        return Plan([c for s in sets for c in _plan_one(store, s, now).changes])
    found = store.find(KIND, key[1], key[0])
    return Plan() if found is None else _plan_one(store, found, now)


def _plan_one(store: ObjectStore, owner: Object, now: dt.datetime) -> Plan:
    pods = owned_by(owner, store.list("pods", owner["metadata"]["namespace"]))
    return plan_daemonset(owner, pods, store.list("nodes"), now)


CONTROLLER = Controller(
    "daemonset-controller",
    {KIND: by_itself, "pods": by_owner("DaemonSet"), "nodes": _every_set},
    _plan,
)
