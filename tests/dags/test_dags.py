"""What holds for the Dag files: they import alone and lightly, and are wired as they must be."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.standard.operators import hitl
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import TaskAwaitingInput

from nightshift.orchestration.approvals import PlanApproval
from nightshift.orchestration.weekend import approval_kwargs

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in (ROOT / "dags").glob("*.py"))
EXPECTED = {
    "capacity_reconcile.py": {"capacity_reconcile"},
    "nightly_scan.py": {"nightly_scan"},
    "weekend_scale_down.py": {"weekend_scale_down"},
    "weekend_scale_up.py": {"weekend_scale_up"},
    "workspace_janitor.py": {"workspace_janitor"},
}
RUNS_PODS = {"nightly_scan.py"}
HEAVY = {"sqlalchemy", "numpy", "scipy", "fastapi", "psycopg", "asyncpg", "kubernetes"}
LONGEST_IMPORT_SECONDS = 0.3

IMPORT = """
import gc, importlib.util, json, sys, time
from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task  # lazy ones
CronTriggerTimetable("0 0 * * *", timezone="UTC")
if {with_operator}:
    import airflow.providers.cncf.kubernetes.operators.pod
import airflow.providers.standard.operators.hitl  # Airflow's own share of a Dag with an approval
before = set(sys.modules)
gc.freeze()  # a walk over what Airflow has loaded takes 0.3 s, whoever's import it falls into
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


CAPACITY = ["capacity_reconcile", "weekend_scale_down", "weekend_scale_up"]


@pytest.mark.parametrize("name", CAPACITY)
def test_the_weekends_tasks_take_turns_in_a_pool_of_their_own(name: str) -> None:
    for task in dag(name).tasks:
        pool = task.partial_kwargs["pool"] if isinstance(task, MappedOperator) else task.pool
        # who waits for a person must not keep the others from their turns
        assert pool == ("default_pool" if task.task_id == "approve" else "capacity"), task.task_id


def test_a_friday_is_wired_so_that_a_failure_is_undone_and_told() -> None:
    friday = dag("weekend_scale_down")
    upstream = {task.task_id: set(task.upstream_task_ids) for task in friday.tasks}
    assert upstream["publish_diff"] == {"calendar_gate"}
    assert upstream["risk_branch"] == {"publish_diff"}
    assert {"risk_branch", "approve", "publish_diff"} == upstream["lower_workloads"]
    assert upstream["pool_bounds"] == {"lower_workloads"}
    assert upstream["drain_nodes"] == {"pool_bounds"}
    changing = {"lower_workloads", "pool_bounds", "drain_nodes", "finish_pools"}
    assert upstream["compensate"] == changing
    assert friday.get_task("compensate").trigger_rule == "one_failed"
    assert {"compensate", "finish_pools"} <= upstream["report_down"]
    assert friday.get_task("report_down").trigger_rule == "all_done"
    assert [task.task_id for task in friday.leaves] == ["report_down"]


def test_an_approval_that_nobody_gave_is_a_no() -> None:
    approve = dag("weekend_scale_down").get_task("approve")
    assert isinstance(approve, ApprovalOperator)
    assert approve.defaults == ["Reject"]
    assert approve.execution_timeout is None
    assert not approve.fail_on_reject


@pytest.mark.parametrize("minutes", [1, 45, 600])
def test_the_form_waits_as_long_as_the_policy_says(
    minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Airflow's API only the form's row is left out."""
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **_: None)
    approve = PlanApproval(**approval_kwargs())

    class Instance:
        id = "1"

        def xcom_pull(self, task_ids: str) -> dict[str, float]:
            assert task_ids == "publish_diff"
            return {"timeout_seconds": minutes * 60.0}

    instance: Any = Instance()
    with pytest.raises(TaskAwaitingInput) as waits:
        approve.execute({"ti": instance, "task_instance": instance})
    assert waits.value.timeout == timedelta(minutes=minutes)


def test_nodes_are_drained_one_at_a_time() -> None:
    drain = dag("weekend_scale_down").get_task("drain_nodes")
    assert isinstance(drain, MappedOperator)
    assert drain.partial_kwargs["max_active_tis_per_dagrun"] == 1


def test_a_monday_needs_no_approval_and_is_tried_again() -> None:
    monday = dag("weekend_scale_up")
    upstream = {task.task_id: set(task.upstream_task_ids) for task in monday.tasks}
    assert upstream == {
        "open_leases": set(),
        "raise_tiers": {"open_leases"},
        "verify_up": {"raise_tiers"},
        "report_savings": {"raise_tiers"},
    }
    assert monday.get_task("raise_tiers").retries == 5
    assert monday.get_task("verify_up").retries == 1, "it waits itself"
