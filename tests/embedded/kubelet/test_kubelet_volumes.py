"""Volumes of every kind, at their mount paths."""

import base64
from pathlib import Path
from typing import Any

import pytest

from nightshift.embedded.kube.interfaces import Object
from tests.embedded.kubelet.bench import NAMESPACE, Bench, container, pod, shell


def _mount(path: str, name: str = "v", **fields: Any) -> Object:
    return {"name": name, "mountPath": path, **fields}


def _host(folder: Path, **fields: Any) -> Object:
    return {"name": "v", "hostPath": {"path": str(folder), **fields}}


def _claim(bench: Bench, source: Object, *, phase: str = "Bound") -> None:
    bench.create({"metadata": {"name": "pv"}, "spec": source}, "persistentvolumes")
    claim = {
        "metadata": {"name": "c", "namespace": NAMESPACE},
        "spec": {"volumeName": "pv"},
        "status": {"phase": phase},
    }
    bench.create(claim, "persistentvolumeclaims")


CLAIMED = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}


def test_an_empty_dir_is_shared_by_the_containers_and_goes_with_the_pod(bench: Bench) -> None:
    first = shell("echo hello > /data/file", name="first", volumeMounts=[_mount("/data")])
    main = shell("cat /elsewhere/file", volumeMounts=[_mount("/elsewhere")])
    bench.finish(pod(main, initContainers=[first], volumes=[{"name": "v", "emptyDir": {}}]))
    assert bench.log() == "hello\n"
    bench.delete(grace=0)
    bench.until(lambda: not list((bench.folder / "kubelet" / "pods").iterdir()))


@pytest.mark.parametrize("kind", ["hostPath", "local"])
def test_a_claim_shows_the_folder_of_its_volume(bench: Bench, kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    _claim(bench, {kind: {"path": str(folder)}})
    bench.finish(pod(shell("echo x > /w/made", volumeMounts=[_mount("/w")]), volumes=[CLAIMED]))
    assert (folder / "made").read_text() == "x\n"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(False, 'persistentvolumeclaim "c" not found', id="no claim"),
        pytest.param(True, f'PVC "{NAMESPACE}/c" is not bound', id="not bound"),
    ],
)
def test_a_pod_waits_for_its_claim(
    rewriting_bench: Bench, tmp_path: Path, prepare: bool, message: str
) -> None:
    bench = rewriting_bench
    if prepare:
        _claim(bench, {"hostPath": {"path": str(tmp_path)}}, phase="Pending")
    bench.create(pod(container("true", volumeMounts=[_mount("/w")]), volumes=[CLAIMED]))
    text = f'MountVolume.SetUp failed for volume "v" : {message}'
    bench.until(lambda: ("FailedMount", text) in bench.events())
    assert bench.state()["waiting"]["reason"] == "ContainerCreating"
    if prepare:
        bench.store.mutate(
            "persistentvolumeclaims", "c", NAMESPACE, lambda o: o["status"].update(phase="Bound")
        )
    else:
        _claim(bench, {"hostPath": {"path": str(tmp_path)}})
    bench.until_phase("Succeeded")


@pytest.mark.parametrize(
    ("make", "kind", "works"),
    [
        pytest.param(None, "DirectoryOrCreate", True, id="made"),
        pytest.param(None, "", True, id="made when no type says otherwise"),
        pytest.param(None, "Directory", False, id="Directory that is not there"),
        pytest.param("file", "Directory", False, id="Directory that is a file"),
        pytest.param("file", "File", True, id="File"),
    ],
)
def test_types_of_host_paths(
    rewriting_bench: Bench, tmp_path: Path, make: str | None, kind: str, works: bool
) -> None:
    bench, path = rewriting_bench, tmp_path / "host"
    if make:
        path.touch()
    mounted = container("test", "-e", "/h", volumeMounts=[_mount("/h")])
    bench.create(pod(mounted, volumes=[_host(path, type=kind)]))
    if works:
        bench.until_phase("Succeeded")
    else:
        text = f"hostPath type check failed: {path} is not a directory"
        bench.until(lambda: any(text in message for _, message in bench.events()))


def test_secrets_and_config_maps_are_files(bench: Bench) -> None:
    secret = {"token": base64.b64encode(b"\xff\x00s").decode(), "user": "dQ=="}
    metadata = {"name": "o", "namespace": NAMESPACE}
    bench.create({"metadata": metadata, "data": secret}, "secrets")
    bench.create({"metadata": metadata, "data": {"a.conf": "x=1"}}, "configmaps")
    sources = [
        {"secret": {"name": "o", "items": [{"key": "user", "path": "deep/user", "mode": 0o440}]}},
        {"configMap": {"name": "o"}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    volumes = [
        {"name": "s", "secret": {"secretName": "o"}},
        {"name": "v", "projected": {"sources": sources}},
    ]
    script = (
        "od -An -tx1 /s/token; stat -c %a /s/token; stat -c %a /all/deep/user;"
        "cat /all/deep/user /all/a.conf /all/name"
    )
    mounts = [_mount("/s", "s"), _mount("/all")]
    bench.finish(pod(shell(script, volumeMounts=mounts), volumes=volumes))
    assert bench.log() == " ff 00 73\n400\n440\nux=1p"


def test_a_secret_that_is_missing_keeps_the_pod_waiting(rewriting_bench: Bench) -> None:
    bench = rewriting_bench
    volumes = [{"name": "v", "secret": {"secretName": "o"}}]
    bench.create(pod(container("true", volumeMounts=[_mount("/s")]), volumes=volumes))
    text = 'MountVolume.SetUp failed for volume "v" : secret "o" not found'
    bench.until(lambda: ("FailedMount", text) in bench.events())
    assert bench.status()["phase"] == "Pending"


def test_no_file_is_written_outside_of_its_volume(rewriting_bench: Bench) -> None:
    bench = rewriting_bench
    metadata = {"name": "o", "namespace": NAMESPACE}
    bench.create({"metadata": metadata, "data": {"k": "x"}}, "configmaps")
    items = [{"key": "k", "path": "../escaped"}]
    volumes = [{"name": "v", "configMap": {"name": "o", "items": items}}]
    bench.create(pod(container("true", volumeMounts=[_mount("/s")]), volumes=volumes))
    bench.until(lambda: any("invalid path: ../escaped" in m for _, m in bench.events()))
    assert not list(bench.folder.rglob("escaped"))


def test_a_token_is_a_dummy_and_only_on_demand(bench: Bench) -> None:
    show = shell("cat /var/run/secrets/kubernetes.io/serviceaccount/namespace || echo none")
    bench.finish(pod(show, name="asked", automountServiceAccountToken=True))
    bench.finish(pod(show, name="silent"))
    if bench.kubelet.capabilities and bench.kubelet.capabilities.namespaces:
        assert bench.log("asked") == NAMESPACE
    assert bench.log("silent").endswith("none\n")


def test_sub_paths_are_made_and_shown_alone(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "disk" / "other").mkdir(parents=True)
    env = [{"name": "WHO", "value": "expanded"}]
    mounts = [
        _mount("/one", subPath="a/b"),
        _mount("/two", subPathExpr="$(WHO)"),
    ]
    script = "touch /one/x /two/y; ls /one /two"
    bench.finish(
        pod(shell(script, volumeMounts=mounts, env=env), volumes=[_host(tmp_path / "disk")])
    )
    assert (tmp_path / "disk/a/b/x").exists()
    assert (tmp_path / "disk/expanded/y").exists()
    assert "other" not in bench.log()


def test_a_link_that_stays_in_the_volume_is_followed(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "disk" / "real").mkdir(parents=True)
    (tmp_path / "disk" / "link").symlink_to("real")
    mounts = [_mount("/w", subPath="link")]
    bench.finish(pod(shell("touch /w/x", volumeMounts=mounts), volumes=[_host(tmp_path / "disk")]))
    assert (tmp_path / "disk/real/x").exists()


@pytest.mark.parametrize(
    ("sub_path", "link"),
    [
        pytest.param("../outside", None, id="two dots"),
        pytest.param("/outside", None, id="absolute"),
        pytest.param("out", "../outside", id="relative link out"),
        pytest.param("out/deep", "/", id="absolute link out"),
        pytest.param("out/new", "../outside", id="link out, folder to be made"),
    ],
)
def test_a_sub_path_never_leaves_its_volume(
    bench: Bench, tmp_path: Path, sub_path: str, link: str | None
) -> None:
    disk, outside = tmp_path / "disk", tmp_path / "outside"
    disk.mkdir()
    outside.mkdir()
    if link:
        (disk / "out").symlink_to(link)
    mounts = [_mount("/w", subPath=sub_path)]
    bench.create(pod(shell("touch /w/x", volumeMounts=mounts), volumes=[_host(disk)]))
    bench.until(lambda: "waiting" in bench.state() and "subPath" in str(bench.state()))
    assert bench.state()["waiting"]["reason"] == "CreateContainerConfigError"
    assert not list(outside.iterdir())
