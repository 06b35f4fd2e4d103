"""The whole trial stack, started once for all tests of nights; nothing is left of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, text

from nightshift.embedded.airflow import AirflowApi
from nightshift.embedded.components import kill_leftovers
from nightshift.embedded.layout import Layout, find_project
from nightshift.embedded.options import StackOptions
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.embedded.sample_history import File, write_repository
from nightshift.embedded.stack import airflow_api, start_stack, stop_stack
from nightshift.embedded.supervisor import StackState, read_state
from nightshift.errors import RetryableError
from nightshift.store import BatchId, BatchSummary, read_batch_summary, reader_engine, transaction
from nightshift.store.batches import find_batch

DAG_ID = "nightly_scan"
ROOT = find_project(Path(__file__).resolve())
ACCOUNTS, REPOSITORIES, SECONDS, PLANTED = 2, 4, 3, 5


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A started stack and what tests ask of it."""

    layout: Layout
    api: AirflowApi
    reader: Engine

    @property
    def state(self) -> StackState:
        state = read_state(self.layout)
        assert state is not None, "the stack has ended"
        return state

    def get(self, path: str, **params: int) -> Any:
        """Ask Airflow, patiently: a test may just have killed what answers."""
        for _ in range(240):
            try:
                return self.api.get(path, **params)
            except RetryableError:
                time.sleep(0.5)
        raise AssertionError(f"Airflow did not answer {path} for two minutes")

    def trigger(self, **conf: object) -> str:
        return self.api.trigger(DAG_ID, conf)

    def task_states(self, run: str, task: str) -> list[str]:
        found = self.get(f"/dags/{DAG_ID}/dagRuns/{run}/taskInstances", limit=1000)
        return [t["state"] for t in found["task_instances"] if t["task_id"] == task]

    def wait(self, run: str, seconds: float = 240) -> str:
        """Wait for a run's end and give its state."""
        path = f"/dags/{DAG_ID}/dagRuns/{run}"

        def is_over() -> bool:
            return self.get(path)["state"] in {"success", "failed"}

        wait_until(is_over, seconds)
        return str(self.get(path)["state"])

    def summary(self, run: str) -> BatchSummary:
        with transaction(self.reader) as connection:
            batch = find_batch(connection, run)
            assert batch is not None
            return read_batch_summary(connection, BatchId(batch))

    def rows(self, query: str, **values: object) -> list[Any]:
        with transaction(self.reader) as connection:
            return list(connection.execute(text(query), values))


def wait_until(held: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not held():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@contextmanager
def running_stack(data: Path, **variables: str) -> Iterator[RunningStack]:
    """Run a whole stack for the block, with repositories and further settings."""
    layout = Layout(data, ROOT)
    _make_repositories(layout)
    options = StackOptions(
        airflow_port=0,
        nodes=ROOT / "include/config/embedded-nodes.yaml",
        scanner_env=ROOT / ".venv-scanner",
        variables={"NIGHTSHIFT_SCANNERS_DIR": str(ROOT / "bench" / "scanners"), **variables},
    )
    try:
        state = start_stack(layout, options, lambda _: None)
        reader = reader_engine(EmbeddedPostgres(layout.postgres).url("nightshift"))
        yield RunningStack(layout, airflow_api(layout, state), reader)
        reader.dispose()
    finally:
        stop_stack(layout)
        assert kill_leftovers(layout.stack) == []


def _make_repositories(layout: Layout) -> None:
    """Make repositories whose scan takes a known time and finds a known number of lines."""
    registry: list[dict[str, Any]] = []
    for account in range(ACCOUNTS):
        entries = []
        for number in range(REPOSITORIES):
            path = layout.data / "repositories" / f"account-{account}" / f"r{number}.git"
            path.parent.mkdir(parents=True, exist_ok=True)
            tree = {
                "seconds.txt": File(f"{SECONDS}\n".encode()),
                "code.py": File(b"planted\n" * PLANTED + f"{account} {number}\n".encode()),
            }
            write_repository(path, [tree])
            entries.append({"name": f"r{number}", "remote": path.as_uri()})
        registry.append({"name": f"account-{account}", "repositories": entries})
    layout.config.mkdir(parents=True)
    (layout.config / "repositories.yaml").write_text(yaml.safe_dump({"accounts": registry}))
