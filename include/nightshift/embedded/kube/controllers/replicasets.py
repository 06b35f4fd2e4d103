"""ReplicaSets: keep so many pods, and choose well which to give up.

Source: pkg/controller/replicaset and controller_utils.go (ActivePodsWithRanks), Kubernetes 1.36.
Not done: adoption of pods that match the selector but have no owner.
"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from nightshift.embedded.kube.controllers.changes import (
    Change,
    Create,
    Delete,
    Key,
    Plan,
    set_status,
)
from nightshift.embedded.kube.controllers.loops import (
    Controller,
    by_itself,
    by_owner,
    owned_by,
    reference_to,
)
from nightshift.embedded.kube.controllers.podstates import (
    available_at,
    condition,
    created_at,
    is_active,
    is_available,
    is_ready,
    is_terminal,
    is_terminating,
    parse_time,
    phase,
)
from nightshift.embedded.kube.defaults_pods import template_pod
from nightshift.embedded.kube.interfaces import Object, ObjectStore

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
KIND = "replicasets.apps"


def plan_replicaset(owner: Object, pods: Sequence[Object], now: dt.datetime) -> Plan:
    """Plan one step of a ReplicaSet.

    :param pods: those that it controls.
    """
    active = [pod for pod in pods if is_active(pod)]
    status = _status(owner, active, now)
    going = [pod for pod in pods if is_terminating(pod) and not is_terminal(pod)]
    status["terminatingReplicas"] = len(going)
    changes: list[Change] = set_status(KIND, owner, status)
    if not is_terminating(owner):
        missing = owner["spec"]["replicas"] - len(active)
        changes += [Create("pods", build_pod(owner), owner) for _ in range(missing)]
        doomed = rank_for_deletion(active)[: max(0, -missing)]
        changes += [Delete("pods", pod, owner) for pod in doomed]
    return Plan(changes, next_available(active, owner["spec"].get("minReadySeconds", 0), now))


def _status(owner: Object, active: list[Object], now: dt.datetime) -> Object:
    spec = owner["spec"]
    wanted = ((spec["template"].get("metadata") or {}).get("labels") or {}).items()
    labelled = [p for p in active if wanted <= (p["metadata"].get("labels") or {}).items()]
    seconds = spec.get("minReadySeconds", 0)
    counts = {
        "fullyLabeledReplicas": len(labelled),
        "readyReplicas": sum(map(is_ready, active)),
        "availableReplicas": sum(is_available(pod, seconds, now) for pod in active),
    }
    return {
        "replicas": len(active),
        **{name: count for name, count in counts.items() if count},
        "observedGeneration": owner["metadata"].get("generation", 0),
    }


def next_available(
    pods: Sequence[Object], min_ready_seconds: int, now: dt.datetime
) -> dt.datetime | None:
    """Tell when the next ready pod becomes available, None if none is waiting for it."""
    times = [available_at(pod, min_ready_seconds) for pod in pods]
    return min((time for time in times if time is not None and time > now), default=None)


def rank_for_deletion(pods: Sequence[Object]) -> list[Object]:
    """Order pods, the first to be given up first.

    Unscheduled before scheduled, pending before running, not ready before ready, the cheaper by
    ``pod-deletion-cost``, from the node with more of them, younger before older.
    """
    crowd = Counter(pod["spec"].get("nodeName") for pod in pods)

    def rank(pod: Object) -> tuple[bool, int, bool, int, int, float, int, float]:
        since = condition(pod, "Ready").get("lastTransitionTime") if is_ready(pod) else None
        return (
            bool(pod["spec"].get("nodeName")),
            _PHASES.get(phase(pod), 1),
            is_ready(pod),
            _deletion_cost(pod),
            -crowd[pod["spec"].get("nodeName")],
            -parse_time(since).timestamp() if since else 0.0,
            -_restarts(pod),
            -created_at(pod).timestamp(),
        )

    return sorted(pods, key=rank)


def _deletion_cost(pod: Object) -> int:
    text = str((pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0"))
    return int(text) if text.removeprefix("-").isdecimal() else 0


def _restarts(pod: Object) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((int(s.get("restartCount", 0)) for s in statuses), default=0)


def build_pod(owner: Object) -> Object:
    """Build a pod from the template of whoever ``owner`` is."""
    pod = template_pod(owner["spec"]["template"])
    pod["metadata"] |= {
        "generateName": f"{owner['metadata']['name']}-",
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [reference_to(owner)],
    }
    return pod


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    namespace, name = key
    found = store.find(KIND, name, namespace)
    if found is None:
        return Plan()
    return plan_replicaset(found, owned_by(found, store.list("pods", namespace)), now)


CONTROLLER = Controller(
    "replicaset-controller", {KIND: by_itself, "pods": by_owner("ReplicaSet")}, _plan
)
