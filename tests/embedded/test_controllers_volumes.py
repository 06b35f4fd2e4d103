"""Claims, volumes and the directories behind them, whose content is not to be trusted."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from nightshift.embedded.kube.controllers import volumes
from nightshift.embedded.kube.controllers.directories import VolumeDirectories
from nightshift.embedded.kube.interfaces import Object
from tests.embedded.controllers_support import NS, World, pod

CLAIMS, VOLUMES = "persistentvolumeclaims", "persistentvolumes"
NAME = "pvc-00000000-0000-0000-0000-000000000001"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "volumes"


@pytest.fixture
def world(root: Path) -> World:
    return World(volumes.build_controllers(VolumeDirectories(root)))


def claim(name: str = "data", **spec: Any) -> Object:
    size = {"requests": {"storage": "1Gi"}}
    wanted = {"accessModes": ["ReadWriteMany"], "resources": size, **spec}
    return {"metadata": {"name": name, "namespace": NS}, "spec": wanted}


def mounting(name: str = "p", claimed: str = "data") -> Object:
    source = {"name": "v", "persistentVolumeClaim": {"claimName": claimed}}
    return pod(name, volumes=[source])


def bound(world: World, **spec: Any) -> tuple[Object, Object]:
    world.create(CLAIMS, claim(**spec))
    world.settle()
    made = world.get(CLAIMS, "data")
    return made, world.get(VOLUMES, made["spec"]["volumeName"])


def settle_removal(world: World) -> None:
    """Settle while removals, which run in a thread, come to their end."""
    deadline = time.monotonic() + 10
    world.settle()
    while world.store.list(VOLUMES) and time.monotonic() < deadline:
        time.sleep(0.01)
        world.settle()


def test_a_claim_gets_a_directory_and_a_volume(world: World, root: Path) -> None:
    made, volume = bound(world)
    assert made["status"] == {
        "phase": "Bound",
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": "1Gi"},
    }
    assert volume["status"]["phase"] == "Bound"
    assert volume["spec"]["claimRef"]["uid"] == made["metadata"]["uid"]
    folder = Path(volume["spec"]["hostPath"]["path"])
    assert folder == root / volume["metadata"]["name"]
    assert folder.stat().st_mode & 0o777 == 0o777
    assert root.stat().st_mode & 0o066 == 0
    assert "ProvisioningSucceeded" in world.reasons()


def test_the_directory_goes_with_the_claim_and_links_are_not_followed(
    world: World, root: Path, tmp_path: Path
) -> None:
    _, volume = bound(world)
    folder = Path(volume["spec"]["hostPath"]["path"])
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "keep.txt").write_text("keep")
    (folder / "to-folder").symlink_to(precious)
    (folder / "sub").mkdir()
    (folder / "sub" / "to-file").symlink_to(precious / "keep.txt")
    (folder / "sub" / "up").symlink_to(tmp_path)
    os.link(precious / "keep.txt", folder / "hard")
    world.store.delete(CLAIMS, "data", NS)
    settle_removal(world)
    assert world.names(CLAIMS) == []
    assert list(world.store.list(VOLUMES)) == []
    assert list(root.iterdir()) == []
    assert (precious / "keep.txt").read_text() == "keep"


def test_a_claim_in_use_stays_until_the_pod_has_ended(world: World) -> None:
    bound(world)
    world.create("pods", mounting())
    world.run_pods()
    world.store.delete(CLAIMS, "data", NS)
    world.settle()
    assert "deletionTimestamp" in world.get(CLAIMS, "data")["metadata"]
    world.finish("p", "Succeeded")
    settle_removal(world)
    assert world.names(CLAIMS) == []


def test_a_class_that_retains_keeps_the_directory(world: World, root: Path) -> None:
    kept = {"metadata": {"name": "kept"}, "provisioner": volumes.PROVISIONER}
    world.create("storageclasses.storage.k8s.io", {**kept, "reclaimPolicy": "Retain"})
    _, volume = bound(world, storageClassName="kept")
    world.store.delete(CLAIMS, "data", NS)
    world.settle()
    time.sleep(0.2)  # longer than a removal, which would run in a thread, takes
    world.settle()
    assert world.get(VOLUMES, volume["metadata"]["name"])["status"]["phase"] == "Released"
    assert len(list(root.iterdir())) == 1


def test_a_released_volume_is_not_given_to_a_namesake(world: World) -> None:
    kept = {"metadata": {"name": "kept"}, "provisioner": volumes.PROVISIONER}
    world.create("storageclasses.storage.k8s.io", {**kept, "reclaimPolicy": "Retain"})
    _, first = bound(world, storageClassName="kept")
    world.store.delete(CLAIMS, "data", NS)
    world.settle()
    _, second = bound(world, storageClassName="kept")
    assert first["metadata"]["name"] != second["metadata"]["name"]


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        ("fast", "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found'),
        ("foreign", "ExternalProvisioning", "external provisioner 'example.com/disk'"),
        ("", "FailedBinding", "no persistent volumes available for this claim"),
    ],
    ids=["no such class", "another's class", "no class"],
)
def test_a_claim_that_waits_says_why(world: World, name: str, reason: str, said: str) -> None:
    foreign = {"metadata": {"name": "foreign"}, "provisioner": "example.com/disk"}
    world.create("storageclasses.storage.k8s.io", foreign)
    world.create(CLAIMS, claim(storageClassName=name))
    world.settle()
    assert world.get(CLAIMS, "data")["status"] == {"phase": "Pending"}
    event = world.log.list("events")[0]
    assert event["reason"] == reason
    assert said in event["message"]


def ready_made(name: str, size: str, **spec: Any) -> Object:
    offer = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteMany"],
        "hostPath": {"path": f"/srv/{name}"},
        "storageClassName": "manual",
    }
    return {"metadata": {"name": name}, "spec": {**offer, **spec}}


def test_a_ready_made_volume_is_chosen_by_size(world: World) -> None:
    for name, size in (("big", "9Gi"), ("fits", "2Gi"), ("small", "500Mi")):
        world.create(VOLUMES, ready_made(name, size))
    _, volume = bound(world, storageClassName="manual")
    assert volume["metadata"]["name"] == "fits"
    phases = [v["status"]["phase"] for v in world.store.list(VOLUMES)]
    assert phases == ["Available", "Bound", "Available"]


@pytest.mark.parametrize(
    "spec",
    [{"accessModes": ["ReadWriteOnce"]}, {"storageClassName": "other"}, {"volumeMode": "Block"}],
    ids=["access mode", "class", "volume mode"],
)
def test_a_volume_that_does_not_fit_is_not_taken(world: World, spec: Object) -> None:
    world.create(VOLUMES, ready_made("v", "9Gi", **spec))
    world.create(CLAIMS, claim(storageClassName="manual"))
    world.settle()
    assert world.get(CLAIMS, "data")["status"]["phase"] == "Pending"


@pytest.fixture
def directories(root: Path) -> VolumeDirectories:
    return VolumeDirectories(root)


@pytest.mark.parametrize("name", ["..", "pvc-x", "/etc", f"{NAME}/..", "", f"{NAME}\n"])
def test_only_names_of_ours_become_paths(directories: VolumeDirectories, name: str) -> None:
    for act in (directories.make, directories.remove, directories.exists):
        with pytest.raises(ValueError, match="is not the name of a volume made here"):
            act(name)


def test_a_link_in_the_place_of_a_directory_is_neither_used_nor_followed(
    directories: VolumeDirectories, root: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "keep").touch()
    root.mkdir()
    (root / NAME).symlink_to(target)
    for act in (directories.make, directories.remove):
        with pytest.raises(OSError, match=NAME):
            act(NAME)
    assert (target / "keep").exists()
    assert target.stat().st_mode & 0o777 != 0o777


def test_folders_too_deep_for_recursion_and_without_permissions_go_too(
    directories: VolumeDirectories, root: Path
) -> None:
    here = os.open(directories.make(NAME), os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.mkdir("locked", mode=0o000, dir_fd=here)
    os.close(here)
    directories.remove(NAME)
    assert list(root.iterdir()) == []
    assert not directories.exists(NAME)


def test_what_an_interrupted_removal_left_is_removed_too(
    directories: VolumeDirectories, root: Path
) -> None:
    directories.make(NAME)
    (root / f"{NAME}.7" / "rest").mkdir(parents=True)
    other = directories.make(NAME.replace("01", "02"))
    directories.remove(NAME)
    assert list(root.iterdir()) == [other]


def test_files_with_awkward_names_go(directories: VolumeDirectories, root: Path) -> None:
    folder = directories.make(NAME)
    for name in (b"\xff\xfe", b"-rf", b"a b\n", b"x" * 255):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    (folder / f"{NAME}.1").mkdir()
    os.mkfifo(folder / "pipe")
    directories.remove(NAME)
    assert list(root.iterdir()) == []
