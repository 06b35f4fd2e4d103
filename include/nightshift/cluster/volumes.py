"""Workspace volumes: one claim an account and batch; made, looked at, listed, deleted."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.events import Event, list_events
from nightshift.cluster.labels import ACCOUNT, BATCH, are_ours, our_labels, selector
from nightshift.cluster.objects import parse_metadata, read_object
from nightshift.cluster.waiting import Pace
from nightshift.domain.ids import AccountName
from nightshift.domain.kubejson import as_mapping
from nightshift.domain.names import object_name
from nightshift.errors import Conflict, Invalid, NotFound, RetryableError
from nightshift.settings import Settings

WORKSPACE = "workspace"
_WAITS_FOR_POD = "WaitForFirstConsumer"


class VolumeNotReady(RetryableError):
    """A claim stays Pending; the text has the provisioner's reason."""


@dataclass(frozen=True, slots=True)
class VolumeRequest:
    """A workspace volume to be had.

    :param storage_class: "" is the cluster's default.
    :param size: a quantity, such as 20Gi.
    """

    account: AccountName
    batch: int
    size: str = "20Gi"
    storage_class: str = ""
    access_mode: str = "ReadWriteMany"

    @classmethod
    def from_settings(cls, settings: Settings, account: AccountName, batch: int) -> "VolumeRequest":
        """Ask for what the settings say."""
        return cls(
            account,
            batch,
            settings.workspace_size,
            settings.workspace_storage_class,
            settings.workspace_access_mode,
        )

    @property
    def name(self) -> str:
        """The claim's name."""
        return volume_name(self.account, self.batch)


@dataclass(frozen=True, slots=True)
class Volume:
    """A claim as the API shows it.

    :param phase: Pending, Bound or Lost.
    :param capacity: a quantity; "" before it is bound.
    :param batch: "" if the label is gone.
    """

    name: str
    phase: str
    account: str
    batch: str
    created_at: dt.datetime
    capacity: str = ""
    deleting: bool = False


def volume_name(account: AccountName, batch: int) -> str:
    """Name the claim of an account's workspace for one batch.

    >>> volume_name(AccountName("acme"), 7)
    'ws--acme--7'
    """
    return object_name("ws", account, str(batch))


def ensure_volume(cluster: Cluster, request: VolumeRequest) -> Volume:
    """Make the claim, or find the one that is there; safe to repeat.

    :raises Invalid: if the name is taken by a claim that is not ours, or the API refuses the claim.
    :raises Conflict: if the claim of an earlier try is still being deleted.
    """
    try:
        obj = cluster.create(cluster.path("persistentvolumeclaims"), _build_claim(request))
    except Conflict:
        obj = cluster.get(cluster.path("persistentvolumeclaims", request.name))
    meta = read_object(cluster, obj, parse_metadata)
    if not are_ours(meta.labels):
        raise Invalid(
            f"the claim {cluster.namespace}/{request.name} is there and is not Nightshift's: "
            "delete or rename it"
        )
    if meta.deleting:
        raise Conflict(f"the claim {cluster.namespace}/{request.name} is still being deleted")
    return read_object(cluster, obj, _parse_volume)


def wait_for_volume(cluster: Cluster, name: str, pace: Pace) -> Volume:
    """Wait until a claim is bound, or until it only waits for its first pod.

    :raises VolumeNotReady: if it stays Pending; the text says what the provisioner said.
    :raises Invalid: if it lost its volume.
    """
    events: list[Event] = []
    for _ in pace.looks():
        volume = read_volume(cluster, name)
        if volume.phase == "Bound":
            return volume
        if volume.phase == "Lost":
            raise Invalid(
                f"the claim {cluster.namespace}/{name} lost its volume; delete it and start anew"
            )
        events = list_events(cluster, "PersistentVolumeClaim", name)
        if events and events[0].reason == _WAITS_FOR_POD:
            return volume
    raise VolumeNotReady(_explain_pending(cluster, name, pace, events))


def read_volume(cluster: Cluster, name: str) -> Volume:
    """Read one claim.

    :raises NotFound: if it is not there.
    """
    path = cluster.path("persistentvolumeclaims", name)
    return read_object(cluster, cluster.get(path), _parse_volume)


def list_volumes(cluster: Cluster) -> list[Volume]:
    """List every workspace claim of ours, whatever its batch."""
    labels = our_labels(WORKSPACE)
    found = cluster.iterate(cluster.path("persistentvolumeclaims"), labelSelector=selector(labels))
    return [read_object(cluster, obj, _parse_volume) for obj in found]


def delete_volume(cluster: Cluster, name: str) -> bool:
    """Ask for a claim's deletion, which waits for the pods that use it; False if it is gone."""
    try:
        cluster.delete(cluster.path("persistentvolumeclaims", name))
    except NotFound:
        return False
    return True


def _build_claim(request: VolumeRequest) -> Object:
    spec: Object = {
        "accessModes": [request.access_mode],
        "resources": {"requests": {"storage": request.size}},
    }
    if request.storage_class:
        spec["storageClassName"] = request.storage_class
    labels = our_labels(WORKSPACE, account=request.account, batch=str(request.batch))
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": request.name, "labels": labels},
        "spec": spec,
    }


def _parse_volume(obj: Mapping[str, Any]) -> Volume:
    meta = parse_metadata(obj)
    status = as_mapping(obj.get("status"), "status")
    return Volume(
        name=meta.name,
        phase=str(status.get("phase", "Pending")),
        account=meta.labels.get(ACCOUNT, ""),
        batch=meta.labels.get(BATCH, ""),
        created_at=meta.created_at,
        capacity=str(as_mapping(status.get("capacity"), "status.capacity").get("storage", "")),
        deleting=meta.deleting,
    )


def _explain_pending(cluster: Cluster, name: str, pace: Pace, events: list[Event]) -> str:
    said = f"{events[0].reason}: {events[0].message}" if events else "the cluster says nothing"
    return (
        f"the claim {cluster.namespace}/{name} is still Pending after {pace.timeout_seconds:.0f} s "
        f"({said}): check NIGHTSHIFT_WORKSPACE_STORAGE_CLASS, NIGHTSHIFT_WORKSPACE_ACCESS_MODE and "
        "the provisioner"
    )
