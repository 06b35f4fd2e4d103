"""Namespaces: those that every cluster has, an account in each, and emptying before deletion.

Source: pkg/controller/namespace and pkg/controller/serviceaccount, Kubernetes 1.36.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from nightshift.embedded.kube.admission import DEFAULT_CLASS, SYSTEM_NAMESPACES, admit
from nightshift.embedded.kube.controllers.changes import (
    Change,
    Create,
    Delete,
    Key,
    Plan,
    Update,
    set_status,
)
from nightshift.embedded.kube.controllers.garbage import custom_kinds
from nightshift.embedded.kube.controllers.loops import Controller, by_itself
from nightshift.embedded.kube.controllers.podstates import is_terminating, put_condition
from nightshift.embedded.kube.controllers.volumes import PROVISIONER
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.resources import BUILT_IN, resource_of_key
from nightshift.embedded.kube.strategies import prepare_for_create

ACCOUNTS = "serviceaccounts"
_FINALIZER = "kubernetes"
_LOOK_AGAIN = dt.timedelta(seconds=0.2)
_NAMESPACED = tuple(sorted({r.stored_as for r in BUILT_IN if r.namespaced}))
_STANDARD_CLASS = {
    "metadata": {"name": "standard", "annotations": {DEFAULT_CLASS: "true"}},
    "provisioner": PROVISIONER,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}
_SYSTEM_PRIORITIES = (
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
)


def bootstrap(store: ObjectStore) -> None:
    """Make what every cluster has from its start; what is there already stays as it is."""
    for name in SYSTEM_NAMESPACES:
        _make(store, "namespaces", {"metadata": {"name": name}})
        _make(store, ACCOUNTS, _default_account(name))
    for name, value in _SYSTEM_PRIORITIES:
        priority_class = {"metadata": {"name": name}, "value": value}
        _make(store, "priorityclasses.scheduling.k8s.io", priority_class)
    _make(store, "storageclasses.storage.k8s.io", _STANDARD_CLASS)


def _make(store: ObjectStore, kind: str, obj: Object) -> None:
    resource = resource_of_key(kind)
    metadata = obj["metadata"]
    if resource is None or store.find(kind, metadata["name"], metadata.get("namespace", "")):
        return
    typed = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    store.create(kind, admit(store, "CREATE", kind, prepare_for_create(resource, typed), None))


def _default_account(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    }


def plan_namespace(
    namespace: Object, content: Sequence[tuple[str, Object]], now: dt.datetime
) -> Plan:
    """Plan one step of a namespace.

    :param content: by kind, what is in it.
    """
    name = namespace["metadata"]["name"]
    if not is_terminating(namespace):
        has_account = any(k == ACCOUNTS and o["metadata"]["name"] == "default" for k, o in content)
        return Plan([] if has_account else [Create(ACCOUNTS, _default_account(name))])
    if not content:
        return Plan([Update("namespaces", namespace, _release), Delete("namespaces", namespace)])
    going = [(kind, obj) for kind, obj in content if not is_terminating(obj)]
    changes: list[Change] = [Delete(kind, obj) for kind, obj in going]
    return Plan([*_tell_what_remains(namespace, content, now), *changes], now + _LOOK_AGAIN)


def _release(namespace: Object) -> None:
    kept = [f for f in namespace["spec"].get("finalizers") or () if f != _FINALIZER]
    namespace["spec"]["finalizers"] = kept


def _tell_what_remains(
    namespace: Object, content: Sequence[tuple[str, Object]], now: dt.datetime
) -> list[Change]:
    counts: dict[str, int] = {}
    for kind, _ in content:
        counts[kind] = counts.get(kind, 0) + 1
    listed = ", ".join(f"{kind} has {count} resource instances" for kind, count in counts.items())
    told = {
        "type": "NamespaceContentRemaining",
        "status": "True",
        "reason": "SomeResourcesRemain",
        "message": f"Some resources are remaining: {listed}",
    }
    status = namespace.get("status") or {}
    conditions = put_condition(list(status.get("conditions") or ()), told, now)
    wanted = {**status, "phase": "Terminating", "conditions": conditions}
    return set_status("namespaces", namespace, wanted)


def _content(store: ObjectStore, name: str) -> list[tuple[str, Object]]:
    kinds = (*_NAMESPACED, *custom_kinds(store))
    return [(kind, obj) for kind in kinds for obj in store.list(kind, name)]


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    namespace = store.find("namespaces", key[1])
    if namespace is None:
        return Plan()
    if is_terminating(namespace):
        return plan_namespace(namespace, _content(store, key[1]), now)
    accounts = [(ACCOUNTS, account) for account in store.list(ACCOUNTS, key[1])]
    return plan_namespace(namespace, accounts, now)


def _namespace_of(obj: Object) -> Iterable[Key]:
    return (("", obj["metadata"]["namespace"]),)


CONTROLLER = Controller(
    "namespace-controller", {"namespaces": by_itself, ACCOUNTS: _namespace_of}, _plan
)
