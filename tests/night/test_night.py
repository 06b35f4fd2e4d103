"""Whole nights through real Airflow, a real PostgreSQL and pods that run: also when things die."""

import json
import os
import signal

import psutil
import pytest

from nightshift.cluster.client import connect
from nightshift.cluster.volumes import Volume, list_volumes
from nightshift.embedded.components import MARKER
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.settings import Settings
from tests.night.conftest import ACCOUNTS, PLANTED, REPOSITORIES, RunningStack, wait_until

SCANS = ACCOUNTS * REPOSITORIES
pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


def scan_processes(stack: RunningStack) -> list[psutil.Process]:
    """Find the runners of scan pods, whichever process namespace they are in."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "nightshift.runner" in words and "scan" in words:
            found.append(process)
    return found


def check_night(stack: RunningStack, run: str) -> None:
    """Check what holds after every night, whatever happened in it."""
    summary = stack.summary(run)
    assert summary.state == "sealed"
    assert summary.totals.scans == SCANS
    assert summary.totals.open_scans == 0
    assert summary.totals.outcomes == {"succeeded": {"ok": SCANS}}
    per_repository = {one.repository: one for one in summary.repositories}
    assert len(summary.repositories) == SCANS
    assert all(sum(one.findings.values()) == PLANTED for one in per_repository.values())
    doubles = stack.rows(
        "SELECT repository_id, rule_id, path, line FROM findings WHERE state = 'open'"
        " GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"
    )
    assert doubles == []
    kept = stack.rows("SELECT path FROM workspaces WHERE state <> 'deleted'")
    assert kept == []
    assert volumes(stack) == []


def volumes(stack: RunningStack) -> list[Volume]:
    environ = {"NIGHTSHIFT_KUBECONFIG": str(stack.layout.kubeconfig)}
    cluster = connect(Settings.from_env(environ))
    try:
        return list_volumes(cluster)
    finally:
        cluster.close()


def test_a_night_scans_everything_and_the_next_one_skips_it(stack: RunningStack) -> None:
    first = stack.trigger()
    assert stack.wait(first) == "success"
    check_night(stack, first)
    summary = stack.summary(first)
    assert summary.totals.new == SCANS * PLANTED
    scan_shards = [shard for shard in summary.shards if shard.kind == "scan"]
    assert scan_shards
    assert all(shard.planned_node and shard.node == shard.planned_node for shard in scan_shards)
    assert all(shard.terminated_reason == "Completed" for shard in scan_shards)

    second = stack.trigger()
    assert stack.wait(second) == "success"
    again = stack.summary(second)
    assert again.totals.scans == 0
    assert again.totals.unchanged == SCANS


def test_a_night_survives_kills_of_postgres_the_scheduler_and_a_scan(stack: RunningStack) -> None:
    run = stack.trigger(force=True)
    wait_until(lambda: "running" in stack.task_states(run, "clone"), 120)
    postgres = EmbeddedPostgres(stack.layout.postgres).pid
    assert postgres is not None
    os.kill(postgres, signal.SIGKILL)

    wait_until(lambda: bool(scan_processes(stack)), 180)
    victim = scan_processes(stack)[0]
    victim.kill()
    scheduler = int(stack.state.components["scheduler"]["pid"])
    os.kill(scheduler, signal.SIGKILL)

    assert stack.wait(run) == "success"
    check_night(stack, run)
    restarts = {name: int(part["restarts"]) for name, part in stack.state.components.items()}
    assert restarts["postgres"] >= 1
    assert restarts["scheduler"] >= 1
    assert stack.summary(run).totals.new == 0, "what the first night found is not new again"


def test_a_run_about_nothing_leaves_no_green_run(stack: RunningStack) -> None:
    run = stack.trigger(repositories=["account-0/nobody"])
    assert stack.wait(run) == "failed"
    assert stack.task_states(run, "report") != ["success"]


def test_a_batch_that_fits_no_node_leaves_a_red_run_and_a_reason(stack: RunningStack) -> None:
    remote = (stack.layout.data / "repositories" / "account-0" / "r0.git").as_uri()
    asked = {"cpu": "1", "memory": "900Gi", "scanners": ["sleeper"]}
    folder = stack.layout.config / "batches"
    folder.mkdir()
    job = {"name": "huge", "repository": remote, **asked}
    (folder / "huge.json").write_text(json.dumps({"jobs": [job]}))
    run = stack.trigger(batch_file="huge.json")
    assert stack.wait(run) == "failed"
    assert stack.task_states(run, "rank_nodes") == stack.task_states(run, "report") == ["failed"]
    waiting = stack.summary(run)
    assert (waiting.totals.open_scans, len(volumes(stack))) == (1, 1), "kept for a cleared task"

    assert stack.wait(stack.trigger()) == "success"
    given_up = stack.summary(run)
    assert (given_up.state, given_up.totals.open_scans) == ("aborted", 0)
    assert list(given_up.totals.outcomes) == ["not_run"]


def test_every_process_of_the_stack_carries_its_marker(stack: RunningStack) -> None:
    for part in stack.state.components.values():
        environment = psutil.Process(int(part["pid"])).environ()
        assert environment[MARKER].startswith(stack.layout.stack)
