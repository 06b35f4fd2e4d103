"""The trial stack as stages: PostgreSQL and the cluster, migrations, then Airflow.

``run_stack`` is the supervisor's process; ``start_stack`` and ``stop_stack`` are what a command
calls. All of it listens on loopback only and lives in one data directory.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from nightshift.embedded.airflow import (
    ADMIN,
    PASSED_ON,
    AirflowApi,
    airflow_command,
    airflow_components,
    airflow_environment,
    write_password_file,
)
from nightshift.embedded.components import Component, kill_leftovers
from nightshift.embedded.layout import (
    Layout,
    Ports,
    Secrets,
    choose_ports,
    read_or_make_secrets,
)
from nightshift.embedded.options import StackOptions
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.embedded.supervisor import StackState, Stage, Supervisor, read_state
from nightshift.errors import PermanentError
from nightshift.settings.kinds import NEVER

SCANNER_IMAGE = "nightshift-scanner:0.1.0"
STOP_SECONDS = 90


def run_stack(layout: Layout, options: StackOptions) -> None:
    """Be the supervisor: start all, keep it running, end it all on SIGTERM.

    :raises PermanentError: if something does not start; all of it is ended first.
    """
    secrets = read_or_make_secrets(layout)
    ports = choose_ports(layout, options.airflow_port)
    postgres = EmbeddedPostgres(
        layout.postgres, port=ports.postgres, also_listen=options.database_address
    )
    stack = _Stack(layout, options, secrets, ports, postgres)
    urls = {"airflow": f"http://127.0.0.1:{ports.airflow}", "kubeconfig": str(stack.kubeconfig)}
    if options.database_address:
        urls["postgres for pods"] = f"{options.database_address}:{ports.postgres}"
    Supervisor(layout, urls).run([
        Stage(stack.base_title, stack.base_components, stack.migrate),
        Stage("Airflow", stack.airflow_components, stack.set_pool, timeout_seconds=180),
    ])


@dataclass(frozen=True, slots=True)
class _Stack:
    layout: Layout
    options: StackOptions
    secrets: Secrets
    ports: Ports
    postgres: EmbeddedPostgres

    @property
    def kubeconfig(self) -> Path:
        """The cluster that runs the pods: the user's own, or the embedded one."""
        return self.options.kubeconfig or self.layout.kubeconfig

    @property
    def base_title(self) -> str:
        """What the first stage is called."""
        own = self.options.kubeconfig is not None
        return "PostgreSQL" if own else "PostgreSQL and the local cluster"

    def base_components(self) -> list[Component]:
        (self.layout.data / "repositories").mkdir(exist_ok=True)
        database = Component(
            name="postgres",
            argv=self.postgres.prepare(),
            env=_basic_environment(),
            is_ready=self.postgres.is_ready,
            cwd=self.layout.data,
            stop_signal=signal.SIGINT,  # "fast": rolls back and closes, waits for nobody
        )
        if self.options.kubeconfig is not None:
            return [database]
        cluster = Component(
            name="cluster",
            argv=self._cluster_command(),
            env={**_basic_environment(), "PYTHONPATH": str(self.layout.project / "include")},
            is_ready=lambda: self.layout.kubeconfig.exists() and _listens(self.ports.cluster),
            cwd=self.layout.data,
        )
        return [database, cluster]

    def airflow_components(self) -> list[Component]:
        return airflow_components(self.layout, self.ports, self.environment())

    def migrate(self) -> None:
        """Bring both databases to today's schema, and the cluster to its namespace and secret."""
        for name in ("airflow", "nightshift"):
            self.postgres.create_database(name)
        environment = self.environment()
        write_password_file(environment, self.secrets)
        for_pods = {
            "NIGHTSHIFT_DATABASE_URL": self.postgres.create_role_of_pods(),
            "NIGHTSHIFT_FINGERPRINT_KEY": self.secrets.fingerprint_key,
        }
        nightshift = (sys.executable, "-m", "nightshift")
        steps = {
            "airflow-migrate": (airflow_command("db", "migrate"), environment),
            "migrate": ((*nightshift, "migrate"), environment),
            "install": ((*nightshift, "install"), {**environment, **for_pods}),
        }
        running = {
            name: _start_step(argv, variables, self.layout.logs / f"{name}.log")
            for name, (argv, variables) in steps.items()
        }
        for name, process in running.items():
            if process.wait(180) != 0:
                raise PermanentError(f"{name} failed; see {self.layout.logs / name}.log")

    def set_pool(self) -> None:
        api = AirflowApi(self.ports.airflow, self.secrets.admin_password)
        api.set_pool("scans", pods_at_once(), "pods that Nightshift may have at once")
        api.set_pool("capacity", 1, "tasks that change the cluster's capacity take turns")

    def environment(self) -> dict[str, str]:
        """Build what Airflow's processes and their tasks see."""
        url = self.postgres.url("airflow")
        return {
            **airflow_environment(self.layout, self.ports, self.secrets, url, self.kubeconfig),
            "NIGHTSHIFT_DATABASE_URL": self.postgres.url("nightshift"),
            "NIGHTSHIFT_KUBECONFIG": str(self.kubeconfig),
            "NIGHTSHIFT_SCAN_IMAGE": SCANNER_IMAGE,
            "NIGHTSHIFT_CONFIG_DIR": str(self.layout.config),
            "NIGHTSHIFT_GIT_PROTOCOLS": "https,file",
            "NIGHTSHIFT_WORKSPACE_SIZE": "10Gi",
            "NIGHTSHIFT_NIGHTLY_SCHEDULE": NEVER,  # a trial scans when it is asked to
            "NIGHTSHIFT_CAPACITY_SCHEDULE": NEVER,
            "NIGHTSHIFT_AIRFLOW_API": f"http://{ADMIN}:{quote(self.secrets.admin_password)}"
            f"@127.0.0.1:{self.ports.airflow}",
            "NIGHTSHIFT_MAX_PODS": str(pods_at_once()),
            "NIGHTSHIFT_STARTUP_CHECK_SECONDS": "1",
            "NIGHTSHIFT_POLL_SECONDS": "1",
            "NIGHTSHIFT_RETRY_SECONDS": "5",
            **self.options.variables,
        }

    def _own_scanners(self) -> tuple[str, ...]:
        folder = self.options.variables.get("NIGHTSHIFT_SCANNERS_DIR", "")
        return (folder,) if folder else ()

    def _cluster_command(self) -> tuple[str, ...]:
        image = f"{SCANNER_IMAGE}={self.options.scanner_env}"
        return (
            *(sys.executable, "-m", "nightshift.embedded.kube"),
            *("--data", str(self.layout.cluster), "--port", str(self.ports.cluster)),
            *("--nodes", str(self.options.nodes)),
            *("--image", image),
            # Pods need our code and the trial's repositories, and must not see the stack's secrets.
            *("--visible", str(self.layout.project / "include")),
            *("--visible", str(self.layout.data / "repositories")),
            *("--hidden", str(self.layout.data)),
            *(word for folder in self._own_scanners() for word in ("--visible", folder)),
        )


def start_stack(
    layout: Layout, options: StackOptions, on_progress: Callable[[str], None]
) -> StackState:
    """Start the stack in the background unless it runs, and wait until it is ready.

    :param on_progress: told each phase as it begins.
    :raises PermanentError: with the reason, when it does not get ready.
    """
    layout.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    state = read_state(layout)
    if state is None or state.phase == "failed":
        layout.state_file.unlink(missing_ok=True)
        process = _spawn_supervisor(layout, options)
    else:
        process = None
    said = ""
    while True:
        state = read_state(layout)
        if state is not None and state.phase == "ready":
            return state
        if state is not None and state.phase == "failed":
            raise PermanentError(f"the stack did not start: {state.detail}")
        if process is not None and process.poll() is not None:
            raise PermanentError(f"the stack did not start; see {layout.logs / 'supervisor.log'}")
        if state is not None and state.detail != said:
            said = state.detail
            on_progress(said)
        time.sleep(0.2)


def stop_stack(layout: Layout) -> bool:
    """Stop the stack and whatever it left behind; tell whether there was anything to stop.

    :raises PermanentError: if the supervisor does not end in time.
    """
    state = read_state(layout)
    if state is not None and state.phase != "failed":
        process = psutil.Process(state.pid)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired as error:
            raise PermanentError(
                f"the supervisor (process {state.pid}) does not end; see {layout.logs}"
            ) from error
    left = kill_leftovers(layout.stack)
    layout.state_file.unlink(missing_ok=True)
    return state is not None or bool(left)


def airflow_api(layout: Layout, state: StackState) -> AirflowApi:
    """Build a client of the running stack's Airflow, logged in as admin."""
    port = int(state.urls["airflow"].rpartition(":")[2])
    return AirflowApi(port, read_or_make_secrets(layout).admin_password)


def _spawn_supervisor(layout: Layout, options: StackOptions) -> subprocess.Popen[bytes]:
    layout.logs.mkdir(parents=True, exist_ok=True)
    variables = [f"--set={name}={value}" for name, value in options.variables.items()]
    argv = [
        *(sys.executable, "-m", "nightshift", "supervise"),
        *("--data", str(layout.data), "--nodes", str(options.nodes)),
        *("--airflow-port", str(options.airflow_port)),
        *("--scanner-env", str(options.scanner_env), *variables),
        *_external_arguments(options),
    ]
    environment = {**_basic_environment(), "PYTHONPATH": str(layout.project / "include")}
    with (layout.logs / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            argv,
            env=environment,
            cwd=layout.project,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # It outlives this process, or is reaped in it; either way nobody else waits for it.
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def _external_arguments(options: StackOptions) -> tuple[str, ...]:
    if options.kubeconfig is None:
        return ()
    address = options.database_address
    return ("--kubeconfig", str(options.kubeconfig), "--database-address", address)


def _start_step(
    argv: tuple[str, ...], environment: Mapping[str, str], log_file: Path
) -> subprocess.Popen[bytes]:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        return subprocess.Popen(
            argv, env=dict(environment), stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )


def pods_at_once() -> int:
    """Say how many pods this machine runs side by side."""
    return 2 * (os.cpu_count() or 2)


def _basic_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
