"""What nobody needs any more: dependents without owners, pods without nodes, old finished pods.

Source: pkg/controller/garbagecollector and pkg/controller/podgc, Kubernetes 1.36. One sweep looks
at everything; deletions that come together are one sweep.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nightshift.embedded.kube.controllers.changes import (
    Change,
    Delete,
    Key,
    Plan,
    Tell,
    Update,
    without_finalizer,
)
from nightshift.embedded.kube.controllers.loops import Controller
from nightshift.embedded.kube.controllers.podstates import (
    created_at,
    is_terminal,
    is_terminating,
)
from nightshift.embedded.kube.interfaces import Object, ObjectStore, WatchEvent
from nightshift.embedded.kube.resources import BUILT_IN, key_of_object

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
SWEEP: Key = ("", "everything")
_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
_SETTLE_SECONDS = 0.1
_AT_LEAST_EVERY = dt.timedelta(seconds=30)  # custom resources are not watched
_NEVER_OWNERS = frozenset({"events", "leases.coordination.k8s.io"})
SWEPT_KINDS = tuple(sorted({r.stored_as for r in BUILT_IN if r.stored_as not in _NEVER_OWNERS}))


@dataclass(frozen=True, slots=True)
class Dependent:
    """An object that has owners."""

    kind: str
    obj: Object

    @property
    def owners(self) -> list[Object]:
        """Its owner references."""
        owners: list[Object] = self.obj["metadata"]["ownerReferences"]
        return owners


def plan_sweep(owners: Sequence[tuple[str, Object]], dependents: Sequence[Dependent]) -> Plan:
    """Plan what is to be deleted or let go.

    :param owners: every object that exists, by kind.
    """
    living = {obj["metadata"]["uid"]: obj for _, obj in owners}
    changes: list[Change] = []
    for dependent in dependents:
        changes += _plan_dependent(dependent, living)
    for kind, obj in owners:
        if _has(obj, FOREGROUND) or _has(obj, ORPHAN):
            changes += _plan_owner(kind, obj, dependents)
    return Plan(changes)


def _plan_dependent(dependent: Dependent, living: dict[str, Object]) -> list[Change]:
    present = [o for o in dependent.owners if o["uid"] in living]
    waiting = [o for o in present if _has(living[o["uid"]], FOREGROUND)]
    staying = [o for o in present if o not in waiting]
    if staying:
        if len(staying) == len(dependent.owners):
            return []
        return [Update(dependent.kind, dependent.obj, _with_owners(staying))]
    if is_terminating(dependent.obj):
        return []
    return [Delete(dependent.kind, dependent.obj)]


def _has(owner: Object, finalizer: str) -> bool:
    return is_terminating(owner) and finalizer in (owner["metadata"].get("finalizers") or ())


def _plan_owner(kind: str, owner: Object, dependents: Sequence[Dependent]) -> list[Change]:
    uid = owner["metadata"]["uid"]
    mine = [d for d in dependents if any(o["uid"] == uid for o in d.owners)]
    if _has(owner, ORPHAN):
        freed: list[Change] = [
            Update(d.kind, d.obj, _with_owners([o for o in d.owners if o["uid"] != uid]))
            for d in mine
        ]
        return [*freed, Update(kind, owner, without_finalizer(ORPHAN))]
    blocking = [
        d for d in mine if any(o["uid"] == uid and o.get("blockOwnerDeletion") for o in d.owners)
    ]
    if _has(owner, FOREGROUND) and not blocking:
        return [Update(kind, owner, without_finalizer(FOREGROUND))]
    return []


def _with_owners(owners: list[Object]) -> Callable[[Object], None]:
    def change(obj: Object) -> None:
        obj["metadata"].pop("ownerReferences", None)
        if owners:
            obj["metadata"]["ownerReferences"] = owners

    return change


def plan_pods(pods: Sequence[Object], nodes: Iterable[str], most_finished: int) -> list[Change]:
    """Plan the deletion of pods that nobody ends: their node is gone, or there are too many.

    :param most_finished: pods that have ended and are kept; the oldest go first.
    """
    present = set(nodes)
    changes: list[Change] = []
    for pod in pods:
        name = pod["spec"].get("nodeName")
        if name and name not in present:
            message = f"PodGC: node no longer exists: {name}"
            changes += [Tell(pod, "DeletionByPodGC", message), _now(pod)]
        elif not name and is_terminating(pod):
            changes.append(_now(pod))
    finished = sorted((p for p in pods if is_terminal(p)), key=created_at)
    doomed = finished[: max(0, len(finished) - most_finished)]
    return changes + [_now(pod) for pod in doomed]


def _now(pod: Object) -> Delete:
    return Delete("pods", pod, at_once=True)


def custom_kinds(store: ObjectStore) -> list[str]:
    """List the storage keys of custom resources."""
    return [definition["metadata"]["name"] for definition in store.list(_DEFINITIONS)]


def kind_of_owner(store: ObjectStore, owner: Object) -> str | None:
    """Find the storage key of an owner's kind, custom resources included."""
    built_in = key_of_object(owner)
    if built_in is not None:
        return built_in
    group = owner["apiVersion"].rpartition("/")[0]
    for definition in store.list(_DEFINITIONS):
        spec = definition["spec"]
        if spec["group"] == group and spec["names"]["kind"] == owner["kind"]:
            return str(definition["metadata"]["name"])
    return None


def _plan(store: ObjectStore, _: Key, now: dt.datetime) -> Plan:
    found = [(k, o) for k in (*SWEPT_KINDS, *custom_kinds(store)) for o in store.list(k)]
    dependents = [
        Dependent(kind, obj) for kind, obj in found if obj["metadata"].get("ownerReferences")
    ]
    return Plan(plan_sweep(found, dependents).changes, now + _AT_LEAST_EVERY)


def _sweep(_: Object) -> Iterable[Key]:
    return (SWEEP,)


def _may_matter(event: WatchEvent) -> bool:
    """Tell whether a change can make something garbage."""
    if event.type == "DELETED":
        return True
    if _has(event.object, FOREGROUND) or _has(event.object, ORPHAN):
        return True
    return event.type == "ADDED" and "ownerReferences" in event.object["metadata"]


def build_pod_collector(most_finished: int) -> Controller:
    """Build the controller that deletes pods nobody ends."""

    def plan(store: ObjectStore, _: Key, __: dt.datetime) -> Plan:
        nodes = [node["metadata"]["name"] for node in store.list("nodes")]
        return Plan(plan_pods(store.list("pods"), nodes, most_finished))

    watches = dict.fromkeys(("pods", "nodes"), _sweep)
    return Controller("pod-garbage-collector", watches, plan, settle_seconds=1.0)


CONTROLLER = Controller(
    "garbage-collector",
    dict.fromkeys(SWEPT_KINDS, _sweep),
    _plan,
    settle_seconds=_SETTLE_SECONDS,
    relevant=_may_matter,
)
