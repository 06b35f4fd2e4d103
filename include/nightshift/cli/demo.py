"""``nightshift demo``: one night on real code, from nothing to a result."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from nightshift.cli.shell import Shell
from nightshift.cli.stack import (
    DEFAULT_DATA,
    DEFAULT_PORT,
    DatabaseAddressOption,
    DataOption,
    KubeconfigOption,
    NodesOption,
    PortOption,
    SetOption,
    make_layout,
    make_options,
    on_cluster,
    print_login,
)
from nightshift.embedded.layout import Layout


def demo(
    context: typer.Context,
    data: DataOption = DEFAULT_DATA,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Stop everything after the night; exit 0 only if it went well."
        ),
    ] = False,
    repositories: Annotated[
        Path | None,
        typer.Option("--repositories", help="Your repositories.yaml instead of the samples."),
    ] = None,
    airflow_port: PortOption = DEFAULT_PORT,
    nodes: NodesOption = None,
    variables: SetOption = None,
    kubeconfig: KubeconfigOption = None,
    database_address: DatabaseAddressOption = "",
) -> None:
    """Run one night on this machine: set up, scan, show it as it goes, print the result.

    With --kubeconfig the pods run on that cluster; give it --repositories that its pods reach.
    """
    from nightshift.cli.demo_night import run_night  # late: `--help` needs no store
    from nightshift.embedded.stack import stop_stack
    from nightshift.embedded.supervisor import read_state

    shell: Shell = context.obj
    console = shell.out if shell.out.is_terminal else Console(width=140, highlight=False)
    layout = make_layout(data)
    options = make_options(layout, airflow_port, nodes, None, variables or [])
    options = on_cluster(options, kubeconfig, database_address)
    was_running = read_state(layout) is not None
    with _interruptible():
        try:
            faults = run_night(console, layout, repositories, options)
            if not faults:
                console.print("every scan ended as expected")
            for fault in faults:
                console.print(f"unexpected: {fault}", markup=False)
            if not once:
                _wait_for_the_user(console, layout)
        except KeyboardInterrupt:
            console.print("interrupted; stopping")
            raise typer.Exit(130) from None
        finally:
            if not was_running:
                stop_stack(layout)
    raise typer.Exit(1 if faults else 0)


def _wait_for_the_user(console: Console, layout: Layout) -> None:
    from nightshift.embedded.supervisor import read_state

    state = read_state(layout)
    if state is not None:
        print_login(console, layout, state)
    console.print("Ctrl-C stops everything")
    threading.Event().wait()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a closed terminal and SIGTERM end the demo as Ctrl-C does: nothing stays running."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
