import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.volumes import (
    VolumeNotReady,
    VolumeRequest,
    delete_volume,
    ensure_volume,
    list_volumes,
    read_volume,
    wait_for_volume,
)
from nightshift.domain.ids import AccountName
from nightshift.errors import Conflict, Invalid, NotFound
from nightshift.settings import Settings
from tests.cluster.kube_support import instant_pace, set_status

REQUEST = VolumeRequest(AccountName("acme"), 7, "30Gi", "cephfs")


def say(cluster: Cluster, reason: str, message: str, at: str = "2026-01-02T03:04:05Z") -> None:
    """Play the provisioner that explains itself in an event."""
    cluster.create(
        cluster.path("events"),
        {
            "metadata": {"name": f"e-{reason.lower()}"},
            "involvedObject": {
                "kind": "PersistentVolumeClaim", "name": REQUEST.name, "namespace": "default",
            },
            "reason": reason,
            "message": message,
            "type": "Warning",
            "lastTimestamp": at,
        },
    )  # fmt: skip


def test_a_claim_asks_for_what_was_requested(cluster: Cluster) -> None:
    volume = ensure_volume(cluster, REQUEST)
    assert (volume.name, volume.phase) == ("ws--acme--7", "Pending")
    assert (volume.account, volume.batch) == ("acme", "7")
    spec = cluster.get(cluster.path("persistentvolumeclaims", volume.name))["spec"]
    assert spec["resources"] == {"requests": {"storage": "30Gi"}}
    assert spec["accessModes"] == ["ReadWriteMany"]
    assert spec["storageClassName"] == "cephfs"


def test_no_storage_class_leaves_the_choice_to_the_cluster(cluster: Cluster) -> None:
    settings = Settings(workspace_access_mode="ReadWriteOnce")
    request = VolumeRequest.from_settings(settings, AccountName("acme"), 8)
    ensure_volume(cluster, request)
    spec = cluster.get(cluster.path("persistentvolumeclaims", request.name))["spec"]
    assert spec.get("storageClassName", "chosen later") != ""
    assert spec["accessModes"] == ["ReadWriteOnce"]


def test_asking_twice_gives_the_same_claim(cluster: Cluster) -> None:
    assert ensure_volume(cluster, REQUEST) == ensure_volume(cluster, REQUEST)
    assert len(list_volumes(cluster)) == 1


def test_somebody_elses_claim_is_left_alone(cluster: Cluster) -> None:
    theirs = {
        "metadata": {"name": REQUEST.name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        },
    }  # fmt: skip
    cluster.create(cluster.path("persistentvolumeclaims"), theirs)
    with pytest.raises(Invalid, match="is not Nightshift's"):
        ensure_volume(cluster, REQUEST)
    assert list_volumes(cluster) == []


def test_a_claim_that_is_being_deleted_is_not_used(cluster: Cluster) -> None:
    ensure_volume(cluster, REQUEST)
    path = cluster.path("persistentvolumeclaims", REQUEST.name)
    cluster.patch(path, {"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}})
    delete_volume(cluster, REQUEST.name)
    with pytest.raises(Conflict, match="still being deleted"):
        ensure_volume(cluster, REQUEST)


def test_a_bound_claim_ends_the_wait(cluster: Cluster) -> None:
    ensure_volume(cluster, REQUEST)
    bound = {"phase": "Bound", "capacity": {"storage": "32Gi"}}
    set_status(cluster, "persistentvolumeclaims", REQUEST.name, bound)
    volume = wait_for_volume(cluster, REQUEST.name, instant_pace(1))
    assert (volume.phase, volume.capacity) == ("Bound", "32Gi")


def test_a_claim_that_waits_for_its_first_pod_ends_the_wait(cluster: Cluster) -> None:
    ensure_volume(cluster, REQUEST)
    say(cluster, "WaitForFirstConsumer", "waiting for first consumer")
    assert wait_for_volume(cluster, REQUEST.name, instant_pace(1)).phase == "Pending"


def test_a_claim_that_stays_pending_is_reported_with_the_newest_reason(cluster: Cluster) -> None:
    ensure_volume(cluster, REQUEST)
    say(cluster, "WaitForFirstConsumer", "waiting", "2026-01-01T00:00:00Z")
    say(cluster, "ProvisioningFailed", 'storageclass "cephfs" not found')
    with pytest.raises(VolumeNotReady) as caught:
        wait_for_volume(cluster, REQUEST.name, instant_pace(3))
    text = str(caught.value)
    assert 'ProvisioningFailed: storageclass "cephfs" not found' in text
    assert "after 2 s" in text
    assert "NIGHTSHIFT_WORKSPACE_STORAGE_CLASS" in text


def test_a_lost_volume_is_reported(cluster: Cluster) -> None:
    ensure_volume(cluster, REQUEST)
    set_status(cluster, "persistentvolumeclaims", REQUEST.name, {"phase": "Lost"})
    with pytest.raises(Invalid, match="lost its volume"):
        wait_for_volume(cluster, REQUEST.name, instant_pace(3))


def test_a_claim_that_is_gone(cluster: Cluster) -> None:
    assert delete_volume(cluster, REQUEST.name) is False
    with pytest.raises(NotFound):
        read_volume(cluster, REQUEST.name)
