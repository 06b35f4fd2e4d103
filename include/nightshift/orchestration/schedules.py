"""When Dags start."""

from airflow.sdk import CronTriggerTimetable

from nightshift.settings.kinds import NEVER


def cron_schedule(cron: str, time_zone: str) -> CronTriggerTimetable | None:
    """Build a Dag's schedule: it starts at the tick, in local time; ``none`` never starts it."""
    return None if cron == NEVER else CronTriggerTimetable(cron, timezone=time_zone)
