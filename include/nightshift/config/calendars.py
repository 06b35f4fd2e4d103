"""The calendars of a schedule: public holidays, iCalendar files, files of days, as plain days.

``holidays`` knows the law of countries; ``ical_files`` reads RFC 5545.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nightshift.config.documents import MEGABYTE, parse_plain_yaml, read_text
from nightshift.config.faults import Faults
from nightshift.config.ical_files import parse_ics
from nightshift.config.schemas import find_faults
from nightshift.domain.printable import printable_line
from nightshift.domain.windows.schedules import CalendarDays
from nightshift.errors import ConfigError

Step = tuple[str | int, ...]

_LONGEST_RANGE = dt.timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Span:
    """The days that calendars are read for, both included."""

    first: dt.date
    last: dt.date

    def covers(self, day: dt.date) -> bool:
        """Tell whether a day is one of them."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class ReadCalendars:
    """What was read.

    :param sources: the bytes of every file that was read, for the policy's digest.
    """

    days: CalendarDays
    sources: tuple[bytes, ...]


def read_calendars(
    schedule: Mapping[str, Any], span: Span, folder: Path, faults: Faults
) -> ReadCalendars:
    """Read the calendars and workdays of a schedule that has passed its schema.

    :param folder: where files are; nothing outside of it is read.
    """
    found: dict[str, dict[dt.date, str]] = {"extend": {}, "down": {}, "forbid": {}}
    sources: list[bytes] = []
    for index, entry in enumerate(schedule.get("calendars", ())):
        at = ("spec", "schedule", "calendars", index)
        if not faults.is_sound(at):
            continue
        for day, name in _read_one(entry, at, span, folder, faults, sources):
            if span.covers(day):
                found[entry["effect"]].setdefault(day, name)
    workdays = frozenset(_workdays(schedule.get("workdays", ()), faults))
    kept = {effect: MappingProxyType(days) for effect, days in found.items()}
    return ReadCalendars(
        CalendarDays(span.first, span.last, workdays=workdays, **kept), tuple(sources)
    )


def _read_one(
    entry: Mapping[str, Any],
    at: Step,
    span: Span,
    folder: Path,
    faults: Faults,
    sources: list[bytes],
) -> Sequence[tuple[dt.date, str]]:
    if entry["type"] == "holidays":
        return faults.collect(at, lambda: list_holidays(entry, span)) or ()
    text = faults.collect((*at, "path"), lambda: read_beside(folder, entry["path"]))
    if text is None:
        return ()
    sources.append(text.encode())
    if entry["type"] == "dates":
        return faults.collect((*at, "path"), lambda: parse_days(text)) or ()
    timed = entry["effect"] == "forbid"
    events = faults.collect(
        (*at, "path"), lambda: parse_ics(text, span.first, span.last, timed=timed)
    )
    return events or ()


def read_beside(folder: Path, name: str) -> str:
    """Read a small file of the policy's folder.

    :raises ConfigError: if it leads out of the folder, by dots or links, or cannot be read.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(name, f"{name} leads out of the policy's folder")
    try:
        return read_text(path, max_bytes=MEGABYTE)
    except ConfigError as error:
        raise ConfigError(name, f"{name} {error.problem}") from error


def list_holidays(entry: Mapping[str, Any], span: Span) -> list[tuple[dt.date, str]]:
    """List the public holidays of a country or a part of it.

    :raises ValueError: if the library does not know it.
    """
    import holidays  # half a second, and only policies with holidays need it

    country, part = str(entry["country"]), entry.get("subdivision")
    known = holidays.list_supported_countries(include_aliases=True)
    if country not in known:
        raise ValueError(f"the holidays of {country} are not known; use a file of days")
    if part is not None and part not in known[country]:
        parts = ", ".join(known[country][:40]) or "none"
        raise ValueError(f"{country} has no subdivision {part}; known are {parts}")
    years = range(span.first.year, span.last.year + 1)
    found = holidays.country_holidays(country, subdiv=part, years=years)
    return sorted((day, printable_line(name, 100)) for day, name in found.items())


def parse_days(text: str) -> list[tuple[dt.date, str]]:
    """Read a file of days.

    :raises ValueError: with the first fault and its place.
    """
    document = parse_plain_yaml(text, "the file")
    for path, problem in find_faults("calendarDays", document):
        raise ValueError(f"{'.'.join(map(str, path)) or 'the file'}: {problem}")
    return [
        (day, printable_line(str(name), 100))
        for key, name in document["days"].items()
        for day in _range(key)
    ]


def _range(key: str) -> Iterator[dt.date]:
    begin, _, end = key.partition("..")
    first = parse_date(begin)
    last = parse_date(end) if end else first
    if not dt.timedelta(0) <= last - first <= _LONGEST_RANGE:
        raise ValueError(f"{key} ends before it begins, or is longer than a year")
    for number in range((last - first).days + 1):
        yield first + dt.timedelta(days=number)


def parse_date(text: str) -> dt.date:
    """Read a date.

    :raises ValueError: with the text, if there is no such day.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text[:20]!r} is no date such as 2027-05-15: {error}") from error


def _workdays(texts: Iterable[str], faults: Faults) -> Iterator[dt.date]:
    for index, text in enumerate(texts):
        at = ("spec", "schedule", "workdays", index)
        if faults.is_sound(at):
            day = faults.collect(at, lambda text=text: parse_date(text))  # type: ignore[misc]  # bound now
            if day is not None:
                yield day
