"""How near a whole night comes to the ideal: N scans of known duration through the full Dag.

    make bench-night N=200

ideal = sum of the scans' durations / pods at once. The ratio says what everything else costs:
Airflow, pod starts, cloning, ingest, uneven shards. Scans sleep, so that two cores can run four.
"""

import argparse
import datetime as dt
import json
import shutil
import sys
import time
from pathlib import Path

import yaml

from nightshift.embedded.airflow import AirflowApi
from nightshift.embedded.layout import Layout, find_project
from nightshift.embedded.options import StackOptions
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.embedded.sample_history import File, write_repository
from nightshift.embedded.stack import (
    airflow_api,
    pods_at_once,
    start_stack,
    stop_stack,
)
from nightshift.store.batches import find_batch
from nightshift.store.engines import reader_engine, transaction
from nightshift.store.summaries import BatchSummary, read_batch_summary

HERE = Path(__file__).resolve().parent
DAG_ID = "nightly_scan"
DURATIONS = (1.0, 2.0, 3.0, 4.0, 5.0)
"""Seconds; every fifth repository has the same. Their mean is 3 s."""
ACCOUNTS = 4


def main(argv: list[str]) -> int:
    """Run the benchmark and print one JSON object; exits 1 if a scan did not succeed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="made anew, removed at the end")
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--shard-seconds", type=int, default=120)
    arguments = parser.parse_args(argv)
    layout = Layout(arguments.data.absolute(), find_project(HERE))
    stop_stack(layout)
    shutil.rmtree(layout.data, ignore_errors=True)
    try:
        total = _make_repositories(layout, arguments.scans)
        state = start_stack(layout, _options(layout, arguments.shard_seconds), _say)
        api = airflow_api(layout, state)
        run = _run(api)
        summary = _read_summary(layout, run["dag_run_id"])
        tasks = api.get(f"/dags/{DAG_ID}/dagRuns/{run['dag_run_id']}/taskInstances", limit=1000)
        result = _measure(arguments.scans, total, run, summary, tasks["task_instances"])
    finally:
        stop_stack(layout)
        shutil.rmtree(layout.data, ignore_errors=True)
    print(json.dumps(result, indent=2))
    return 0 if result["succeeded"] == arguments.scans else 1


def _make_repositories(layout: Layout, count: int) -> float:
    """Make the repositories and the list of them; gives the sum of their durations."""
    accounts: dict[str, list[dict[str, str]]] = {f"bench-{i}": [] for i in range(ACCOUNTS)}
    for number in range(count):
        account, name = f"bench-{number % ACCOUNTS}", f"r{number:04d}"
        path = layout.data / "repositories" / account / f"{name}.git"
        path.parent.mkdir(parents=True, exist_ok=True)
        seconds = DURATIONS[(number // ACCOUNTS) % len(DURATIONS)]
        code = f"number = {number}\n".encode()
        tree = {"seconds.txt": File(f"{seconds}\n".encode()), "code.py": File(code)}
        write_repository(path, [tree])
        accounts[account].append({"name": name, "remote": path.as_uri()})
    registry = {"accounts": [{"name": a, "repositories": r} for a, r in accounts.items()]}
    layout.config.mkdir(parents=True)
    (layout.config / "repositories.yaml").write_text(yaml.safe_dump(registry))
    return sum(DURATIONS[(n // ACCOUNTS) % len(DURATIONS)] for n in range(count))


def _options(layout: Layout, shard_seconds: int) -> StackOptions:
    return StackOptions(
        airflow_port=0,
        nodes=layout.project / "include/config/embedded-nodes.yaml",
        scanner_env=layout.project / ".venv-scanner",
        variables={
            "NIGHTSHIFT_SCANNERS_DIR": str(HERE / "scanners"),
            "NIGHTSHIFT_SHARD_TARGET_SECONDS": str(shard_seconds),
        },
    )


def _run(api: AirflowApi) -> dict[str, str]:
    run_id = api.trigger(DAG_ID, {})
    while True:
        run: dict[str, str] = api.get(f"/dags/{DAG_ID}/dagRuns/{run_id}")
        if run["state"] in {"success", "failed"}:
            return run
        time.sleep(1)


def _read_summary(layout: Layout, run_id: str) -> BatchSummary:
    engine = reader_engine(EmbeddedPostgres(layout.postgres).url("nightshift"))
    try:
        with transaction(engine) as connection:
            batch = find_batch(connection, run_id)
            assert batch is not None, "the run opened no batch"
            return read_batch_summary(connection, batch)
    finally:
        engine.dispose()


def _measure(
    scans: int,
    total: float,
    run: dict[str, str],
    summary: BatchSummary,
    tasks: list[dict[str, str]],
) -> dict[str, object]:
    slots = pods_at_once()
    ideal = total / slots
    wall = _seconds(run["start_date"], run["end_date"])
    scanning = [t for t in tasks if t["task_id"] == "scan" and t["start_date"] and t["end_date"]]
    begin, end = min(t["start_date"] for t in scanning), max(t["end_date"] for t in scanning)
    return {
        "scans": scans,
        "succeeded": sum(summary.totals.outcomes.get("succeeded", {}).values()),
        "shards": len(scanning),
        "pods_at_once": slots,
        "ideal_seconds": round(ideal, 1),
        "wall_seconds": round(wall, 1),
        "wall_over_ideal": round(wall / ideal, 2),
        "scan_stage_over_ideal": round(_seconds(begin, end) / ideal, 2),
        "stages": _stages(tasks),
    }


def _stages(tasks: list[dict[str, str]]) -> dict[str, float]:
    names = dict.fromkeys(t["task_id"] for t in tasks)
    spans = {}
    for name in names:
        own = [t for t in tasks if t["task_id"] == name and t["start_date"] and t["end_date"]]
        if own:
            begin, end = min(t["start_date"] for t in own), max(t["end_date"] for t in own)
            spans[name] = round(_seconds(begin, end), 1)
    return spans


def _seconds(begin: str, end: str) -> float:
    parse = dt.datetime.fromisoformat
    return (parse(end) - parse(begin)).total_seconds()


def _say(phase: str) -> None:
    print(f"starting {phase} ...", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
