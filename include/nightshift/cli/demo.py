"""``nightshift demo``: one night on real code, from nothing to a result."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import Engine

from nightshift.cli.demo_verdict import judge_own, judge_samples
from nightshift.cli.night_report import print_report
from nightshift.cli.night_watch import DAG_ID, NightWatch, watch
from nightshift.cli.shell import Shell
from nightshift.cli.stack import (
    DEFAULT_DATA,
    DEFAULT_PORT,
    DataOption,
    NodesOption,
    PortOption,
    make_layout,
    make_options,
    print_login,
)
from nightshift.config.entries import Allowed
from nightshift.config.repositories import read_repositories
from nightshift.embedded.layout import Layout
from nightshift.embedded.pod_view import PodView
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.embedded.sample_repositories import SampleRepositories, make_sample_repositories
from nightshift.embedded.stack import airflow_api, start_stack, stop_stack
from nightshift.embedded.supervisor import StackState, read_state
from nightshift.errors import NotFound
from nightshift.scanners.loading import load_scanners
from nightshift.store.batches import find_batch
from nightshift.store.engines import reader_engine, transaction
from nightshift.store.summaries import BatchSummary, read_batch_summary

PROTOCOLS = ("https", "file")


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
) -> None:
    """Run one night on this machine: set up, scan, show it as it goes, print the result."""
    shell: Shell = context.obj
    layout = make_layout(data)
    was_running = read_state(layout) is not None
    with _interruptible():
        try:
            faults = _run_night(shell.out, layout, repositories, airflow_port, nodes)
            for fault in faults:
                shell.out.print(f"unexpected: {fault}", markup=False)
            if not once:
                _wait_for_the_user(shell.out, layout)
        except KeyboardInterrupt:
            shell.out.print("interrupted; stopping")
            raise typer.Exit(130) from None
        finally:
            if not was_running:
                stop_stack(layout)
    raise typer.Exit(1 if faults else 0)


def _run_night(
    console: Console, layout: Layout, own: Path | None, airflow_port: int, nodes: Path | None
) -> list[str]:
    """Set up and run one night; gives what did not end as expected."""
    options = make_options(layout, airflow_port, nodes, None, [])
    layout.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ThreadPoolExecutor(1) as pool:  # PostgreSQL and Airflow start meanwhile
        made = pool.submit(_write_registry, layout, own)
        state = start_stack(layout, options, lambda phase: console.print(f"starting {phase} ..."))
        samples = made.result()
    print_login(console, layout, state)
    summary, engine = _scan(console, layout, state)
    print_report(console, summary)
    try:
        if samples is None:
            return judge_own(summary)
        return judge_samples(summary, samples, engine)
    finally:
        engine.dispose()


def _write_registry(layout: Layout, own: Path | None) -> SampleRepositories | None:
    """Put the user's list, or that of the samples, where Airflow's tasks read it."""
    samples = None
    if own is None:
        samples = make_sample_repositories(layout.data / "repositories")
        own = samples.file
    read_repositories(own, Allowed(tuple(load_scanners()), PROTOCOLS))  # faults show at once
    layout.config.mkdir(parents=True, exist_ok=True)
    (layout.config / "repositories.yaml").write_text(own.read_text())
    return samples


def _scan(console: Console, layout: Layout, state: StackState) -> tuple[BatchSummary, Engine]:
    """Trigger the Dag as a user would, follow it, and read what came of it."""
    airflow = airflow_api(layout, state)
    url = EmbeddedPostgres(layout.postgres).url("nightshift")
    engine = reader_engine(url, name="nightshift-demo")
    pods = PodView(layout.kubeconfig, "nightshift")
    run_id = airflow.trigger(DAG_ID, {})
    console.print(f"run {run_id}: {airflow.url}/dags/{DAG_ID}/runs/{run_id}", soft_wrap=True)
    last = watch(console, NightWatch(airflow, engine, pods, run_id, tuple(pods.list_nodes())))
    pods.close()
    with transaction(engine) as connection:
        batch = find_batch(connection, run_id)
        if batch is None:
            raise NotFound(f"the run is {last.state} and opened no batch: see {airflow.url}")
        return read_batch_summary(connection, batch), engine


def _wait_for_the_user(console: Console, layout: Layout) -> None:
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
