"""``nightshift up | down | status | supervise``: the trial stack on this machine."""

import socket
import time
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from nightshift.embedded.layout import Layout, find_project, read_or_make_secrets
from nightshift.embedded.options import StackOptions
from nightshift.embedded.supervisor import StackState, read_state
from nightshift.errors import ConfigError

DataOption = Annotated[
    Path, typer.Option("--data", help="The folder that holds everything of this stack.")
]
PortOption = Annotated[
    int, typer.Option("--airflow-port", help="Wanted for Airflow's pages; another if it is taken.")
]
NodesOption = Annotated[
    Path | None, typer.Option("--nodes", help="A YAML file with the local cluster's nodes.")
]
ScannerEnvOption = Annotated[
    Path | None, typer.Option("--scanner-env", help="The environment that holds the scanners.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="NIGHTSHIFT_X=value, for Airflow's tasks.")
]
KubeconfigOption = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Run pods on this cluster of yours, not on a local one."),
]
DatabaseAddressOption = Annotated[
    str,
    typer.Option(
        "--database-address",
        help="With --kubeconfig: this machine as pods reach it; PostgreSQL listens there too.",
    ),
]
DEFAULT_DATA = Path(".nightshift")
DEFAULT_PORT = 8080


def up(
    context: typer.Context,
    data: DataOption = DEFAULT_DATA,
    airflow_port: PortOption = DEFAULT_PORT,
    nodes: NodesOption = None,
    scanner_env: ScannerEnvOption = None,
    variables: SetOption = None,
    kubeconfig: KubeconfigOption = None,
    database_address: DatabaseAddressOption = "",
) -> None:
    """Start PostgreSQL, a local cluster and Airflow on this machine, on loopback only.

    With --kubeconfig the pods run on that cluster, and no local one is started.
    """
    from nightshift.embedded.stack import start_stack  # late: `--help` needs no stack

    console: Console = context.obj.out
    layout = make_layout(data)
    options = make_options(layout, airflow_port, nodes, scanner_env, variables or [])
    options = on_cluster(options, kubeconfig, database_address)
    state = start_stack(layout, options, lambda phase: console.print(f"starting {phase} ..."))
    print_login(console, layout, state)


def down(context: typer.Context, data: DataOption = DEFAULT_DATA) -> None:
    """Stop the trial stack; nothing is left running."""
    from nightshift.embedded.stack import stop_stack

    stopped = stop_stack(make_layout(data))
    context.obj.out.print("stopped" if stopped else "nothing was running")


def status(context: typer.Context, data: DataOption = DEFAULT_DATA) -> None:
    """Say what runs, where, and how to log in. Exits 1 when the stack does not run."""
    console: Console = context.obj.out
    layout = make_layout(data)
    state = read_state(layout)
    if state is None:
        console.print("the stack does not run; start it with: make up")
        raise typer.Exit(1)
    console.print(f"[bold]{state.phase}[/bold] {state.detail}")
    table = Table("component", "process", "for", "restarts", box=None)
    for name, part in state.components.items():
        pid = int(part["pid"])
        table.add_row(name, str(pid), _age(pid), str(int(part["restarts"])))
    console.print(table)
    if state.phase == "ready":
        print_login(console, layout, state)
    raise typer.Exit(0 if state.phase == "ready" else 1)


def supervise(
    data: DataOption,
    nodes: Annotated[Path, typer.Option("--nodes")],
    airflow_port: PortOption,
    scanner_env: Annotated[Path, typer.Option("--scanner-env")],
    variables: SetOption = None,
    kubeconfig: KubeconfigOption = None,
    database_address: DatabaseAddressOption = "",
) -> None:
    """Be the supervisor of the trial stack (``up`` starts it)."""
    from nightshift.embedded.stack import run_stack

    layout = make_layout(data)
    options = make_options(layout, airflow_port, nodes, scanner_env, variables or [])
    run_stack(layout, on_cluster(options, kubeconfig, database_address))


def make_layout(data: Path) -> Layout:
    """Find the checkout and the data directory, which need not exist yet."""
    return Layout(data.expanduser().absolute(), find_project(Path(__file__).resolve()))


def make_options(
    layout: Layout,
    airflow_port: int,
    nodes: Path | None,
    scanner_env: Path | None,
    variables: list[str],
) -> StackOptions:
    """Fill in what the user left out.

    :raises ConfigError: for a variable that is not ``NAME=value``, or no scanner environment.
    """
    environment = (scanner_env or layout.project / ".venv-scanner").absolute()
    if not (environment / "bin" / "python").exists():
        raise ConfigError(str(environment), "is no scanner environment: run `make setup`")
    return StackOptions(
        airflow_port=airflow_port,
        nodes=(nodes or layout.project / "include/config/embedded-nodes.yaml").absolute(),
        scanner_env=environment,
        variables=dict(_split(text) for text in variables),
    )


def on_cluster(
    options: StackOptions, kubeconfig: Path | None, database_address: str
) -> StackOptions:
    """Choose the user's own cluster, if there is one.

    :raises ConfigError: if it cannot be read, or pods would not find the database.
    """
    if kubeconfig is None:
        if database_address:
            raise ConfigError("--database-address", "is for pods of --kubeconfig; give both")
        return options
    if not kubeconfig.is_file():
        raise ConfigError(f"--kubeconfig {kubeconfig}", "is no file")
    if not _is_own_address(database_address):
        raise ConfigError(
            f"--database-address {database_address}".strip(),
            "expected an IPv4 address of this machine that the cluster's pods reach",
        )
    return replace(options, kubeconfig=kubeconfig.absolute(), database_address=database_address)


def _is_own_address(text: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((str(IPv4Address(text)), 0))
        except (ValueError, OSError):
            return False
    return not IPv4Address(text).is_loopback


def print_login(console: Console, layout: Layout, state: StackState) -> None:
    """Say where things are; the password is the owner's, so the terminal may show it."""
    password = read_or_make_secrets(layout).admin_password
    console.print(f"Airflow     {state.urls['airflow']}   (user admin, password {password})")
    console.print(f"Kubernetes  kubectl --kubeconfig {state.urls['kubeconfig']} get nodes,pods -A")
    if where := state.urls.get("postgres for pods"):
        console.print(f"PostgreSQL  {where} for ingest pods")


def _split(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.startswith("NIGHTSHIFT_"):
        raise ConfigError(f"--set {text}", "expected NIGHTSHIFT_NAME=value")
    return name, value


def _age(pid: int) -> str:
    try:
        seconds = int(time.time() - psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return "ended, starting again"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
