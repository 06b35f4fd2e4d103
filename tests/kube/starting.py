"""Starts a cluster's parts in order, and waits until each is ready."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from tests.kube.api import Api
from tests.kube.builds import Binaries
from tests.kube.certificates import Authority, make_authority
from tests.kube.commands import Tell
from tests.kube.control_plane import (
    LOOPBACK,
    Credentials,
    Place,
    api_server_command,
    controller_manager_command,
    etcd_command,
    kwok_command,
    make_credentials,
    scheduler_command,
)
from tests.kube.fake_nodes import create_fake_nodes, list_fake_nodes
from tests.kube.layout import Layout
from tests.kube.options import Options
from tests.kube.processes import Processes
from tests.kube.waits import wait_for

API_SECONDS = 120.0  # 3 s on an idle machine; a machine that also builds takes long
PART_SECONDS = 60.0
_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


@dataclass(frozen=True, slots=True)
class Launch:
    """One start: what is started, where, and who knows the processes."""

    layout: Layout
    options: Options
    binaries: Binaries
    place: Place
    authority: Authority
    credentials: Credentials
    processes: Processes
    tell: Tell

    def start(self, part: str, arguments: list[str]) -> None:
        """Start one of Kubernetes' own programs on the host."""
        argv: list[str | Path] = [self.binaries.path(part), *arguments]
        self.processes.start(part, argv, cwd=self.layout.data)

    def check(self) -> None:
        """Look whether all that was started still runs.

        :raises HarnessError: naming what has ended, with the end of its log.
        """
        for name in list(self.processes.children):
            self.processes.check(name)


def prepare_launch(
    layout: Layout, options: Options, binaries: Binaries, place: Place, tell: Tell
) -> Launch:
    """Make the directories and certificates of a new cluster."""
    for folder in (layout.volumes, layout.logs, layout.data / "nodes"):
        folder.mkdir(parents=True, exist_ok=True)
    layout.etcd.mkdir(mode=0o700, exist_ok=True)
    authority = make_authority(layout.certificates)
    credentials = make_credentials(layout, authority, place)
    processes = Processes(layout)
    return Launch(layout, options, binaries, place, authority, credentials, processes, tell)


def start_control_plane(launch: Launch) -> None:
    """Start etcd and the API server, then what watches it, then the fake nodes.

    :raises HarnessError: if a part ends or is not ready in time.
    """
    layout, options, place = launch.layout, launch.options, launch.place
    launch.tell("starting etcd and the API server")
    etcd: list[str | Path] = [launch.binaries.etcd, *etcd_command(layout, place, options)]
    launch.processes.start("etcd", etcd, cwd=layout.data)
    launch.start("kube-apiserver", api_server_command(place, launch.credentials, options))
    with Api(place.url, layout) as api:
        _wait(launch, "the API server to be ready", api.is_ready, API_SECONDS)
        _start_watchers(launch)
        if "kube-controller-manager" not in options.without:
            _wait(launch, "the first service account", lambda: api.find(_ACCOUNT) is not None)
        nodes = list_fake_nodes(options.fake_nodes)
        create_fake_nodes(api, nodes, has_kwok=options.has_kwok)
    launch.check()


def _start_watchers(launch: Launch) -> None:
    options, place, credentials = launch.options, launch.place, launch.credentials
    ports = {}
    if "kube-controller-manager" not in options.without:
        command = controller_manager_command(place, credentials, options)
        launch.start("kube-controller-manager", command)
        ports["kube-controller-manager"] = place.ports.controllers
    if "kube-scheduler" not in options.without:
        command = scheduler_command(launch.layout, place, credentials, options)
        launch.start("kube-scheduler", command)
        ports["kube-scheduler"] = place.ports.scheduler
    if options.has_kwok:
        kwok = launch.binaries.kwok
        assert kwok is not None
        argv = kwok_command(kwok, credentials, options)
        launch.processes.start("kwok", argv, cwd=launch.layout.data)
    for name, port in ports.items():
        _wait(launch, f"{name} to be healthy", partial(_is_healthy, port))


def _is_healthy(port: int) -> bool:
    """Ask a part on loopback; its certificate is one that it made for itself."""
    try:
        reply = httpx.get(f"https://{LOOPBACK}:{port}/healthz", verify=False, timeout=2)
    except httpx.HTTPError:
        return False
    return reply.status_code == httpx.codes.OK


def _wait(
    launch: Launch, what: str, held: Callable[[], bool], seconds: float = PART_SECONDS
) -> None:
    wait_for(what, held, seconds, alive=launch.check, explain=lambda: f"see {launch.layout.logs}")
