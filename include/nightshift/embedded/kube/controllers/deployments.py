"""Deployments: replace the pods of one ReplicaSet by those of the next, a few at a time.

Source: pkg/controller/deployment (rolling.go, sync.go, progress.go), Kubernetes 1.36. Not done:
rollback, and sharing a change of ``replicas`` among several ReplicaSets during a rollout (the
newest takes it).
"""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from nightshift.embedded.kube.controllers.changes import (
    Change,
    Create,
    Delete,
    Key,
    Plan,
    Tell,
    Update,
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
    condition,
    created_at,
    is_terminating,
    parse_time,
    put_condition,
    scaled,
)
from nightshift.embedded.kube.controllers.replicasets import KIND as SETS
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.storage import copy_json

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class _Rollout:
    """A Deployment with its ReplicaSets; ``new`` has the current template."""

    deployment: Object
    new: Object | None
    old: list[Object]

    @property
    def sets(self) -> list[Object]:
        return [*self.old, *([self.new] if self.new else [])]

    @property
    def wanted(self) -> int:
        return int(self.deployment["spec"]["replicas"])

    def limits(self) -> tuple[int, int]:
        """Give maxSurge and maxUnavailable in pods; both 0 would never get anywhere."""
        rolling = self.deployment["spec"]["strategy"].get("rollingUpdate") or {}
        surge = scaled(rolling.get("maxSurge", 0), self.wanted, round_up=True)
        missing = scaled(rolling.get("maxUnavailable", 0), self.wanted, round_up=False)
        return surge, max(missing, 0 if surge else 1)


def plan_deployment(deployment: Object, sets: Sequence[Object], now: dt.datetime) -> Plan:
    """Plan one step of a Deployment.

    :param sets: the ReplicaSets that it controls.
    """
    rollout = _sort(deployment, sets)
    status = _status(rollout, now)
    changes: list[Change] = set_status("deployments.apps", deployment, status)
    if is_terminating(deployment):
        return Plan(changes)
    if not deployment["spec"].get("paused"):
        is_recreate = deployment["spec"]["strategy"]["type"] == "Recreate"
        changes += _recreate(rollout) if is_recreate else _roll(rollout)
        changes += _forget_old(rollout)
        changes += _mark_revision(rollout)
    elif rollout.new is not None:
        changes += _scale(rollout, rollout.new, rollout.wanted)
    return Plan(changes, _progress_deadline(deployment, status, now))


def _sort(deployment: Object, sets: Sequence[Object]) -> _Rollout:
    ordered = sorted(sets, key=lambda s: (created_at(s), s["metadata"]["name"]))
    template = deployment["spec"]["template"]
    new = next((s for s in ordered if _bare_template(s) == template), None)
    return _Rollout(deployment, new, [s for s in ordered if s is not new])


def _bare_template(replica_set: Object) -> Object:
    template: Object = copy_json(replica_set["spec"]["template"])
    (template.get("metadata") or {}).get("labels", {}).pop(HASH_LABEL, None)
    return template


def template_hash(template: Object) -> str:
    """Name a template: ten letters that are safe in names."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:10])


def _roll(rollout: _Rollout) -> list[Change]:
    surge, missing = rollout.limits()
    total = sum(_size(s) for s in rollout.sets)
    if rollout.new is None:
        room = max(0, rollout.wanted + surge - total)
        return [_create_set(rollout, min(rollout.wanted, room))]
    target = _size(rollout.new)
    if target > rollout.wanted or not rollout.old:
        target = rollout.wanted
    else:
        target = min(rollout.wanted, target + max(0, rollout.wanted + surge - total))
    if target != _size(rollout.new):
        return _scale(rollout, rollout.new, target)
    return _shrink_old(rollout, total, rollout.wanted - missing)


def _shrink_old(rollout: _Rollout, total: int, fewest_available: int) -> list[Change]:
    """Scale old sets down: first what is not available anyway, then what we can spare."""
    new = rollout.new
    new_missing = _size(new) - _available(new) if new else 0
    room = total - fewest_available - new_missing
    changes: list[Change] = []
    sizes = {s["metadata"]["name"]: _size(s) for s in rollout.old}
    for replica_set in rollout.old:
        name = replica_set["metadata"]["name"]
        unhealthy = max(0, min(room, sizes[name] - _available(replica_set)))
        sizes[name] -= unhealthy
        room -= unhealthy
    spare = min(room, sum(map(_available, rollout.sets)) - fewest_available)
    for replica_set in rollout.old:
        name = replica_set["metadata"]["name"]
        given = max(0, min(spare, sizes[name]))
        sizes[name] -= given
        spare -= given
        changes += _scale(rollout, replica_set, sizes[name])
    return changes


def _recreate(rollout: _Rollout) -> list[Change]:
    changes = [c for old in rollout.old for c in _scale(rollout, old, 0)]
    if changes or any(map(_has_pods, rollout.old)):
        return changes
    if rollout.new is None:
        return [_create_set(rollout, rollout.wanted)]
    return _scale(rollout, rollout.new, rollout.wanted)


def _has_pods(replica_set: Object) -> bool:
    status = replica_set.get("status") or {}
    return bool(status.get("replicas") or status.get("terminatingReplicas"))


def _size(replica_set: Object) -> int:
    return int(replica_set["spec"]["replicas"])


def _available(replica_set: Object) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas", 0))


def _scale(rollout: _Rollout, replica_set: Object, size: int) -> list[Change]:
    now = _size(replica_set)
    if now == size:
        return []

    def change(obj: Object) -> None:
        obj["spec"]["replicas"] = size

    direction = "up" if size > now else "down"
    name = replica_set["metadata"]["name"]
    message = f"Scaled {direction} replica set {name} from {now} to {size}"
    return [
        Update(SETS, replica_set, change),
        Tell(rollout.deployment, "ScalingReplicaSet", message),
    ]


def _create_set(rollout: _Rollout, size: int) -> Create:
    deployment = rollout.deployment
    spec, metadata = deployment["spec"], deployment["metadata"]
    name = template_hash(spec["template"])
    template = copy_json(spec["template"])
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels[HASH_LABEL] = name
    selector = copy_json(spec["selector"])
    selector.setdefault("matchLabels", {})[HASH_LABEL] = name
    revision = max((_revision(s) for s in rollout.sets), default=0) + 1
    return Create(
        SETS,
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{metadata['name']}-{name}",
                "namespace": metadata["namespace"],
                "labels": labels,
                "annotations": {REVISION: str(revision)},
                "ownerReferences": [reference_to(deployment)],
            },
            "spec": {
                "replicas": size,
                "selector": selector,
                "template": template,
                "minReadySeconds": spec.get("minReadySeconds", 0),
            },
        },
        deployment,
    )


def _revision(replica_set: Object) -> int:
    text = str((replica_set["metadata"].get("annotations") or {}).get(REVISION, "0"))
    return int(text) if text.isdecimal() else 0


def _mark_revision(rollout: _Rollout) -> list[Change]:
    """Give the current ReplicaSet the highest number, and show it in the Deployment."""
    if rollout.new is None:
        return []
    newest = max((_revision(s) for s in rollout.old), default=0) + 1
    revision = str(max(newest, _revision(rollout.new)))

    def change(obj: Object) -> None:
        obj["metadata"].setdefault("annotations", {})[REVISION] = revision

    places = ((SETS, rollout.new), ("deployments.apps", rollout.deployment))
    return [
        Update(kind, obj, change)
        for kind, obj in places
        if (obj["metadata"].get("annotations") or {}).get(REVISION) != revision
    ]


def _forget_old(rollout: _Rollout) -> list[Change]:
    idle = [
        s
        for s in rollout.old
        if not _size(s) and not (s.get("status") or {}).get("replicas") and not is_terminating(s)
    ]
    surplus = max(0, len(idle) - rollout.deployment["spec"]["revisionHistoryLimit"])
    return [Delete(SETS, s) for s in sorted(idle, key=_revision)[:surplus]]


def _status(rollout: _Rollout, now: dt.datetime) -> Object:
    def added(field: str, sets: Sequence[Object]) -> int:
        return sum(int((s.get("status") or {}).get(field, 0)) for s in sets)

    available = added("availableReplicas", rollout.sets)
    counts = {
        "replicas": added("replicas", rollout.sets),
        "updatedReplicas": added("replicas", [rollout.new] if rollout.new else []),
        "readyReplicas": added("readyReplicas", rollout.sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(map(_size, rollout.sets)) - available),
    }
    status = {
        "observedGeneration": rollout.deployment["metadata"].get("generation", 0),
        **{name: count for name, count in counts.items() if count},
    }
    return {**status, "conditions": _conditions(rollout, counts, now)}


def _conditions(rollout: _Rollout, counts: dict[str, int], now: dt.datetime) -> list[Object]:
    conditions = list((rollout.deployment.get("status") or {}).get("conditions") or ())
    enough = counts["availableReplicas"] >= rollout.wanted - rollout.limits()[1]
    told = "has" if enough else "does not have"
    available = {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": f"MinimumReplicas{'Available' if enough else 'Unavailable'}",
        "message": f"Deployment {told} minimum availability.",
    }
    conditions = put_condition(conditions, available, now)
    return put_condition(conditions, _progress(rollout, counts, now), now)


def _is_complete(rollout: _Rollout, counts: dict[str, int]) -> bool:
    wanted = (rollout.wanted,) * 3
    return wanted == (
        counts["updatedReplicas"],
        counts["replicas"],
        counts["availableReplicas"],
    ) and (rollout.new is not None)


def _progress(rollout: _Rollout, counts: dict[str, int], now: dt.datetime) -> Object:
    name = rollout.new["metadata"]["name"] if rollout.new else ""
    old = condition(rollout.deployment, "Progressing")
    moved = any(
        counts[field] != (rollout.deployment.get("status") or {}).get(field, 0)
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    if _is_complete(rollout, counts):
        reason, verb = "NewReplicaSetAvailable", "has successfully progressed."
    elif not moved and _is_late(rollout.deployment, old, now):
        return {
            **old,
            "type": "Progressing",
            "status": "False",
            "reason": "ProgressDeadlineExceeded",
            "message": f'ReplicaSet "{name}" has timed out progressing.',
        }
    else:
        reason, verb = "ReplicaSetUpdated", "is progressing."
    same = old.get("reason") == reason and not moved
    return {
        "type": "Progressing",
        "status": "True",
        "reason": reason,
        "message": f'ReplicaSet "{name}" {verb}',
        "lastUpdateTime": old["lastUpdateTime"] if same else now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _is_late(deployment: Object, progressing: Object, now: dt.datetime) -> bool:
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return True
    if progressing.get("reason") != "ReplicaSetUpdated":
        return False
    seconds = dt.timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])
    return parse_time(progressing["lastUpdateTime"]) + seconds <= now


def _progress_deadline(deployment: Object, status: Object, now: dt.datetime) -> dt.datetime | None:
    progressing = next(c for c in status["conditions"] if c["type"] == "Progressing")
    if progressing["reason"] != "ReplicaSetUpdated":
        return None
    seconds = dt.timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])
    return max(now, parse_time(progressing["lastUpdateTime"]) + seconds)


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    namespace, name = key
    found = store.find("deployments.apps", name, namespace)
    if found is None:
        return Plan()
    return plan_deployment(found, owned_by(found, store.list(SETS, namespace)), now)


CONTROLLER = Controller(
    "deployment-controller", {"deployments.apps": by_itself, SETS: by_owner("Deployment")}, _plan
)
