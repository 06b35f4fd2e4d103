"""Mend what the weekend left behind, and guard the autoscalers.

Leases that only their objects know of, runs that died, half drains, orphan cordons, a Monday that
was missed: all of it is found from what is there now. The guard compares autoscalers with the
policy and the database's connection budget, and freezes a runaway for a limited time.

**When**: every 15 minutes. **Safe to re-run**: yes; it changes only what is not as it must be.

**When it fails**: read the log of the task; nothing is lost, and the next run tries again. If
somebody else is changing capacity, it waits for its turn.

**Owner**: nightshift.
"""

import os
from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag

from nightshift.orchestration.weekend import guard, reconcile, tell_failure
from nightshift.settings import Settings

SETTINGS = Settings.from_env(os.environ)


@dag(
    schedule=CronTriggerTimetable("7,22,37,52 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=40),
    default_args={
        "owner": "nightshift",
        "retries": 1,
        "retry_delay": timedelta(minutes=2),
        "pool": SETTINGS.capacity_pool,
        "on_failure_callback": tell_failure,
    },
    doc_md=__doc__,
    tags=["nightshift", "capacity"],
)
def capacity_reconcile() -> None:
    """Wire the two tasks."""
    reconcile() >> guard()


capacity_reconcile()
