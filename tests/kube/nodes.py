"""A node: namespaces of its own on this machine, with a containerd and a kubelet inside.

A node's network, processes and mounts lie in namespaces that live exactly as long as its first
process. So a node ends by killing that one process: the kernel ends all containers, and drops every
mount and network device of theirs, after a crash as well. The hard-wired paths of kubelet,
containerd and CNI (below /run, /var/lib and /var/log) are the node's own directories; everything
else is this machine's file system.
"""

import json
import time
from pathlib import Path

import psutil

from tests.kube.certificates import Authority, Identity
from tests.kube.cgroups import make_cgroup
from tests.kube.commands import read_tail, run
from tests.kube.errors import HarnessError
from tests.kube.kubeconfigs import write_kubeconfig
from tests.kube.node_configs import (
    RUNTIME_SOCKET,
    Node,
    cni_config,
    containerd_config,
    kubelet_config,
)
from tests.kube.options import Options
from tests.kube.packages import find_cni_plugins
from tests.kube.processes import Processes

_OWN = (
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/var/lib/cni",
    "/var/log/pods",
    "/var/log/containers",
)
_KERNEL_SETTINGS = {
    "/proc/sys/vm/overcommit_memory": "1",
    "/proc/sys/vm/panic_on_oom": "0",
    "/proc/sys/kernel/panic": "10",
    "/proc/sys/kernel/panic_on_oops": "1",
    "/proc/sys/kernel/keys/root_maxkeys": "1000000",
    "/proc/sys/kernel/keys/root_maxbytes": "25000000",
}
"""What a kubelet insists on (cm/container_manager): it is shown these, the machine's own stay."""
_START_SECONDS = 30.0


def open_namespaces(node: Node, processes: Processes) -> int:
    """Start the node's first process in new namespaces, give it its paths, and give its id."""
    argv: list[str | Path] = [
        *("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("--mount", "--propagation", "slave"),
        node.binaries.path("pause"),
    ]
    outer = processes.start(node.name, argv)
    pid = _wait_for_child(outer, node, processes)
    _mount_own_paths(node, pid)
    return pid


def start_containerd(node: Node, processes: Processes, pid: int, snapshotter: str) -> None:
    """Start containerd in the node's namespaces, and wait until it answers."""
    file = node.folder / "containerd.toml"
    file.write_text(containerd_config(node, snapshotter, find_cni_plugins()))
    networks = node.folder / "cni"
    networks.mkdir(exist_ok=True)
    (networks / "10-bridge.conflist").write_text(json.dumps(cni_config(node), indent=1))
    processes.start(
        f"{node.name}-containerd", [*enter(pid), "containerd", "--config", file], cwd=node.folder
    )
    _wait_for_runtime(node, processes, pid)


def start_kubelet(
    node: Node, processes: Processes, pid: int, authority: Authority, options: Options
) -> None:
    """Start the kubelet in the node's namespaces; it registers the node."""
    identity = Identity(
        f"system:node:{node.name}",
        ("system:nodes",),
        names=(node.name,),
        addresses=(node.network.address,),
    )
    pair = authority.issue(node.name, identity)
    kubeconfig = node.folder / "kubelet.kubeconfig"
    write_kubeconfig(kubeconfig, node.api, authority.file, pair)
    resolver = node.folder / "resolv.conf"
    resolver.write_text(f"nameserver {node.host}\n")
    config = {
        **kubelet_config(node, make_cgroup(node.layout, node.name), authority.file),
        "tlsCertFile": str(pair.certificate),
        "tlsPrivateKeyFile": str(pair.key),
        "resolvConf": str(resolver),
    }
    file = node.folder / "kubelet.json"
    file.write_text(json.dumps(config, indent=1))
    argv = [
        *(*enter(pid), node.binaries.path("kubelet")),
        f"--config={file}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.network.address}",
        *options.gates(),
        *options.more("kubelet"),
    ]
    processes.start(f"{node.name}-kubelet", argv, cwd=node.folder)


def import_image(pid: int, archive: Path, snapshotter: str) -> None:
    """Give a node's containerd the images of an archive."""
    argv = ["ctr", "--address", RUNTIME_SOCKET, "--namespace", "k8s.io"]
    more = ["images", "import", "--snapshotter", snapshotter, str(archive)]
    run([*enter(pid), *argv, *more], f"import {archive}", timeout_seconds=300)


def enter(pid: int) -> list[str | Path]:
    """Give the words that start a command in a node's namespaces.

    Not ``ip netns exec``, which mounts a new /sys and so hides the cgroups.
    """
    return ["nsenter", f"--target={pid}", "--net", "--pid", "--mount", "--"]


def _wait_for_child(outer: int, node: Node, processes: Processes) -> int:
    """Wait for the process that unshare forks: the first of the new PID namespace."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        processes.check(node.name)
        for child in psutil.Process(outer).children():
            if Path(f"/proc/{child.pid}/exe").resolve().name == "pause":
                return child.pid
        time.sleep(0.02)
    raise HarnessError(f"the namespaces of {node.name} did not open; see {node.layout.logs}")


def _mount_own_paths(node: Node, pid: int) -> None:
    """Mount the node's own directories over the hard-wired paths, inside its namespace."""
    mounts = [["--types", "tmpfs", "-o", "mode=755", "tmpfs", "/run"]]
    for path in _OWN:
        own = node.folder / path.lstrip("/").replace("/", "-")
        own.mkdir(parents=True, exist_ok=True)
        Path(path).mkdir(parents=True, exist_ok=True)
        mounts.append(["--bind", str(own), path])
    for path, value in _KERNEL_SETTINGS.items():
        shown = node.folder / "kernel" / path.lstrip("/").replace("/", "-")
        shown.parent.mkdir(exist_ok=True)
        shown.write_text(f"{value}\n")
        mounts.append(["--bind", str(shown), path])
    mounts.append(["--make-rshared", "/"])
    for words in mounts:
        run([*enter(pid), "mount", *words], f"mount {words[-1]} in {node.name}")


def choose_snapshotter(folder: Path) -> str:
    """Choose overlayfs, or plain copies where it cannot be (a checkout inside a container)."""
    place = folder / "overlay-probe"
    parts = {name: place / name for name in ("lower", "upper", "work", "merged")}
    for part in parts.values():
        part.mkdir(parents=True, exist_ok=True)
    layers = ",".join(f"{name}dir={parts[name]}" for name in ("lower", "upper", "work"))
    mount = 'mount -t overlay -o "$1" overlay "$2"'
    try:
        run(
            ["unshare", "--mount", "sh", "-c", mount, "sh", layers, parts["merged"]],
            "mount an overlay",
        )
    except HarnessError:
        return "native"
    return "overlayfs"


def _wait_for_runtime(node: Node, processes: Processes, pid: int) -> None:
    name = f"{node.name}-containerd"
    deadline = time.monotonic() + _START_SECONDS
    argv = [*enter(pid), "ctr", "--address", RUNTIME_SOCKET, "version"]
    while time.monotonic() < deadline:
        processes.check(name)
        try:
            run(argv, "ask containerd", timeout_seconds=5)
        except HarnessError:
            time.sleep(0.1)
        else:
            return
    log = processes.log(name)
    raise HarnessError(
        f"containerd of {node.name} does not answer; {log} ends with:\n{read_tail(log)}"
    )
