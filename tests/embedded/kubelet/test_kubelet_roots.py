"""What a container sees with a private root: mounts, read-only, hidden, its own processes."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet import Image
from nightshift.embedded.kube.launcher import roots
from tests.embedded.kubelet.bench import Bench, container, open_bench, pod, shell

PROBE = "nightshift-kubelet-test"


def _volume(name: str, folder: Path) -> Object:
    folder.mkdir(parents=True, exist_ok=True)
    return {"name": name, "hostPath": {"path": str(folder)}}


def _mount(name: str, path: str, **fields: Any) -> Object:
    return {"name": name, "mountPath": path, **fields}


def test_a_read_only_mount_refuses_writes(private_bench: Bench, tmp_path: Path) -> None:
    mounts = [_mount("v", "/ro", readOnly=True), _mount("v", "/rw")]
    script = "touch /rw/new && ls /ro && touch /ro/other; echo $?"
    bench = private_bench
    bench.finish(pod(shell(script, volumeMounts=mounts), volumes=[_volume("v", tmp_path / "d")]))
    assert bench.log() == "new\ntouch: cannot touch '/ro/other': Read-only file system\n1\n"


@pytest.mark.parametrize(
    ("security", "path", "works"),
    [
        pytest.param({}, "/tmp", True, id="/tmp"),
        pytest.param({}, "/var/tmp", True, id="/var/tmp"),
        pytest.param({}, "/home/nonroot", True, id="home"),
        pytest.param({}, "/usr", False, id="the host's folders never"),
        pytest.param({}, "/", False, id="the root never"),
        pytest.param({"readOnlyRootFilesystem": True}, "/tmp", False, id="/tmp, read-only root"),
        pytest.param({"readOnlyRootFilesystem": True}, "/home/nonroot", False, id="home, likewise"),
        pytest.param({"readOnlyRootFilesystem": True}, "/data", True, id="a volume, likewise"),
    ],
)
def test_where_a_container_may_write(
    private_bench: Bench, security: Object, path: str, works: bool
) -> None:
    mounts = [_mount("v", "/data")]
    script = shell(f"touch {path}/{PROBE}", volumeMounts=mounts, securityContext=security)
    ended = private_bench.finish(pod(script, volumes=[{"name": "v", "emptyDir": {}}]))
    assert (ended["exitCode"] == 0) is works
    assert not (Path(path) / PROBE).exists(), "nothing reaches the host"


def test_mounts_can_not_be_undone_from_inside(private_bench: Bench, tmp_path: Path) -> None:
    mounts = [_mount("v", "/ro", readOnly=True)]
    script = (
        "mount -o remount,rw,bind /ro; umount /ro;"
        "unshare -Urm sh -c 'mount -o remount,rw,bind /ro; umount /ro; touch /ro/x';"
        "touch /ro/x; echo done"
    )
    bench = private_bench
    bench.finish(pod(shell(script, volumeMounts=mounts), volumes=[_volume("v", tmp_path / "d")]))
    assert bench.log().endswith("done\n")
    assert not list((tmp_path / "d").iterdir())


def test_no_capability_is_left(private_bench: Bench) -> None:
    private_bench.finish(pod(shell("grep -E 'Cap(Eff|Prm|Bnd|Amb)' /proc/self/status")))
    values = {line.split()[1] for line in private_bench.log().splitlines()}
    assert values == {"0" * 16}


def test_the_users_and_the_host_name(private_bench: Bench) -> None:
    bench = private_bench
    bench.finish(pod(shell("id -u; id -g; uname -n"), name="named"))
    assert bench.log("named") == f"{os.geteuid()}\n{os.getegid()}\nnamed\n"


def test_mount_paths_that_the_host_does_not_have(private_bench: Bench, tmp_path: Path) -> None:
    paths = ["/no-such-folder", "/var/lib/no/such", "/usr/share/no-such", "/run/no-such"]
    mounts = [_mount("v", path) for path in paths]
    script = f"cat {' '.join(f'{path}/f' for path in paths)}; ls /usr/share | wc -l"
    volume = _volume("v", tmp_path / "d")
    (tmp_path / "d" / "f").write_text("x\n")
    private_bench.finish(pod(shell(script, volumeMounts=mounts), volumes=[volume]))
    lines = private_bench.log().splitlines()
    assert lines[:-1] == ["x"] * len(paths)
    assert int(lines[-1]) == len(list(Path("/usr/share").iterdir())) + 1, "its neighbours stay"
    assert not any(Path(path).exists() for path in paths), "nothing is made on the host"


def test_a_mount_inside_of_a_mount(private_bench: Bench, tmp_path: Path) -> None:
    mounts = [_mount("in", "/w/src/deep", readOnly=True), _mount("out", "/w")]
    volumes = [_volume("out", tmp_path / "out"), _volume("in", tmp_path / "in")]
    (tmp_path / "in" / "f").write_text("inner\n")
    script = "cat /w/src/deep/f; touch /w/mine; touch /w/src/deep/x || echo refused"
    private_bench.finish(pod(shell(script, volumeMounts=mounts), volumes=volumes))
    assert private_bench.log().splitlines()[::2] == ["inner", "refused"]
    assert (tmp_path / "out" / "mine").exists()


def test_a_link_in_a_volume_does_not_lead_a_mount_to_the_host(
    private_bench: Bench, tmp_path: Path
) -> None:
    mounts = [_mount("out", "/w"), _mount("in", "/w/etc/made")]
    volumes = [_volume("out", tmp_path / "out"), _volume("in", tmp_path / "in")]
    (tmp_path / "out" / "etc").symlink_to(tmp_path / "host")
    (tmp_path / "host").mkdir()
    private_bench.finish(pod(shell("true", volumeMounts=mounts), volumes=volumes))
    assert not list((tmp_path / "host").iterdir())


def test_the_clusters_own_folder_and_hidden_ones_look_empty(
    tmp_path: Path, namespaces_refused: str
) -> None:
    if namespaces_refused:
        pytest.skip(namespaces_refused)
    project = Path(__file__).resolve().parents[3]
    hidden = project / "tests"
    script = f"ls -A {hidden} | wc -l; ls {project} | wc -l; touch {hidden}/x || echo refused"
    with open_bench(tmp_path, hidden_paths=(hidden,)) as bench:
        bench.finish(pod(shell(script)))
        count, others, *refusal = bench.log().splitlines()
    assert count == "0"
    assert int(others) > 1
    assert refusal[-1] == "refused"


def test_an_images_folders_stay_visible_below_a_mount(private_bench: Bench, tmp_path: Path) -> None:
    programs = tmp_path / "bin"  # below the host's /tmp, where the pod mounts a volume
    programs.mkdir()
    tool = programs / "tool"
    tool.write_text("#!/bin/sh\necho works; touch $0.x || echo refused\n")
    tool.chmod(0o755)
    with open_bench(tmp_path / "b", images={"tool:1": Image((programs,), host=True)}) as bench:
        mounts = [_mount("v", "/tmp")]
        with_tool = container("tool", image="tool:1", volumeMounts=mounts)
        bench.finish(pod(with_tool, volumes=[{"name": "v", "emptyDir": {}}]))
        lines = bench.log().splitlines()
    assert (lines[0], lines[-1]) == ("works", "refused")


def test_a_checkout_below_tmp_is_visible_but_not_the_clusters_folder_in_it(
    tmp_path: Path, namespaces_refused: str
) -> None:
    if namespaces_refused:
        pytest.skip(namespaces_refused)
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "own.py").touch()
    image = Image(env={"PYTHONPATH": f"{tmp_path}/include"}, visible=(tmp_path,), host=True)
    script = f"ls $PYTHONPATH; ls -A {tmp_path}/kubelet | wc -l; touch {tmp_path}/kubelet/x"
    with open_bench(tmp_path, images={"tool:1": image}) as bench:
        bench.finish(pod(shell(script, image="tool:1")))
        lines = bench.log().splitlines()
    assert lines[:2] == ["own.py", "0"]
    assert lines[2].endswith("Read-only file system")


def test_an_image_may_bring_folders(tmp_path: Path, namespaces_refused: str) -> None:
    if namespaces_refused:
        pytest.skip(namespaces_refused)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a").write_text("rule\n")
    image = Image(folders={"/opt/rules": tmp_path / "rules"}, host=True)
    with open_bench(tmp_path, images={"tool:1": image}) as bench:
        bench.finish(pod(shell("cat /opt/rules/a", image="tool:1")))
        assert bench.log() == "rule\n"


def test_a_container_sees_only_its_own_processes(private_bench: Bench) -> None:
    capabilities = private_bench.kubelet.capabilities
    if capabilities is None or not capabilities.pid_namespace:
        pytest.skip("this kernel grants no PID namespace")
    private_bench.finish(pod(shell("echo /proc/[0-9]*; echo $$$$")))
    assert private_bench.log() == "/proc/1 /proc/2\n2\n"


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        pytest.param({"allowPrivilegeEscalation": False}, "1", id="as the spec asks"),
        pytest.param({}, "0", id="not unless asked"),
    ],
)
def test_no_new_privileges(private_bench: Bench, security: Object, expected: str) -> None:
    script = "grep NoNewPrivs /proc/self/status | cut -f2"
    private_bench.finish(pod(shell(script, securityContext=security)))
    assert private_bench.log() == f"{expected}\n"


CONFINE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
abi = libc.syscall(444, None, 0, 1)  # landlock_create_ruleset: its version
handled = (ctypes.c_uint64 * 1)(2)  # LANDLOCK_ACCESS_FS_WRITE_FILE
ruleset = libc.syscall(444, handled, ctypes.c_size_t(8), 0) if abi > 0 else -1
restricted = libc.syscall(446, ruleset, 0) if ruleset >= 0 else -1
try:
    open("/data/x", "w").close()
    written = True
except PermissionError:
    written = False
print(abi > 0, restricted, written)
print(open("/proc/self/status").read().split("NoNewPrivs:")[1].split()[0])
"""


def test_a_command_can_confine_itself(private_bench: Bench) -> None:
    mounts = [_mount("v", "/data")]
    program = container(sys.executable, "-c", CONFINE, volumeMounts=mounts)
    ended = private_bench.finish(pod(program, volumes=[{"name": "v", "emptyDir": {}}]))
    assert ended["exitCode"] == 0, private_bench.log()
    landlock, restricted, written, no_new_privileges = private_bench.log().split()
    assert no_new_privileges == "1"
    if landlock == "True":
        assert (restricted, written) == ("0", "False")


def test_a_link_that_took_a_folders_place_is_not_mounted(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "sub").symlink_to("/etc")
    with pytest.raises(OSError, match="sub is a symbolic link"):
        roots.open_inside(str(tmp_path / "volume"), "sub/passwd")
