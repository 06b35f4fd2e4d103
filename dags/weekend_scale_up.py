"""Bring back what the weekend lowered, as soon as the window is over.

Nodes first, then the tiers from below, minimums of autoscalers in waves, CronJobs without their
missed runs. A three-way merge: what people raised meanwhile stays. Needs no approval, no plan and
not the run that lowered it.

**When**: it asks twice an hour (`NIGHTSHIFT_CAPACITY_SCHEDULE`); with nothing due the run is
skipped. However late it is, it runs; `capacity_reconcile` does the same if this Dag cannot.

`verify_up` then asks the tiers' measures. One out of bounds makes the run red and is told; it
lowers nothing, and holds up neither the restore nor the report.

**When it fails**: it is tried again by itself and goes on where it was. `nightshift capacity
status` says what is left; `nightshift capacity restore --from-annotations` needs only a kubeconfig.

**Safe to re-run**: yes, at any time.

**Owner**: nightshift.
"""

import os
from datetime import timedelta

from airflow.sdk import dag

from nightshift.orchestration.schedules import cron_schedule
from nightshift.orchestration.weekend import (
    open_leases,
    raise_tiers,
    report_savings,
    tell_failure,
    verify_up,
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
    doc_md=__doc__,
    tags=["nightshift", "capacity"],
)
def weekend_scale_up() -> None:
    """Wire a Monday."""
    raised = raise_tiers(open_leases())
    verify_up(raised)
    report_savings(raised)


weekend_scale_up()
