"""A schedule: weekly windows, and the days on which they differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from types import MappingProxyType

from nightshift.domain.windows.walltimes import DstRules, WeekTime

_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """A span of every week, in wall time; ``up`` is the first such time after ``down``."""

    name: str
    down: WeekTime
    up: WeekTime

    @property
    def days(self) -> int:
        """Days from the date of ``down`` to the date of ``up``, 0 to 7."""
        apart = (self.up.weekday - self.down.weekday) % 7
        return apart if apart or self.up.at > self.down.at else 7

    @property
    def wall_length(self) -> timedelta:
        """How long it is where no clock changes."""
        anchor = datetime(2001, 1, 1)  # noqa: DTZ001 - wall time
        start = datetime.combine(anchor, self.down.at)
        return datetime.combine(anchor + self.days * _DAY, self.up.at) - start


@dataclass(frozen=True, slots=True)
class CalendarDays:
    """What calendars say about the days from ``first`` to ``last``, both included.

    Each day carries its name, so that a window can say why it is longer or shorter than usual.

    :param extend: joins a window that it lies next to.
    :param down: rests as a whole day, and joins as ``extend`` does.
    :param forbid: nothing rests on it.
    :param workdays: is worked on, whatever the week and the other calendars say; only ``forbid``
        comes before it.
    """

    first: date
    last: date
    extend: Mapping[date, str] = field(default_factory=lambda: MappingProxyType({}))
    down: Mapping[date, str] = field(default_factory=lambda: MappingProxyType({}))
    forbid: Mapping[date, str] = field(default_factory=lambda: MappingProxyType({}))
    workdays: frozenset[date] = frozenset()

    def why_free(self, day: date) -> str | None:
        """Name the holiday or closure that ``day`` is; None if it is worked on or frozen."""
        if day in self.forbid or day in self.workdays:
            return None
        return self.down.get(day) or self.extend.get(day)

    def covers(self, day: date) -> bool:
        """Tell whether the calendars were read for ``day``."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class LateRules:
    """What happens to a run that starts late; a late restore always runs.

    :param down_max_delay: later than this after the window's begin, nothing is begun; None is no
        limit.
    """

    down_max_delay: timedelta | None = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a policy's windows are.

    :param zone: of every wall time here.
    :param zone_name: its IANA name.
    :param ready_by: everything is back by this wall time of the day on which a window ends.
    """

    zone: tzinfo
    zone_name: str
    windows: tuple[WeeklyWindow, ...]
    days: CalendarDays
    dst: DstRules = field(default_factory=DstRules)
    ready_by: time | None = None
    late: LateRules = field(default_factory=LateRules)
