"""Schedules with awkward zones, weeks and calendars."""

from datetime import date, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from nightshift.domain.windows.schedules import CalendarDays, Schedule, WeeklyWindow
from nightshift.domain.windows.walltimes import (
    Ambiguous,
    DstRules,
    Nonexistent,
    Weekday,
    WeekTime,
)

ZONES = (
    "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut",
    "Asia/Kathmandu", "Pacific/Apia", "Pacific/Chatham", "Africa/Cairo", "America/St_Johns",
    "Africa/Casablanca", "Antarctica/Troll", "America/Santiago", "UTC",
)  # fmt: skip
FIRST, LAST = date(2027, 1, 1), date(2027, 6, 30)
_RULES = st.builds(DstRules, st.sampled_from(Nonexistent), st.sampled_from(Ambiguous))


def calendar_days() -> st.SearchStrategy[date]:
    return st.dates(FIRST, LAST)


def named_days() -> st.SearchStrategy[MappingProxyType[date, str]]:
    return st.lists(calendar_days(), max_size=8).map(
        lambda found: MappingProxyType(dict.fromkeys(found, "free"))
    )


def week_times() -> st.SearchStrategy[WeekTime]:
    minutes = st.sampled_from([0, 15, 30, 45])
    at = st.builds(time, st.integers(0, 23), minutes)
    return st.builds(WeekTime, st.sampled_from(Weekday), at)


def weekly_windows() -> st.SearchStrategy[WeeklyWindow]:
    return st.builds(WeeklyWindow, st.sampled_from(["a", "b"]), week_times(), week_times())


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    zone = draw(st.sampled_from(ZONES))
    days = CalendarDays(
        FIRST,
        LAST,
        extend=draw(named_days()),
        down=draw(named_days()),
        forbid=draw(named_days()),
        workdays=frozenset(draw(st.lists(calendar_days(), max_size=4))),
    )
    windows = tuple(draw(st.lists(weekly_windows(), min_size=1, max_size=3)))
    return Schedule(ZoneInfo(zone), zone, windows, days, draw(_RULES), draw(_ready_by()))


def _ready_by() -> st.SearchStrategy[time | None]:
    return st.none() | st.just(time(7)) | st.just(time(2, 30))


def instants() -> st.SearchStrategy[timedelta]:
    return st.integers(0, 180 * 24 * 4).map(lambda quarters: timedelta(minutes=15 * quarters))
