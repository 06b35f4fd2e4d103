"""What holds for the Dag files: they import alone and lightly, and are wired as they must be."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in (ROOT / "dags").glob("*.py"))
EXPECTED = {"nightly_scan.py": {"nightly_scan"}, "workspace_janitor.py": {"workspace_janitor"}}
RUNS_PODS = {"nightly_scan.py"}
HEAVY = {"sqlalchemy", "numpy", "scipy", "fastapi", "psycopg", "asyncpg", "kubernetes"}
LONGEST_IMPORT_SECONDS = 0.3

IMPORT = """
import importlib.util, json, sys, time
from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task  # lazy ones
CronTriggerTimetable("0 0 * * *", timezone="UTC")
if {with_operator}:
    import airflow.providers.cncf.kubernetes.operators.pod
before = set(sys.modules)
start = time.process_time()
spec = importlib.util.spec_from_file_location("dag_file", {path!r})
spec.loader.exec_module(importlib.util.module_from_spec(spec))
seconds = time.process_time() - start
operator = "airflow.providers.cncf.kubernetes.operators.pod" in sys.modules
print(json.dumps([seconds, sorted(set(sys.modules) - before), operator]))
"""


@cache
def bag() -> DagBag:
    return DagBag(dag_folder=str(ROOT / "dags"))


def dag(name: str) -> DAG:
    found = bag().dags[name]
    assert isinstance(found, DAG)
    return found


def import_alone(name: str) -> tuple[float, list[str], bool]:
    """Import one Dag file in a process of its own, without any setting of ours."""
    path = str(ROOT / "dags" / name)
    program = IMPORT.format(path=path, with_operator=name in RUNS_PODS)
    keep = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "AIRFLOW_HOME"}}
    environment = {**keep, "PYTHONPATH": str(ROOT / "include"), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    seconds, modules, operator = json.loads(done.stdout.strip().splitlines()[-1])
    return seconds, modules, operator


def test_every_dag_is_there_and_nothing_fails_to_import() -> None:
    assert bag().import_errors == {}
    assert sorted(EXPECTED) == FILES
    assert set(bag().dags) == set.union(*EXPECTED.values())


@pytest.mark.parametrize("name", FILES)
def test_a_dag_file_imports_lightly(name: str) -> None:
    import_alone(name)  # leaves bytecode behind, as an installed checkout has it
    seconds, modules, operator = min(import_alone(name) for _ in range(3))
    assert {module.partition(".")[0] for module in modules} & HEAVY == set()
    assert operator == (name in RUNS_PODS)
    assert seconds < LONGEST_IMPORT_SECONDS


@pytest.mark.parametrize("name", FILES)
def test_a_dag_file_is_a_table_of_contents(name: str) -> None:
    assert len((ROOT / "dags" / name).read_text().splitlines()) <= 120


@pytest.mark.parametrize("name", sorted(set.union(*EXPECTED.values())))
def test_policies(name: str) -> None:
    one = dag(name)
    assert one.doc_md
    assert "Owner" in one.doc_md
    assert "Safe to re-run" in one.doc_md
    assert "nightshift" in one.tags
    assert one.max_active_runs == 1
    assert one.catchup is False
    assert one.dagrun_timeout is not None
    for task in one.tasks:
        assert (task.retries or 0) >= 1, task.task_id
        assert task.owner == "nightshift", task.task_id


def test_the_night_is_wired_in_order_and_the_teardown_waits_for_the_mapped_pods() -> None:
    night = dag("nightly_scan")
    upstream = {task.task_id: set(task.upstream_task_ids) for task in night.tasks}
    assert "prepare_workspace" in upstream["clone"]
    assert "clone" in upstream["rank_nodes"]
    assert "rank_nodes" in upstream["scan"]
    assert "scan" in upstream["ingest"]
    assert "ingest" in upstream["report"]
    assert "report" in upstream["clean_workspace"]
    assert upstream["watch"] >= {"rank_nodes"}
    assert "watch" in upstream["report"], "the pool's labels go after the watcher"
    assert "scan" not in upstream["watch"], "it runs beside the scans"
    clean = night.get_task("clean_workspace")
    assert clean.is_teardown
    assert not clean.on_failure_fail_dagrun, "the run's last word is the report's"
    assert night.get_task("prepare_workspace").is_setup
    assert night.get_task("report").trigger_rule == "all_done"
    assert night.get_task("rank_nodes").trigger_rule == "all_done"


@pytest.mark.parametrize("task_id", ["clone", "scan", "ingest"])
def test_pods_are_mapped_pooled_and_bounded(task_id: str) -> None:
    task = dag("nightly_scan").get_task(task_id)
    assert isinstance(task, MappedOperator)
    kwargs = task.partial_kwargs
    assert kwargs["pool"] == "scans"
    assert kwargs["retries"] == 2
    assert kwargs["execution_timeout"] is not None
    assert not kwargs["image"].endswith(":latest")
    assert kwargs["do_xcom_push"] is False
    assert "affinity" not in kwargs
    assert "full_pod_spec" not in kwargs
