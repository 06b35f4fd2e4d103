"""StatefulSets: pods with stable names and volumes, made and given up in order.

Source: pkg/controller/statefulset, Kubernetes 1.36. Deviation: a pod's revision is a label only;
there are no ControllerRevision objects.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    reference_to,
)
from nightshift.embedded.kube.controllers.podstates import (
    is_available,
    is_ready,
    is_terminal,
    is_terminating,
)
from nightshift.embedded.kube.controllers.replicasets import next_available
from nightshift.embedded.kube.defaults_pods import template_pod
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.storage import copy_json

KIND = "statefulsets.apps"
REVISION = "controller-revision-hash"
_POD_NAME = "statefulset.kubernetes.io/pod-name"
_POD_INDEX = "apps.kubernetes.io/pod-index"


@dataclass(frozen=True, slots=True)
class _Set:
    """A StatefulSet with its pods by ordinal."""

    owner: Object
    pods: Mapping[int, Object]
    now: dt.datetime

    @property
    def spec(self) -> Object:
        spec: Object = self.owner["spec"]
        return spec

    @property
    def ordinals(self) -> range:
        start = int((self.spec.get("ordinals") or {}).get("start", 0))
        return range(start, start + int(self.spec["replicas"]))

    @property
    def revision(self) -> str:
        return f"{self.owner['metadata']['name']}-{template_hash(self.spec['template'])}"

    def is_settled(self, pod: Object) -> bool:
        """Tell whether the next pod may follow this one."""
        seconds = int(self.spec.get("minReadySeconds", 0))
        return not is_terminating(pod) and is_available(pod, seconds, self.now)

    def is_current(self, pod: Object) -> bool:
        return (pod["metadata"].get("labels") or {}).get(REVISION) == self.revision


def plan_statefulset(owner: Object, pods: Sequence[Object], now: dt.datetime) -> Plan:
    """Plan one step of a StatefulSet.

    :param pods: those that it controls.
    """
    numbered = {_ordinal(owner, pod): pod for pod in pods}
    state = _Set(owner, {i: pod for i, pod in numbered.items() if i is not None}, now)
    changes = set_status(KIND, owner, _status(state))
    if not is_terminating(owner):
        changes += _replace_ended(state) or _fill(state) or _shrink(state) or _update(state)
    seconds = int(owner["spec"].get("minReadySeconds", 0))
    return Plan(changes, next_available(pods, seconds, now))


def _ordinal(owner: Object, pod: Object) -> int | None:
    prefix = re.escape(owner["metadata"]["name"])
    match = re.fullmatch(rf"{prefix}-([0-9]+)", pod["metadata"]["name"])
    return int(match[1]) if match else None


def _replace_ended(state: _Set) -> list[Change]:
    """Delete pods that have ended, so that they are made again under the same name."""
    ended = [p for p in state.pods.values() if is_terminal(p) and not is_terminating(p)]
    return [Delete("pods", pod, state.owner) for pod in ended]


def _fill(state: _Set) -> list[Change]:
    """Make missing pods: in order and one at a time, or all at once with Parallel."""
    is_parallel = state.spec["podManagementPolicy"] == "Parallel"
    changes: list[Change] = []
    for ordinal in state.ordinals:
        pod = state.pods.get(ordinal)
        if pod is None:
            changes += _creations(state, ordinal)
        if not is_parallel and (pod is None or not state.is_settled(pod)):
            break
    return changes


def _shrink(state: _Set) -> list[Change]:
    """Give up surplus pods, the highest ordinal first; wait for each to be gone."""
    surplus = sorted((i for i in state.pods if i not in state.ordinals), reverse=True)
    if state.spec["podManagementPolicy"] == "Parallel":
        doomed = surplus
    else:
        kept = (state.pods[i] for i in state.ordinals if i in state.pods)
        if any(not state.is_settled(pod) for pod in kept):
            return []
        doomed = surplus[:1]
    return [
        Delete("pods", state.pods[i], state.owner)
        for i in doomed
        if not is_terminating(state.pods[i])
    ]


def _update(state: _Set) -> list[Change]:
    """Replace a pod of an older template, the highest ordinal first, one at a time."""
    strategy = state.spec["updateStrategy"]
    if strategy["type"] != "RollingUpdate":
        return []
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    for ordinal in sorted(state.pods, reverse=True):
        pod = state.pods[ordinal]
        if is_terminating(pod):
            return []
        if not state.is_current(pod) and ordinal >= partition:
            return [Delete("pods", pod, state.owner)]
        if not state.is_settled(pod):
            return []
    return []


def _creations(state: _Set, ordinal: int) -> list[Change]:
    claims = [
        Create("persistentvolumeclaims", claim, state.owner)
        for claim in build_claims(state.owner, ordinal)
    ]
    return [*claims, Create("pods", _build_pod(state, ordinal), state.owner)]


def build_claims(owner: Object, ordinal: int) -> list[Object]:
    """Build the claims of one pod; they outlive it."""
    name, namespace = owner["metadata"]["name"], owner["metadata"]["namespace"]
    claims = []
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        claim = copy_json({k: v for k, v in template.items() if k != "status"})
        metadata = claim["metadata"]
        labels = (owner["spec"]["selector"].get("matchLabels") or {}) | metadata.get("labels", {})
        metadata |= {
            "name": f"{metadata['name']}-{name}-{ordinal}",
            "namespace": namespace,
            "labels": labels,
        }
        claims.append(claim)
    return claims


def _build_pod(state: _Set, ordinal: int) -> Object:
    owner, name = state.owner, f"{state.owner['metadata']['name']}-{ordinal}"
    pod = template_pod(state.spec["template"])
    metadata, spec = pod["metadata"], pod["spec"]
    labels = {REVISION: state.revision, _POD_NAME: name, _POD_INDEX: str(ordinal)}
    metadata |= {
        "name": name,
        "namespace": owner["metadata"]["namespace"],
        "labels": {**metadata.get("labels", {}), **labels},
        "ownerReferences": [reference_to(owner)],
    }
    spec["hostname"] = name
    if state.spec.get("serviceName"):
        spec["subdomain"] = state.spec["serviceName"]
    templates = [t["metadata"]["name"] for t in state.spec.get("volumeClaimTemplates") or ()]
    if templates:
        others = [v for v in spec.get("volumes") or () if v["name"] not in templates]
        spec["volumes"] = others + [
            {"name": t, "persistentVolumeClaim": {"claimName": f"{t}-{name}"}} for t in templates
        ]
    return pod


def _status(state: _Set) -> Object:
    pods = [pod for i, pod in state.pods.items() if not is_terminal(pod)]
    seconds = int(state.spec.get("minReadySeconds", 0))
    current = [p for p in pods if state.is_current(p)]
    old = (state.owner.get("status") or {}).get("currentRevision", state.revision)
    done = len(current) == len(pods) == len(state.ordinals) and all(map(state.is_settled, pods))
    revision = state.revision if done else old
    of_revision = [p for p in pods if (p["metadata"].get("labels") or {}).get(REVISION) == revision]
    counts = {
        "readyReplicas": sum(map(is_ready, pods)),
        "currentReplicas": len(of_revision),
        "updatedReplicas": len(current),
    }
    return {
        "observedGeneration": state.owner["metadata"].get("generation", 0),
        "replicas": len(pods),
        **{name: count for name, count in counts.items() if count},
        "availableReplicas": sum(is_available(p, seconds, state.now) for p in pods),
        "currentRevision": revision,
        "updateRevision": state.revision,
        "collisionCount": 0,
    }


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    namespace, name = key
    found = store.find(KIND, name, namespace)
    if found is None:
        return Plan()
    return plan_statefulset(found, owned_by(found, store.list("pods", namespace)), now)


CONTROLLER = Controller(
    "statefulset-controller", {KIND: by_itself, "pods": by_owner("StatefulSet")}, _plan
)
