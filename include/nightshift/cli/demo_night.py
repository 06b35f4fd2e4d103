"""One night of the trial: set up, trigger, follow, report, judge."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from nightshift.cli.demo_verdict import judge_own, judge_samples
from nightshift.cli.night_pods import NightPods
from nightshift.cli.night_report import print_report
from nightshift.cli.night_watch import DAG_ID, NightWatch, watch
from nightshift.cli.stack import print_login
from nightshift.config.entries import Allowed
from nightshift.config.repositories import read_repositories
from nightshift.embedded.layout import Layout
from nightshift.embedded.options import StackOptions
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.embedded.sample_repositories import SampleRepositories, make_sample_repositories
from nightshift.embedded.stack import airflow_api, start_stack
from nightshift.embedded.supervisor import StackState
from nightshift.errors import ConfigError, NotFound
from nightshift.scanners.loading import load_scanners
from nightshift.store.batches import find_batch
from nightshift.store.engines import Engine, reader_engine, transaction
from nightshift.store.summaries import BatchSummary, read_batch_summary

PROTOCOLS = ("https", "file")


def run_night(
    console: Console, layout: Layout, own: Path | None, options: StackOptions
) -> list[str]:
    """Set up and run one night; gives what did not end as expected.

    :raises ConfigError: if the pods could not reach the repositories.
    """
    if own is None and options.kubeconfig is not None:
        _check_samples_reach_pods(layout)
    layout.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ThreadPoolExecutor(1) as pool:  # PostgreSQL and Airflow start meanwhile
        made = pool.submit(_write_registry, layout, own)
        state = start_stack(layout, options, lambda phase: console.print(f"starting {phase} ..."))
        samples = made.result()
    print_login(console, layout, state)
    summary, engine = _scan(console, layout, state, options)
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


def _check_samples_reach_pods(layout: Layout) -> None:
    """Refuse samples, which are folders of this machine, unless clone pods have a mount of them."""
    template = layout.config / "pods" / "clone.yaml"
    if not template.exists():
        raise ConfigError(
            "--kubeconfig",
            f"pods of that cluster do not see the samples in {layout.data / 'repositories'}: give "
            f"--repositories, or mount that folder into clone pods by a template at {template}",
        )


def _scan(
    console: Console, layout: Layout, state: StackState, options: StackOptions
) -> tuple[BatchSummary, Engine]:
    """Trigger the Dag as a user would, follow it, and read what came of it."""
    airflow = airflow_api(layout, state)
    url = EmbeddedPostgres(layout.postgres).url("nightshift")
    engine = reader_engine(url, name="nightshift-demo")
    pods = NightPods.connect(Path(state.urls["kubeconfig"]), options.variables)
    run_id = airflow.trigger(DAG_ID, {})
    console.print(f"run {run_id}: {airflow.url}/dags/{DAG_ID}/runs/{run_id}", soft_wrap=True)
    last = watch(console, NightWatch(airflow, engine, pods, run_id, tuple(pods.list_nodes())))
    pods.close()
    with transaction(engine) as connection:
        batch = find_batch(connection, run_id)
        if batch is None:
            raise NotFound(f"the run is {last.state} and opened no batch: see {airflow.url}")
        return read_batch_summary(connection, batch), engine
