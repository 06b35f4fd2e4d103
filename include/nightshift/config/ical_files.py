"""iCalendar files (RFC 5545) as days; ``icalendar`` and ``recurring-ical-events`` do the work.

An all-day event counts for each of its days. An event with times closes no day, as a meeting is no
holiday; only a calendar that forbids counts it, for each day that it touches.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nightshift.domain.printable import printable_line

_MAX_EVENTS = 5_000
_MAX_RECURRING = 500
_LONGEST_EVENT = dt.timedelta(days=400)
_FINE_PARTS = ("BYHOUR", "BYMINUTE", "BYSECOND")
_COARSE = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})


def parse_ics(
    text: str, first: dt.date, last: dt.date, *, timed: bool
) -> list[tuple[dt.date, str]]:
    """List the days from ``first`` to ``last`` of an iCalendar file's events.

    :param timed: whether events with times count, for each day that they touch where they are.
    :raises ValueError: if it is no calendar, or larger than any calendar of days.
    """
    import icalendar
    import recurring_ical_events

    try:
        calendar = icalendar.Calendar.from_ical(text)
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"is no iCalendar file: {printable_line(str(error), 200)}") from error
    events = calendar.walk("VEVENT")
    _check_events(events)
    try:
        end = last + dt.timedelta(days=1)
        found = recurring_ical_events.of(calendar).between(first, end)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        said = printable_line(str(error), 200)
        raise ValueError(f"has an event that cannot be read: {said}") from error
    return sorted(
        (day, printable_line(str(event.get("SUMMARY", "an event")), 100))
        for event in found
        if str(event.get("STATUS", "")).upper() != "CANCELLED"
        for day in _days_of(event.start, event.end, timed=timed)
    )


def _check_events(events: Sequence[Any]) -> None:
    """Refuse what would take minutes to work out."""
    if len(events) > _MAX_EVENTS:
        raise ValueError(f"has {len(events):,} events; at most {_MAX_EVENTS:,} are allowed")
    recurring = [rule for event in events for rule in _rules(event)]
    if len(recurring) > _MAX_RECURRING:
        many = f"{len(recurring):,} recurring events"
        raise ValueError(f"has {many}; at most {_MAX_RECURRING} are allowed")
    for event in events:
        for name, problem in getattr(event, "errors", ()):
            raise ValueError(f"has an event with a faulty {name}: {printable_line(problem, 100)}")
    for rule in recurring:
        often = {str(one).upper() for one in rule.get("FREQ", ())}
        if not often <= _COARSE or any(part in rule for part in _FINE_PARTS):
            raise ValueError("has an event that recurs within a day; days recur daily at most")


def _rules(event: Any) -> Iterable[Any]:  # noqa: ANN401 - icalendar's components are untyped mappings
    found = event.get("RRULE")
    rules = found if isinstance(found, list) else [found]
    return [rule for rule in rules if isinstance(rule, Mapping)]


def _days_of(
    start: dt.date | dt.datetime, end: dt.date | dt.datetime, *, timed: bool
) -> Iterator[dt.date]:
    if isinstance(start, dt.datetime) or isinstance(end, dt.datetime):
        if not timed:
            return
        first, last = _date(start), _date(end)
    else:
        first, last = start, max(start, end - dt.timedelta(days=1))
    for number in range(min((last - first).days, _LONGEST_EVENT.days) + 1):
        yield first + dt.timedelta(days=number)


def _date(moment: dt.date | dt.datetime) -> dt.date:
    return moment.date() if isinstance(moment, dt.datetime) else moment
