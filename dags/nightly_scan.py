"""Scan every repository that changed since its last scan.

Clones it to a volume, ranks nodes by their free CPU and memory, runs scanners in pods that are led
to the planned nodes (`watch` plans the rest again when the cluster changes), reads the results into
the store, and cleans up.

**When**: every night in the configured time zone (`NIGHTSHIFT_NIGHTLY_SCHEDULE`,
`NIGHTSHIFT_TIME_ZONE`). One run at a time; a night that was missed is not caught up.

**By hand**: *Trigger* shows a form: accounts, repositories, scanners, a ref, the placement
strategy, how firmly pods are steered, their order when not all fit at once, *scan unchanged
repositories too*, or a batch file. The defaults are the nightly run.

**When it fails**: the task `report` names every scan without an outcome and why. Clear the failed
task: finished scans are kept, a retry resumes, nothing is counted twice. `clean_workspace` runs
in any case; what a crash leaves behind, `workspace_janitor` removes.

**Safe to re-run**: yes. Work is keyed by the run; findings by what they are.

**Owner**: nightshift.
"""

import os
from datetime import timedelta

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import dag

from nightshift.orchestration.callbacks import PodRecorder, PodSteerer
from nightshift.orchestration.nightly import (
    clean_workspace,
    ingest_kwargs,
    open_batch,
    prepare_workspace,
    rank_nodes,
    report,
)
from nightshift.orchestration.params import nightly_params
from nightshift.orchestration.pods import Stage, pod_operator_kwargs
from nightshift.orchestration.schedules import cron_schedule
from nightshift.orchestration.watching import WatchPlacement
from nightshift.settings import Settings

SETTINGS = Settings.from_env(os.environ)


@dag(
    schedule=cron_schedule(SETTINGS.nightly_schedule, SETTINGS.time_zone),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=20),
    default_args={"owner": "nightshift", "retries": 2, "retry_delay": timedelta(seconds=30)},
    params=nightly_params(SETTINGS),
    doc_md=__doc__,
    tags=["nightshift", "scan"],
)
def nightly_scan() -> None:
    """Wire the night: architecture's steps 1 to 8, in order."""
    batch = open_batch()
    clones = prepare_workspace(batch).as_setup()
    clone = KubernetesPodOperator.partial(
        **pod_operator_kwargs(Stage.CLONE, SETTINGS), callbacks=[PodRecorder]
    ).expand_kwargs(clones)
    plan = rank_nodes(batch)
    scan = KubernetesPodOperator.partial(
        **pod_operator_kwargs(Stage.SCAN, SETTINGS), callbacks=[PodSteerer]
    ).expand_kwargs(plan)
    watch = WatchPlacement(
        task_id="watch", batch=batch, watched_task_id="scan", retries=1, priority_weight=100
    )
    ingest = KubernetesPodOperator.partial(
        **pod_operator_kwargs(Stage.INGEST, SETTINGS)
    ).expand_kwargs(plan.map(ingest_kwargs))
    summary = report(batch)
    # A teardown that may fail the run would take the last word from `report`, and with it the red
    # run after a night that could not be planned. What it leaves behind, the janitor removes.
    clean = clean_workspace(batch).as_teardown(setups=clones)

    # Written out: a `with` block of the teardown would not hold it back for mapped tasks.
    clone >> plan >> scan >> ingest >> summary >> clean
    plan >> watch >> summary


nightly_scan()
