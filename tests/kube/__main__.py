"""``python -m tests.kube``: a real Kubernetes on this machine, by hand."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tests.kube import clusters
from tests.kube.clearing import list_leftovers
from tests.kube.commands import interruptible
from tests.kube.errors import HarnessError
from tests.kube.layout import Layout, default_data
from tests.kube.options import FakeNodes, Options
from tests.kube.processes import list_names
from tests.kube.readiness import list_obstacles
from tests.kube.states import read_state

app = typer.Typer(
    help="Run a real Kubernetes cluster on this machine, built from its Go modules.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="The cluster's folder.  [default: .nightshift-kube/(nodes|fake)]"),
]
FakeOption = Annotated[
    bool, typer.Option("--fake", help="Control plane on 127.0.0.1, no real nodes, no root needed.")
]


@app.command()
def up(
    data: DataOption = None,
    fake: FakeOption = False,
    nodes: Annotated[int, typer.Option(help="Real nodes, each with containerd and kubelet.")] = 2,
    fake_nodes: Annotated[int, typer.Option(help="Nodes without a machine, played by kwok.")] = 0,
    fake_cpu: Annotated[str, typer.Option(help="CPU of each fake node.")] = "4",
    fake_memory: Annotated[str, typer.Option(help="Memory of each fake node.")] = "16Gi",
    scanner: Annotated[
        bool, typer.Option("--scanner", help="Give the nodes the scanner image.")
    ] = False,
    scheduler: Annotated[
        Path | None, typer.Option(help="JSON file with fields of KubeSchedulerConfiguration.")
    ] = None,
    feature_gate: Annotated[
        list[str] | None, typer.Option(help="Name=true or Name=false, for all parts.")
    ] = None,
    argument: Annotated[
        list[str] | None, typer.Option(help="PART=--flag=value, such as kubelet=--v=4.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="kube-controller-manager, kube-scheduler or kwok: not started."),
    ] = None,
) -> None:
    """Start a cluster, or say that it runs; a second `up` with other options starts it anew."""
    options = Options(
        nodes=nodes,
        fake_only=fake,
        scanner=scanner,
        fake_nodes=FakeNodes(fake_nodes, fake_cpu, fake_memory),
        scheduler={} if scheduler is None else json.loads(scheduler.read_text()),
        feature_gates=parse_gates(feature_gate or []),
        arguments=parse_arguments(argument or []),
        without=tuple(without or ()),
    )
    cluster = clusters.start_cluster(options, data, typer.echo)
    typer.echo(f"Kubernetes {cluster.binaries.version} at {cluster.url}")
    typer.echo(f"export KUBECONFIG={cluster.kubeconfig}")
    typer.echo(f"export PATH={cluster.binaries.folder}:$PATH")


@app.command()
def down(data: DataOption = None, fake: FakeOption = False) -> None:
    """End a cluster and whatever a crash left of it; logs stay."""
    had = clusters.stop_cluster(_data(data, fake), typer.echo)
    typer.echo("taken down" if had else "nothing was running")


@app.command()
def kubeconfig(data: DataOption = None, fake: FakeOption = False) -> None:
    """Print the path of the running cluster's kubeconfig."""
    typer.echo(clusters.find_cluster(_data(data, fake)).kubeconfig)


@app.command()
def status(data: DataOption = None, fake: FakeOption = False) -> None:
    """Say what runs. Exits 1 unless the whole cluster does."""
    layout = Layout.of(_data(data, fake))
    state = read_state(layout)
    if state is None:
        left = list_leftovers(layout)
        typer.echo(f"no cluster in {layout.data}")
        typer.echo("".join(f"left over: {what}\n" for what in left), nl=False)
        raise typer.Exit(1)
    missing = clusters.list_missing(layout, state.options)
    typer.echo(f"{state.phase}: Kubernetes {state.version} at {state.place.url}")
    for name, pid in sorted(list_names(layout).items()):
        typer.echo(f"  {name}  process {pid}")
    for name in missing:
        typer.echo(f"  {name}  does not run; see {layout.logs / name}.log")
    raise typer.Exit(1 if missing or state.phase != "ready" else 0)


@app.command()
def check() -> None:
    """Say whether a cluster with real nodes can run here. Exits 1 if not, with the reasons."""
    obstacles = list_obstacles()
    for obstacle in obstacles:
        typer.echo(obstacle)
    raise typer.Exit(1 if obstacles else 0)


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Take all down after the night; exit 0 if it went well.")
    ] = False,
    repositories: Annotated[
        Path | None, typer.Option(help="Your repositories.yaml instead of the samples.")
    ] = None,
    nodes: Annotated[int, typer.Option(help="Real nodes.")] = 2,
) -> None:
    """Run `nightshift demo` on a cluster with real nodes, which ends with it."""
    from tests.kube.demo import STACK, run_demo  # late: the other commands need no Airflow

    own = [] if repositories is None else ["--repositories", str(repositories.absolute())]
    words = ["--once", *own] if once else own
    options = Options(nodes=nodes, scanner=True)
    with interruptible(), clusters.running_cluster(options, tell=typer.echo) as cluster:
        raise typer.Exit(run_demo(cluster, STACK, words, typer.echo))


@app.command("test")
def run_tests(
    arguments: Annotated[list[str] | None, typer.Argument(help="More for pytest.")] = None,
    nodes: Annotated[int, typer.Option(help="Real nodes.")] = 2,
) -> None:
    """Run the tests that need a real cluster, and the contract suite, on one; then end it."""
    from tests.kube.suites import run_suites  # late: the other commands need no tests

    options = Options(nodes=nodes, scanner=True)
    with interruptible(), clusters.running_cluster(options, tell=typer.echo) as cluster:
        failed = run_suites(cluster, arguments or [], typer.echo)
    for name in failed:
        typer.echo(f"failed: {name}")
    raise typer.Exit(1 if failed else 0)


def parse_gates(texts: list[str]) -> dict[str, bool]:
    """Read feature gates.

    :raises HarnessError: for one that is not Name=true or Name=false.
    """
    gates = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not name or value not in {"true", "false"}:
            raise HarnessError(f"--feature-gate {text}: expected Name=true or Name=false")
        gates[name] = value == "true"
    return gates


def parse_arguments(texts: list[str]) -> dict[str, list[str]]:
    """Read more arguments of parts.

    :raises HarnessError: for one that is not PART=--flag.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        part, _, argument = text.partition("=")
        if not argument.startswith("-"):
            raise HarnessError(f"--argument {text}: expected PART=--flag=value")
        found.setdefault(part, []).append(argument)
    return found


def _data(data: Path | None, fake: bool) -> Path:
    return data or default_data(clusters.CHECKOUT, fake_only=fake)


def main() -> int:
    """Run one command; 0 is success, 1 a failure that the message explains."""
    try:
        app(prog_name="python -m tests.kube")
    except HarnessError as error:
        typer.echo(f"tests.kube: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
