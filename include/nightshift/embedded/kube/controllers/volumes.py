"""Volumes: bind claims, make and remove the directories behind them.

A claim of a class of ours gets a directory below the data folder and a PersistentVolume that points
to it. When the claim goes, so does the directory, if the class says Delete. A claim in use by a pod
that has not ended stays until the pod has. Source: pkg/controller/volume/persistentvolume and
pvcprotection, Kubernetes 1.36. Access modes are not enforced; binding is immediate.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nightshift.domain.quantities import parse_quantity
from nightshift.embedded.kube.admission import CLAIM_PROTECTION, VOLUME_PROTECTION
from nightshift.embedded.kube.controllers.changes import (
    Change,
    Create,
    Delete,
    Key,
    Plan,
    Tell,
    Update,
    set_status,
    without_finalizer,
)
from nightshift.embedded.kube.controllers.directories import VolumeDirectories
from nightshift.embedded.kube.controllers.loops import Controller, by_itself
from nightshift.embedded.kube.controllers.podstates import is_terminal, is_terminating
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.validation_selectors import selects

CLAIMS = "persistentvolumeclaims"
VOLUMES = "persistentvolumes"
CLASSES = "storageclasses.storage.k8s.io"
PROVISIONER = "nightshift.local/directory"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_BOUND = {"pv.kubernetes.io/bind-completed": "yes"}


@dataclass(frozen=True, slots=True)
class ClaimState:
    """What decides about a claim.

    :param volumes: all of them.
    :param storage_class: the claim's, None if it names none or there is none of that name.
    :param in_use: a pod that has not ended uses the claim.
    """

    claim: Object
    volumes: Sequence[Object]
    storage_class: Object | None
    in_use: bool


def plan_claim(state: ClaimState, path_of: Callable[[str], str]) -> Plan:
    """Plan one step of a claim.

    :param path_of: gives the directory for a volume's name; it is made when the volume is seen.
    """
    claim = state.claim
    if is_terminating(claim):
        finalizers = claim["metadata"].get("finalizers") or ()
        if state.in_use or CLAIM_PROTECTION not in finalizers:
            return Plan()
        return Plan([Update(CLAIMS, claim, without_finalizer(CLAIM_PROTECTION))])
    volume = _volume_of(state)
    if volume is not None:
        return Plan(_bind(claim, volume))
    if claim["spec"].get("volumeName"):
        return Plan(_lost(claim))
    return Plan(_provision(state, path_of))


def _volume_of(state: ClaimState) -> Object | None:
    """Find the claim's volume: the one that names it, else the smallest free one that fits."""
    claim = state.claim
    uid, wanted = claim["metadata"]["uid"], claim["spec"].get("volumeName")
    for volume in state.volumes:
        reference = volume["spec"].get("claimRef") or {}
        if reference.get("uid") == uid:
            return volume
        if wanted == volume["metadata"]["name"] and _is_free_for(claim, volume):
            return volume
    if wanted:
        return None
    fitting = [v for v in state.volumes if _is_free_for(claim, v) and _fits(claim, v)]
    return min(fitting, key=_size, default=None)


def _is_free_for(claim: Object, volume: Object) -> bool:
    reference = volume["spec"].get("claimRef")
    if is_terminating(volume) or (volume.get("status") or {}).get("phase") == "Released":
        return False
    if reference is None:
        return True
    here = (claim["metadata"]["namespace"], claim["metadata"]["name"])
    return not reference.get("uid") and (reference["namespace"], reference["name"]) == here


def _fits(claim: Object, volume: Object) -> bool:
    spec, offer = claim["spec"], volume["spec"]
    selector = spec.get("selector")
    return (
        offer.get("storageClassName", "") == spec.get("storageClassName", "")
        and set(spec["accessModes"]) <= set(offer["accessModes"])
        and _size(volume) >= parse_quantity(spec["resources"]["requests"]["storage"])
        and (selector is None or selects(selector, volume["metadata"].get("labels")))
        and spec.get("volumeMode") == offer.get("volumeMode")
    )


def _size(volume: Object) -> float:
    return float(parse_quantity(volume["spec"]["capacity"]["storage"]))


def _bind(claim: Object, volume: Object) -> list[Change]:
    name, capacity = volume["metadata"]["name"], volume["spec"]["capacity"]
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": claim["metadata"]["name"],
        "namespace": claim["metadata"]["namespace"],
        "uid": claim["metadata"]["uid"],
    }

    def take(obj: Object) -> None:
        obj["spec"]["claimRef"] = reference
        obj["status"] = {"phase": "Bound"}

    def bind(obj: Object) -> None:
        obj["spec"]["volumeName"] = name
        metadata = obj["metadata"]
        metadata["annotations"] = {**metadata.get("annotations", {}), **_BOUND}
        modes = volume["spec"]["accessModes"]
        obj["status"] = {"phase": "Bound", "accessModes": modes, "capacity": capacity}

    return [Update(VOLUMES, volume, take), Update(CLAIMS, claim, bind)]


def _lost(claim: Object) -> list[Change]:
    changes = set_status(CLAIMS, claim, {"phase": "Lost"})
    message = "Bound claim has lost its PersistentVolume. Any data on the volume is lost!"
    was_bound = (claim.get("status") or {}).get("phase") == "Bound"
    if not was_bound:
        return []  # the volume that it names may still come
    return [*changes, Tell(claim, "ClaimLost", message, "Warning")]


def _provision(state: ClaimState, path_of: Callable[[str], str]) -> list[Change]:
    claim, found = state.claim, state.storage_class
    wanted = claim["spec"].get("storageClassName")
    if found is None:
        if not wanted:
            message = "no persistent volumes available for this claim and no storage class is set"
            return [Tell(claim, "FailedBinding", message)]
        message = f'storageclass.storage.k8s.io "{wanted}" not found'
        return [Tell(claim, "ProvisioningFailed", message, "Warning")]
    if found["provisioner"] != PROVISIONER:
        message = (
            "Waiting for a volume to be created either by the external provisioner"
            f" '{found['provisioner']}' or manually by the system administrator."
        )
        return [Tell(claim, "ExternalProvisioning", message)]
    name = f"pvc-{claim['metadata']['uid']}"
    return [
        Create(VOLUMES, _build_volume(claim, found, name, path_of(name))),
        Tell(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}"),
    ]


def _build_volume(claim: Object, storage_class: Object, name: str, path: str) -> Object:
    spec = claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"],
            "hostPath": {"path": path, "type": "Directory"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": claim["metadata"]["name"],
                "namespace": claim["metadata"]["namespace"],
                "uid": claim["metadata"]["uid"],
            },
        },
        "status": {"phase": "Pending"},
    }


def plan_volume(volume: Object, claim: Object | None, *, is_removed: bool) -> Plan:
    """Plan one step of a volume.

    :param claim: the claim that it is bound to, None if that is gone.
    :param is_removed: its directory is not there (any more), or is not ours to remove.
    """
    reference = volume["spec"].get("claimRef") or {}
    if claim is not None and claim["metadata"]["uid"] == reference.get("uid"):
        return Plan()
    if reference.get("uid"):
        if goes_with_its_claim(volume):
            return Plan(_remove(volume) if is_removed else set_phase(volume, "Released"))
        return Plan([*set_phase(volume, "Released"), *_let_go(volume)])
    return Plan([*set_phase(volume, "Available"), *_let_go(volume)])


def set_phase(volume: Object, phase: str) -> list[Change]:
    """Plan a volume's phase."""
    return set_status(VOLUMES, volume, {"phase": phase})


def is_ours(volume: Object) -> bool:
    """Tell whether a volume's directory was made here."""
    annotations = volume["metadata"].get("annotations") or {}
    return bool(annotations.get(PROVISIONED_BY) == PROVISIONER)


def goes_with_its_claim(volume: Object) -> bool:
    """Tell whether a volume and its directory are removed once its claim is gone."""
    policy = volume["spec"].get("persistentVolumeReclaimPolicy")
    return bool(policy == "Delete" and is_ours(volume))


def _remove(volume: Object) -> list[Change]:
    changes: list[Change] = [] if is_terminating(volume) else [Delete(VOLUMES, volume)]
    return [*changes, Update(VOLUMES, volume, without_finalizer(VOLUME_PROTECTION))]


def _let_go(volume: Object) -> list[Change]:
    """Let a volume that nobody is bound to be deleted."""
    if not is_terminating(volume):
        return []
    return [Update(VOLUMES, volume, without_finalizer(VOLUME_PROTECTION))]


def uses_claim(pod: Object, name: str) -> bool:
    """Tell whether a pod that has not ended mounts a claim."""
    return not is_terminal(pod) and any(
        (volume.get("persistentVolumeClaim") or {}).get("claimName") == name
        for volume in pod["spec"].get("volumes") or ()
    )


def build_controllers(directories: VolumeDirectories) -> tuple[Controller, Controller]:
    """Build the controllers of claims and of volumes, which keep their data in ``directories``."""

    def path_of(name: str) -> str:
        return str(directories.make(name))

    def plan_for_claim(store: ObjectStore, key: Key, _: dt.datetime) -> Plan:
        claim = store.find(CLAIMS, key[1], key[0])
        if claim is None:
            return Plan()
        in_use = any(uses_claim(pod, key[1]) for pod in store.list("pods", key[0]))
        wanted = claim["spec"].get("storageClassName")
        found = store.find(CLASSES, wanted) if wanted else None
        return plan_claim(ClaimState(claim, store.list(VOLUMES), found, in_use), path_of)

    def plan_for_volume(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
        volume = store.find(VOLUMES, key[1])
        if volume is None:
            return Plan()
        reference = volume["spec"].get("claimRef") or {}
        namespace = reference.get("namespace", "")
        claim = store.find(CLAIMS, reference.get("name", ""), namespace)
        is_bound = claim is not None and claim["metadata"]["uid"] == reference.get("uid")
        if is_bound or not reference.get("uid"):
            return plan_volume(volume, claim, is_removed=False)
        is_removed = directories.remove_soon(key[1]) if goes_with_its_claim(volume) else True
        plan = plan_volume(volume, claim, is_removed=is_removed)
        again = None if is_removed else now + dt.timedelta(milliseconds=50)
        return Plan(plan.changes, again)

    return (
        Controller(
            "persistentvolume-binder",
            {CLAIMS: by_itself, "pods": _claims_of_pod, VOLUMES: _claim_of_volume},
            plan_for_claim,
        ),
        Controller(
            "persistentvolume-reclaimer",
            {VOLUMES: by_itself, CLAIMS: _volume_of_claim},
            plan_for_volume,
        ),
    )


def _claims_of_pod(pod: Object) -> Iterable[Key]:
    namespace = pod["metadata"]["namespace"]
    for volume in pod["spec"].get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name:
            yield namespace, name


def _claim_of_volume(volume: Object) -> Iterable[Key]:
    reference = volume["spec"].get("claimRef")
    return ((reference["namespace"], reference["name"]),) if reference else ()


def _volume_of_claim(claim: Object) -> Iterable[Key]:
    name = claim["spec"].get("volumeName")
    return (("", name),) if name else ()
