"""Remove what crashed nights leave behind.

That is: volumes and work lists of batches that are sealed or
aborted, pods whose task instance is gone, folders without a row. Prints each with its reason.

**When**: every hour. **Safe to re-run**: yes; it derives everything from what is there.

**When it fails**: nothing is lost, volumes only live longer. Read the log, mend, clear.

**Owner**: nightshift.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag

from nightshift.orchestration.janitor import remove_leftovers


@dag(
    schedule=CronTriggerTimetable("17 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    default_args={"owner": "nightshift", "retries": 1, "retry_delay": timedelta(minutes=2)},
    doc_md=__doc__,
    tags=["nightshift", "housekeeping"],
)
def workspace_janitor() -> None:
    """Wire the one task."""
    remove_leftovers()


workspace_janitor()
