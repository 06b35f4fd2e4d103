"""Starts the real nodes of a cluster, side by side, and waits until each is Ready."""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.kube.api import Api
from tests.kube.fake_nodes import is_ready
from tests.kube.networks import Network, connect_node
from tests.kube.node_configs import Node
from tests.kube.nodes import (
    choose_snapshotter,
    import_image,
    open_namespaces,
    start_containerd,
    start_kubelet,
)
from tests.kube.starting import Launch
from tests.kube.volumes import STORAGE_CLASS
from tests.kube.waits import wait_for

PROVISIONER_PROCESS = "volumes"
READY_SECONDS = 120.0  # 9 s on an idle machine of two cores


def start_nodes(launch: Launch, network: Network, archives: Sequence[Path]) -> None:
    """Start every node and give each the images.

    :raises HarnessError: if one does not start or is not Ready in time.
    """
    count = launch.options.real_nodes
    names = {node_name(number) for number in range(1, count + 1)}
    launch.tell(f"starting {count} nodes")
    with ThreadPoolExecutor(count) as pool:
        start = partial(_start_node, launch, network, archives)
        list(pool.map(start, range(1, count + 1)))
    with Api(launch.place.url, launch.layout) as api:
        api.post("/apis/storage.k8s.io/v1/storageclasses", STORAGE_CLASS)
        _start_provisioner(launch)
        wait_for(
            f"{count} nodes to be Ready",
            lambda: names <= _ready_names(api),
            READY_SECONDS,
            alive=launch.check,
            explain=lambda: f"see {launch.layout.logs}",
        )


def _start_provisioner(launch: Launch) -> None:
    argv = [sys.executable, "-m", "tests.kube.volumes", str(launch.layout.data)]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    launch.processes.start(PROVISIONER_PROCESS, argv, environment=path, cwd=launch.layout.data)


def node_name(number: int) -> str:
    """Name a real node, counted from 1."""
    return f"node-{number}"


def node_processes(number: int) -> list[str]:
    """Name the processes of a real node: its first one, and what runs in it."""
    name = node_name(number)
    return [name, f"{name}-containerd", f"{name}-kubelet"]


def _start_node(launch: Launch, network: Network, archives: Sequence[Path], number: int) -> None:
    layout, processes, options = launch.layout, launch.processes, launch.options
    node = Node(
        node_name(number),
        network.node(number),
        layout,
        launch.binaries,
        launch.place.url,
        network.host,
    )
    pid = open_namespaces(node, processes)
    connect_node(layout, network, number, pid, options.real_nodes)
    snapshotter = choose_snapshotter(node.folder)
    start_containerd(node, processes, pid, snapshotter)
    for archive in archives:
        import_image(pid, archive, snapshotter)
    start_kubelet(node, processes, pid, launch.authority, options)


def _ready_names(api: Api) -> set[str]:
    nodes = api.items("/api/v1/nodes")
    return {node["metadata"]["name"] for node in nodes if is_ready(node)}
