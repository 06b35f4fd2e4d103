"""Local wall time to instants, through clocks that skip or repeat an hour.

Source: PEP 495. The UTC offsets of fold 0 and fold 1 are equal on any normal time, fold 0 is the
smaller one in a gap and the larger one in an overlap.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import IntEnum, StrEnum

MIDNIGHT = time(0)
_WEEK_TIME = re.compile(r"(MON|TUE|WED|THU|FRI|SAT|SUN) ([01][0-9]|2[0-3]):([0-5][0-9])")
_DAY_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


class Weekday(IntEnum):
    """The days as ``date.weekday()`` counts them."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6


class Nonexistent(StrEnum):
    """What a time means that clocks skip when they go forward."""

    SHIFT_FORWARD = "shift_forward"  # 02:30 becomes 03:30
    SHIFT_BACK = "shift_back"  # 02:30 becomes 01:30


class Ambiguous(StrEnum):
    """Which of two equal times is meant when clocks go back."""

    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class DstRules:
    """How wall times at a change of the clocks are read."""

    nonexistent: Nonexistent = Nonexistent.SHIFT_FORWARD
    ambiguous: Ambiguous = Ambiguous.FIRST


@dataclass(frozen=True, slots=True, order=True)
class WeekTime:
    """A day of the week and a time on it."""

    weekday: Weekday
    at: time

    def __str__(self) -> str:
        """Write it as policies do."""
        return f"{self.weekday.name} {self.at:%H:%M}"


def parse_week_time(text: str) -> WeekTime:
    """Read a day and a time.

    :raises ValueError: if it is none.

    >>> str(parse_week_time("FRI 20:00"))
    'FRI 20:00'
    """
    found = _WEEK_TIME.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a day and a time such as FRI 20:00")
    return WeekTime(Weekday[found[1]], time(int(found[2]), int(found[3])))


def parse_day_time(text: str) -> time:
    """Read a time of day.

    :raises ValueError: if it is none.
    """
    found = _DAY_TIME.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a time such as 07:00")
    return time(int(found[1]), int(found[2]))


def to_instant(wall: datetime, zone: tzinfo, rules: DstRules) -> datetime:
    """Give the instant (in UTC) at which clocks in ``zone`` show ``wall``.

    :param wall: naive.
    :raises ValueError: if ``wall`` has a zone already.
    """
    if wall.tzinfo is not None:
        raise ValueError(f"{wall} is not a wall time: it has a zone")
    first, second = (_offset(wall, zone, fold) for fold in (0, 1))
    forward = rules.nonexistent is Nonexistent.SHIFT_FORWARD
    if first < second:  # a gap: the offset before it leads to a time after it
        offset = first if forward else second
    else:
        offset = first if rules.ambiguous is Ambiguous.FIRST else second
    return (wall - offset).replace(tzinfo=UTC)


def day_start(day: date, zone: tzinfo, rules: DstRules) -> datetime:
    """Give the instant at which ``day`` begins; in a zone that skips midnight, one hour later."""
    return to_instant(datetime.combine(day, MIDNIGHT), zone, rules)


def _offset(wall: datetime, zone: tzinfo, fold: int) -> timedelta:
    offset = wall.replace(tzinfo=zone, fold=fold).utcoffset()
    return offset if offset is not None else timedelta(0)
