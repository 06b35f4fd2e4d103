"""Lower services and nodes when the policy's window begins.

Plans from one snapshot, shows the diff, asks a person where the policy wants one, lowers tier by
tier, drains and removes nodes one at a time, and writes down every step before it is done.

**When**: it asks the policy's calendar twice an hour (`NIGHTSHIFT_CAPACITY_SCHEDULE`); outside of
a window the run is skipped. Only the policy decides (`capacity.yaml` in `NIGHTSHIFT_CONFIG_DIR`),
so a late or doubled run is harmless.

**By hand**: *Trigger* shows a form: only plan, only some targets, hold some targets.

**Approval**: answer *approve* in the task's form. Nobody within the policy's `timeout`
means no. The answer and the plan's hash are read again before anything is changed.

**When it fails**: `compensate` undoes in reverse what was done, `report_down` names the step. Mend
the cause and trigger it again. What `compensate` cannot undo, `capacity_reconcile` does.

**Safe to re-run**: yes. What was lowered is not lowered twice, and nothing is ever raised here.

**Owner**: nightshift.
"""

import os
from datetime import timedelta

from airflow.sdk import dag

from nightshift.orchestration.approvals import PlanApproval
from nightshift.orchestration.schedules import cron_schedule
from nightshift.orchestration.weekend import (
    approval_kwargs,
    calendar_gate,
    compensate,
    drain_nodes,
    finish_pools,
    lower_workloads,
    pool_bounds,
    publish_diff,
    report_down,
    risk_branch,
    tell_failure,
    weekend_params,
)
from nightshift.settings import Settings

SETTINGS = Settings.from_env(os.environ)


@dag(
    schedule=cron_schedule(SETTINGS.capacity_schedule, SETTINGS.time_zone),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args={
        "owner": "nightshift",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "pool": SETTINGS.capacity_pool,
        "on_failure_callback": tell_failure,
    },
    params=weekend_params(),
    doc_md=__doc__,
    tags=["nightshift", "capacity"],
)
def weekend_scale_down() -> None:
    """Wire a Friday: ask, plan, approve, lower, drain; undo if a step fails."""
    published = publish_diff(calendar_gate())
    approve = PlanApproval(**approval_kwargs(), pool="default_pool")
    workloads = lower_workloads(published)
    risk_branch(published) >> [approve, workloads]
    approve >> workloads
    bounds = pool_bounds(workloads)
    drained = drain_nodes.expand(order=bounds)
    finished = finish_pools(bounds)
    undone = compensate()
    drained >> finished
    [workloads, bounds, drained, finished] >> undone
    [undone, finished] >> report_down(published)


weekend_scale_down()
