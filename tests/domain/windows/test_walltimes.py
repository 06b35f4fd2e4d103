"""Wall times where clocks skip or repeat an hour."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from nightshift.domain.windows.walltimes import (
    Ambiguous,
    DstRules,
    Nonexistent,
    Weekday,
    WeekTime,
    day_start,
    parse_day_time,
    parse_week_time,
    to_instant,
)

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("zone", "wall", "rules", "utc"),
    [
        pytest.param(
            "Europe/Berlin", "2027-05-14T20:00", DstRules(), "2027-05-14T18:00", id="usual"
        ),
        pytest.param("Europe/Berlin", "2027-03-28T02:30", DstRules(), "2027-03-28T01:30", id="gap"),
        pytest.param(
            "Europe/Berlin",
            "2027-03-28T02:30",
            DstRules(nonexistent=Nonexistent.SHIFT_BACK),
            "2027-03-28T00:30",
            id="gap-back",
        ),
        pytest.param(
            "Europe/Berlin", "2027-10-31T02:30", DstRules(), "2027-10-31T00:30", id="overlap-first"
        ),
        pytest.param(
            "Europe/Berlin",
            "2027-10-31T02:30",
            DstRules(ambiguous=Ambiguous.SECOND),
            "2027-10-31T01:30",
            id="overlap-second",
        ),
        pytest.param(
            "Australia/Lord_Howe",
            "2027-10-03T02:15",
            DstRules(),
            "2027-10-02T15:45",
            id="half-hour",
        ),
        pytest.param(
            "Asia/Kathmandu", "2027-10-03T02:15", DstRules(), "2027-10-02T20:30", id="+5:45"
        ),
    ],
)
def test_an_instant_of_a_wall_time(zone: str, wall: str, rules: DstRules, utc: str) -> None:
    instant = to_instant(datetime.fromisoformat(wall), ZoneInfo(zone), rules)
    assert instant == datetime.fromisoformat(f"{utc}+00:00")
    assert instant.tzinfo is UTC


def test_a_time_that_has_a_zone_is_no_wall_time() -> None:
    with pytest.raises(ValueError, match="has a zone"):
        to_instant(datetime(2027, 5, 14, 20, tzinfo=UTC), BERLIN, DstRules())


def test_a_day_begins_later_where_midnight_is_skipped() -> None:
    begin = day_start(date(2027, 4, 4), ZoneInfo("America/Asuncion"), DstRules())
    assert begin.utcoffset() == timedelta(0)
    beirut = day_start(date(2027, 3, 28), ZoneInfo("Asia/Beirut"), DstRules())
    assert f"{beirut.astimezone(ZoneInfo('Asia/Beirut')):%H:%M}" == "01:00"


def test_a_day_and_a_time_are_read_as_policies_write_them() -> None:
    assert parse_week_time("FRI 20:00") == WeekTime(Weekday.FRI, time(20))
    assert parse_day_time("07:05") == time(7, 5)


@pytest.mark.parametrize("text", ["fri 20:00", "FRI 24:00", "FRI 7:00", "FRI", "FRI 20:00 ", ""])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="FRI 20:00"):
        parse_week_time(text)


@pytest.mark.parametrize("text", ["7:00", "24:00", "07:60", "07:00:00", ""])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="07:00"):
        parse_day_time(text)
