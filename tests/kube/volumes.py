"""A provisioner of volumes that all nodes share: ``python -m tests.kube.volumes DATA``.

It answers claims of the default class ``shared``, in any access mode, with directories of this
machine, which every node sees. They are *local* volumes, not hostPath, so that the kubelet applies
fsGroup to them as it does on a file server. It follows the contract between the volume controller
and an external provisioner: the controller's annotation on the claim says whose turn it is, and a
released volume whose policy is Delete is deleted with its content.
"""

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kube.api import Api
from tests.kube.errors import HarnessError
from tests.kube.layout import Layout
from tests.kube.states import read_state

CLASS = "shared"
PROVISIONER = "nightshift.test/shared-directories"
_ASKED = "volume.kubernetes.io/storage-provisioner"
_MADE_BY = "pv.kubernetes.io/provisioned-by"
_VOLUMES = "/api/v1/persistentvolumes"
_LOOK_SECONDS = 0.3

STORAGE_CLASS: Mapping[str, Any] = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {
        "name": CLASS,
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
    "provisioner": PROVISIONER,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}


def serve(layout: Layout) -> None:
    """Provision and delete until killed; what the API server refuses is tried again.

    :raises HarnessError: if there is no cluster in the data directory.
    """
    state = read_state(layout)
    if state is None:
        raise HarnessError(f"no cluster in {layout.data}")
    with Api(state.place.url, layout) as api:
        while True:
            try:
                provision(api, layout.volumes)
                reclaim(api, layout.volumes)
            except HarnessError as error:
                print(error, file=sys.stderr, flush=True)
            time.sleep(_LOOK_SECONDS)


def provision(api: Api, folder: Path) -> None:
    """Make a volume for each claim that waits for one of ours."""
    for claim in api.items("/api/v1/persistentvolumeclaims"):
        if is_ours_to_make(claim):
            volume = build_volume(claim, folder)
            Path(volume["spec"]["local"]["path"]).mkdir(exist_ok=True)
            if api.find(f"{_VOLUMES}/{volume['metadata']['name']}") is None:
                api.post(_VOLUMES, volume)


def reclaim(api: Api, folder: Path) -> None:
    """Delete the volumes of ours whose claims are gone, content first."""
    for volume in api.items(_VOLUMES):
        if is_ours_to_delete(volume):
            shutil.rmtree(folder / volume["metadata"]["name"], ignore_errors=True)
            api.delete(f"{_VOLUMES}/{volume['metadata']['name']}")


def is_ours_to_make(claim: Mapping[str, Any]) -> bool:
    """Tell whether the volume controller has handed a claim to us."""
    annotations = claim["metadata"].get("annotations", {})
    return (
        annotations.get(_ASKED) == PROVISIONER
        and "deletionTimestamp" not in claim["metadata"]
        and not claim["spec"].get("volumeName")
    )


def is_ours_to_delete(volume: Mapping[str, Any]) -> bool:
    """Tell whether a volume of ours is released."""
    annotations = volume["metadata"].get("annotations", {})
    return bool(
        annotations.get(_MADE_BY) == PROVISIONER
        and volume["status"]["phase"] == "Released"
        and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    )


def build_volume(claim: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Build the volume of a claim, bound to it and to no other."""
    meta, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{meta['uid']}"
    owner = {key: meta[key] for key in ("namespace", "name", "uid")}
    volume = build_local_volume(name, folder / name, spec["resources"]["requests"]["storage"])
    volume["metadata"]["annotations"] = {_MADE_BY: PROVISIONER}
    volume["spec"] |= {
        "accessModes": spec["accessModes"],
        "storageClassName": spec["storageClassName"],
        "persistentVolumeReclaimPolicy": "Delete",
        "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **owner},
    }
    return volume


def build_local_volume(name: str, folder: Path, size: str) -> dict[str, Any]:
    """Build a volume for a directory that is at the same path on every node."""
    everywhere = {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteMany"],
            "local": {"path": str(folder)},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [everywhere]}]}
            },
        },
    }


if __name__ == "__main__":
    serve(Layout.of(Path(sys.argv[1])))
