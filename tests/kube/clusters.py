"""A whole Kubernetes cluster on this machine, started and ended from Python.

    from tests.kube.clusters import running_cluster
    from tests.kube.options import FakeNodes, Options

    options = Options(fake_only=True, fake_nodes=FakeNodes(count=20, cpu="8", memory="32Gi"))
    with running_cluster(options) as cluster:
        cluster.kubeconfig               # a file for any client, the administrator's
        cluster.url                      # https://127.0.0.1:PORT
        cluster.kubectl("get", "nodes")  # text; raises HarnessError with kubectl's words
        with cluster.api() as api:       # JSON over HTTP: api.get, post, patch, delete, items
            api.items("/api/v1/nodes")
        cluster.create_fake_nodes([build_fake_node("big", cpu="64", labels={"zone": "a"})])

``Options`` chooses the rest: KubeSchedulerConfiguration fields (``scheduler={"parallelism": 1,
"profiles": [...]}``), ``feature_gates``, more ``arguments`` a part, parts to leave ``without``.
With ``fake_only`` nothing needs root; without it the cluster has real nodes, which need root and
Linux. A cluster is found by its data directory, whoever started it:
``start`` gives the one that runs if its options are equal, and first clears away what a crash left.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from tests.kube import fake_nodes
from tests.kube.api import Api
from tests.kube.builds import Binaries, ensure_binaries
from tests.kube.clearing import clear
from tests.kube.commands import Tell, require_root, run
from tests.kube.control_plane import LOOPBACK, Place, Ports, bridge_place, loopback_place
from tests.kube.errors import HarnessError
from tests.kube.images import ensure_pause_image
from tests.kube.layout import Layout, cache_folder, default_data
from tests.kube.locks import locked
from tests.kube.networks import Network, create_bridge
from tests.kube.options import Options
from tests.kube.packages import IMAGES, NODE, ensure_packages
from tests.kube.ports import choose_ports
from tests.kube.processes import list_names
from tests.kube.scanner_image import ensure_scanner_image
from tests.kube.starting import prepare_launch, start_control_plane
from tests.kube.starting_nodes import PROVISIONER_PROCESS, node_processes, start_nodes
from tests.kube.states import READY, STARTING, State, read_state, write_state

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster. Its parts go on when this Python process ends; ``stop`` ends them."""

    layout: Layout
    options: Options
    place: Place
    binaries: Binaries

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, everything inline."""
        return self.layout.kubeconfig

    @property
    def url(self) -> str:
        """The API server."""
        return self.place.url

    @property
    def volumes(self) -> Path:
        """A directory that every node sees at this path, for hostPath and local volumes."""
        return self.layout.volumes

    def api(self) -> Api:
        """Open the administrator's HTTP connection; a context manager."""
        return Api(self.url, self.layout)

    def kubectl(self, *words: str, stdin: str = "", timeout_seconds: float = 60) -> str:
        """Run kubectl as the administrator and give what it printed.

        :raises HarnessError: if it fails; with what it said.
        """
        argv: list[str | Path] = [
            self.binaries.path("kubectl"),
            f"--kubeconfig={self.kubeconfig}",
            *words,
        ]
        return run(argv, f"kubectl {' '.join(words)}", stdin=stdin, timeout_seconds=timeout_seconds)

    def create_fake_nodes(self, nodes: Iterable[Mapping[str, Any]]) -> list[str]:
        """Create nodes (``fake_nodes.build_fake_node``), wait until they are Ready, give names.

        kwok keeps them and their pods alive; without kwok they stay as they were created.
        """
        with self.api() as api:
            return fake_nodes.create_fake_nodes(api, nodes, has_kwok=self.options.has_kwok)

    def stop(self) -> None:
        """End every part of the cluster and remove its state; logs stay."""
        stop_cluster(self.layout.data)


@contextlib.contextmanager
def running_cluster(
    options: Options, data: Path | None = None, tell: Tell = print
) -> Iterator[Cluster]:
    """Run a cluster for the block; one that ran already with equal options goes on after it.

    :raises HarnessError: if it does not start.
    """
    cluster, is_new = _start_or_find(options, data, tell)
    try:
        yield cluster
    finally:
        if is_new:
            cluster.stop()


def start_cluster(options: Options, data: Path | None = None, tell: Tell = print) -> Cluster:
    """Start a cluster and wait until all of it is ready; or give the one that runs.

    One that runs with other options or images in the same data directory is ended first.

    :param data: its data directory; by default one in the checkout, git-ignored.
    :raises HarnessError: if something is missing or does not get ready; nothing is left running.
    """
    return _start_or_find(options, data, tell)[0]


def find_cluster(data: Path) -> Cluster:
    """Give the cluster of a data directory.

    :raises HarnessError: if none was started there, or it is not ready.
    """
    layout = Layout.of(data)
    state = read_state(layout)
    if state is None or state.phase != READY:
        raise HarnessError(f"no cluster runs in {layout.data}: start it with `up`")
    missing = list_missing(layout, state.options)
    if missing:
        raise HarnessError(f"{', '.join(missing)} ended; see {layout.logs}; `up` starts it anew")
    binaries = _find_binaries(state.options, print)
    return Cluster(layout, state.options, state.place, binaries)


def stop_cluster(data: Path, tell: Tell = print) -> bool:
    """End every part of a cluster, also what a crash left, and remove its state; logs stay.

    :returns: whether there was anything.
    :raises HarnessError: if something does not go.
    """
    layout = Layout.of(data)
    if not layout.data.exists():
        return False
    with locked(layout.lock_file, "another start or stop", tell):
        return clear(layout)


def _start_or_find(options: Options, data: Path | None, tell: Tell) -> tuple[Cluster, bool]:
    """Give a cluster, and whether it was started here."""
    layout = _layout(options, data)
    if options.real_nodes:
        require_root("a cluster with real nodes")
    supplies = _prepare(options, tell)
    with locked(layout.lock_file, "another start or stop", tell):
        running = _find_running(layout, options, supplies)
        if running is not None:
            tell(f"running already: {layout.data}")
            return running, False
        if clear(layout):
            tell(f"cleared away what was in {layout.data}")
        shutil.rmtree(layout.logs, ignore_errors=True)
        try:
            return _start(layout, options, supplies, tell), True
        except BaseException:
            clear(layout)
            raise


def list_missing(layout: Layout, options: Options) -> list[str]:
    """List the processes that a cluster with these options has and that do not run."""
    running = list_names(layout)
    return [name for name in _expected_names(options) if name not in running]


def _expected_names(options: Options) -> list[str]:
    control_plane = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    names = [name for name in control_plane if name not in options.without]
    if options.has_kwok:
        names.append("kwok")
    if options.real_nodes:
        names.append(PROVISIONER_PROCESS)
    for number in range(1, options.real_nodes + 1):
        names.extend(node_processes(number))
    return names


def _layout(options: Options, data: Path | None) -> Layout:
    return Layout.of(data or default_data(CHECKOUT, fake_only=options.fake_only))


@dataclass(frozen=True, slots=True)
class _Supplies:
    """What a start needs: programs, and archives of images for the nodes."""

    binaries: Binaries
    images: tuple[Path, ...]

    @property
    def image_names(self) -> tuple[str, ...]:
        return tuple(image.name for image in self.images)


def _prepare(options: Options, tell: Tell) -> _Supplies:
    """Install and build what is missing on this machine."""
    cache = cache_folder(os.environ)
    wanted = [*(NODE if options.real_nodes else ()), *(IMAGES if options.scanner else ())]
    ensure_packages(wanted, tell)
    binaries = _find_binaries(options, tell)
    images = [ensure_pause_image(cache, binaries)] if options.real_nodes else []
    if options.scanner:
        images.append(ensure_scanner_image(CHECKOUT, cache, tell))
    return _Supplies(binaries, tuple(images))


def _find_binaries(options: Options, tell: Tell) -> Binaries:
    return ensure_binaries(cache_folder(os.environ), tell, kwok=options.has_kwok)


def _find_running(layout: Layout, options: Options, supplies: _Supplies) -> Cluster | None:
    """Give the cluster that runs, if it is whole and was started with equal options and images."""
    try:
        state = read_state(layout)
    except HarnessError:
        return None
    if state is None or state.phase != READY or state.images != supplies.image_names:
        return None
    if state.options.to_json() != options.to_json():
        return None
    cluster = Cluster(layout, options, state.place, supplies.binaries)
    with cluster.api() as api:
        return cluster if not list_missing(layout, options) and api.is_ready() else None


def _start(layout: Layout, options: Options, supplies: _Supplies, tell: Tell) -> Cluster:
    binaries = supplies.binaries
    layout.data.mkdir(parents=True, exist_ok=True)
    network = _make_network(layout, tell) if options.real_nodes else None
    place = (
        bridge_place(network, _choose_ports(network.host))
        if network
        else loopback_place(_choose_ports(LOOPBACK))
    )
    state = State(STARTING, options, place, binaries.version, supplies.image_names)
    write_state(layout, state)
    launch = prepare_launch(layout, options, binaries, place, tell)
    start_control_plane(launch)
    if network:
        start_nodes(launch, network, supplies.images)
    write_state(layout, replace(state, phase=READY))
    return Cluster(layout, options, place, binaries)


def _make_network(layout: Layout, tell: Tell) -> Network:
    with locked(cache_folder(os.environ) / "network.lock", "another cluster's network", tell):
        return create_bridge(layout)


def _choose_ports(address: IPv4Address) -> Ports:
    """Choose a port of ``address`` for the API, and the others on loopback."""
    (api,) = choose_ports(address, 1)
    first, second, third, fourth = [port for port in choose_ports(LOOPBACK, 5) if port != api][:4]
    return Ports(etcd=first, etcd_peer=second, controllers=third, scheduler=fourth, api=api)
