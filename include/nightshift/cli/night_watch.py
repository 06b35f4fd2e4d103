"""Follows a run of ``nightly_scan``: looks at Airflow, the store and the cluster, and draws it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nightshift.cli.night_pods import NightPods, PodOnNode
from nightshift.embedded.airflow import AirflowApi
from nightshift.errors import RetryableError
from nightshift.store.batches import find_batch
from nightshift.store.engines import Engine, transaction
from nightshift.store.summaries import BatchProgress, read_batch_progress

DAG_ID = "nightly_scan"
TASKS = (
    *("open_batch", "prepare_workspace", "clone", "rank_nodes"),
    *("scan", "ingest", "report", "clean_workspace"),
)
FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """The night at one moment. ``tasks`` counts task instances by task and state."""

    state: str
    tasks: Mapping[str, Mapping[str, int]]
    progress: BatchProgress | None
    pods: tuple[PodOnNode, ...]

    @property
    def is_over(self) -> bool:
        """Tell whether the run has ended, well or not."""
        return self.state in {"success", "failed"}


@dataclass(slots=True)
class NightWatch:
    """Looks at a run until it ends. What does not answer for a while keeps its last look.

    :param nodes: every node of the cluster, so that idle ones show too.
    """

    airflow: AirflowApi
    reader: Engine
    pods: NightPods
    run_id: str
    nodes: tuple[str, ...] = ()
    _last: Look = field(default_factory=lambda: Look("queued", {}, None, ()))

    def looks(self, sleep: Callable[[float], None] = time.sleep) -> Iterator[Look]:
        """Look every second; the last look is of the ended run."""
        while True:
            with suppress(RetryableError):  # the supervisor restarts what died; the night goes on
                self._last = self._look()
            yield self._last
            if self._last.is_over:
                return
            sleep(LOOK_SECONDS)

    def _look(self) -> Look:
        run = f"/dags/{DAG_ID}/dagRuns/{self.run_id}"
        state = str(self.airflow.get(run)["state"])
        tasks: dict[str, Counter[str]] = {}
        for one in self.airflow.get(f"{run}/taskInstances", limit=1000)["task_instances"]:
            tasks.setdefault(one["task_id"], Counter())[one["state"] or "waiting"] += 1
        with transaction(self.reader) as connection:
            batch = find_batch(connection, self.run_id)
            progress = None if batch is None else read_batch_progress(connection, batch)
        return Look(state, tasks, progress, tuple(self.pods.list_pods()))


def watch(console: Console, night: NightWatch) -> Look:
    """Show the run until it ends: a live picture on a terminal, a line a change elsewhere."""
    last: Look | None = None
    if not console.is_terminal:
        said = ""
        for last in night.looks():
            line = describe(last)
            if line != said:
                console.print(line, soft_wrap=True)
                said = line
    else:
        with Live(console=console, auto_refresh=False) as live:
            for last in night.looks():
                live.update(draw(last, night.nodes), refresh=True)
    if last is None:
        raise AssertionError("a watch looks at least once")
    return last


def describe(look: Look) -> str:
    """Write a look as one line."""
    parts = [
        f"{task} {sum(states.get(s, 0) for s in FINISHED)}/{sum(states.values())}"
        for task in TASKS
        if (states := look.tasks.get(task)) and set(states) != {"waiting"}
    ]
    if look.progress is not None:
        parts.append(_outcomes(look.progress))
    return "  ".join(parts) or look.state


def draw(look: Look, nodes: tuple[str, ...]) -> Group:
    """Draw a look: the night's steps with their progress, outcomes, and what runs where."""
    steps = Table("step", "", "done", box=None, pad_edge=False)
    for task in TASKS:
        states = look.tasks.get(task, {})
        done, total = sum(states.get(s, 0) for s in FINISHED), sum(states.values())
        bar = ProgressBar(total=max(1, total), completed=done, width=30)
        steps.add_row(_name(task, states), bar, f"{done}/{total}" if total else "")
    where = Table("node", "pods at work", box=None, pad_edge=False)
    for node in nodes:
        here = [p for p in look.pods if p.node == node and p.phase in {"Pending", "Running"}]
        where.add_row(node, " ".join(sorted(p.shard for p in here)))
    batch = "" if look.progress is None else f"batch {look.progress.batch}: "
    outcomes = "" if look.progress is None else _outcomes(look.progress)
    return Group(steps, Text(batch + outcomes), where)


def _name(task: str, states: Mapping[str, int]) -> Text:
    if states.get("failed") or states.get("upstream_failed"):
        return Text(task, style="red")
    return Text(task, style="bold" if states.get("running") else "")


def _outcomes(progress: BatchProgress) -> str:
    scans = ", ".join(f"{count} {state}" for state, count in sorted(progress.scans.items()))
    return f"{scans or 'no scans'}; findings: {progress.new} new, {progress.fixed} fixed"
