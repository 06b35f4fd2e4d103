"""Cron schedules as CronJobs write them: five fields or a macro, in a time zone.

The arithmetic is croniter's. Kubernetes uses robfig/cron; both take day of month and day of week
together as "either".
"""

import datetime as dt
import json
import zoneinfo

from croniter import CroniterError, croniter  # type: ignore[import-untyped]  # ships no types

_MACROS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def schedule_fault(text: str) -> str:
    """Say what is wrong with a schedule; "" when nothing is."""
    fields = text.split()
    if text.startswith("@"):
        return "" if text in _MACROS else f"unrecognized descriptor: {text}"
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: {json.dumps(fields)}"
    try:
        croniter(text, dt.datetime(2001, 1, 1, tzinfo=dt.UTC)).get_next(dt.datetime)
    except (CroniterError, ValueError, KeyError) as error:
        return str(error)
    return ""


def zone_fault(name: str) -> str:
    """Say what is wrong with a time zone's name; "" when nothing is."""
    if not name:
        return "timeZone must be nil or non-empty string"
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {name}"
    return ""


def latest_run(
    schedule: str, zone: str, after: dt.datetime, until: dt.datetime
) -> dt.datetime | None:
    """Find the last time a schedule was due in (after, until]; UTC."""
    local = until.astimezone(zoneinfo.ZoneInfo(zone)) + dt.timedelta(seconds=1)
    found: dt.datetime = croniter(schedule, local).get_prev(dt.datetime)
    due = found.astimezone(dt.UTC)
    return due if after < due <= until else None


def next_run(schedule: str, zone: str, after: dt.datetime) -> dt.datetime:
    """Find when a schedule is due next; UTC."""
    local = after.astimezone(zoneinfo.ZoneInfo(zone))
    found: dt.datetime = croniter(schedule, local).get_next(dt.datetime)
    return found.astimezone(dt.UTC)


def count_runs(schedule: str, zone: str, after: dt.datetime, until: dt.datetime, most: int) -> int:
    """Count the times a schedule was due in (after, until], up to ``most``."""
    count, moment = 0, after
    while count < most:
        moment = next_run(schedule, zone, moment)
        if moment > until:
            break
        count += 1
    return count
