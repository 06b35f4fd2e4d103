"""Whose turn the provisioner says it is, and what it makes."""

from pathlib import Path
from typing import Any

import pytest

from tests.kube.volumes import (
    CLASS,
    PROVISIONER,
    build_volume,
    is_ours_to_delete,
    is_ours_to_make,
)

ASKED = {"volume.kubernetes.io/storage-provisioner": PROVISIONER}


def claim(annotations: dict[str, str] | None = None, **spec: object) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "n", "name": "c", "uid": "u", "annotations": annotations or {}},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": CLASS,
            "resources": {"requests": {"storage": "3Gi"}},
            **spec,
        },
    }


@pytest.mark.parametrize(
    ("one", "ours"),
    [
        (claim(ASKED), True),
        (claim(), False),
        (claim({next(iter(ASKED)): "other.example"}), False),
        (claim(ASKED, volumeName="v"), False),
    ],
    ids=["asked", "not yet asked", "another's", "bound"],
)
def test_only_claims_that_the_controller_hands_over_are_served(
    one: dict[str, Any], ours: bool
) -> None:
    assert is_ours_to_make(one) is ours
    one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not is_ours_to_make(one)


def test_a_volume_is_bound_to_its_claim_and_reachable_from_every_node() -> None:
    volume = build_volume(claim(ASKED), Path("/volumes"))
    spec = volume["spec"]
    assert spec["claimRef"]["uid"] == "u"
    assert spec["local"] == {"path": "/volumes/pvc-u"}
    assert (spec["capacity"], spec["accessModes"]) == ({"storage": "3Gi"}, ["ReadWriteMany"])
    volume["status"] = {"phase": "Bound"}
    assert not is_ours_to_delete(volume)
    volume["status"] = {"phase": "Released"}
    assert is_ours_to_delete(volume)
    spec["persistentVolumeReclaimPolicy"] = "Retain"
    assert not is_ours_to_delete(volume)
