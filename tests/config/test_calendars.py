"""Calendar files: days, ranges, iCalendar events, holidays."""

import datetime as dt

import pytest

from nightshift.config.calendars import Span, list_holidays, parse_days
from nightshift.config.ical_files import parse_ics
from nightshift.config.time_zones import read_zone

FIRST, LAST = dt.date(2027, 1, 1), dt.date(2028, 12, 31)


def ics(*events: str) -> str:
    head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//t//EN\n"
    made = [
        f"BEGIN:VEVENT\nUID:{n}\nDTSTAMP:20270101T000000Z\n{event}\nEND:VEVENT\n"
        for n, event in enumerate(events)
    ]
    return (head + "".join(made) + "END:VCALENDAR\n").replace("\n", "\r\n")


def days(text: str, *, timed: bool = False) -> list[str]:
    return [f"{day} {name}" for day, name in parse_ics(text, FIRST, LAST, timed=timed)]


ALL_DAY = "DTSTART;VALUE=DATE:20270514\nDTEND;VALUE=DATE:20270516\nSUMMARY:Trip"


def test_an_all_day_event_is_each_of_its_days() -> None:
    assert days(ics(ALL_DAY)) == ["2027-05-14 Trip", "2027-05-15 Trip"]
    assert days(ics("DTSTART;VALUE=DATE:20270514\nSUMMARY:One")) == ["2027-05-14 One"]


def test_an_event_recurs_and_misses_what_it_excepts() -> None:
    weekly = "DTSTART;VALUE=DATE:20270101\nRRULE:FREQ=WEEKLY;COUNT=4\nSUMMARY:F"
    assert days(ics(f"{weekly}\nEXDATE;VALUE=DATE:20270108")) == [
        "2027-01-01 F",
        "2027-01-15 F",
        "2027-01-22 F",
    ]


def test_a_cancelled_event_is_none() -> None:
    assert days(ics(f"{ALL_DAY}\nSTATUS:CANCELLED")) == []


def test_a_meeting_closes_no_day_but_freezes_one() -> None:
    meeting = ics("DTSTART:20270517T100000Z\nDTEND:20270518T120000Z\nSUMMARY:Meeting")
    assert days(meeting) == []
    assert days(meeting, timed=True) == ["2027-05-17 Meeting", "2027-05-18 Meeting"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "is no iCalendar file"),
        ("", "is no iCalendar file"),
        (ics("DTSTART:nonsense"), "faulty DTSTART"),
        (ics("DTSTART;VALUE=DATE:20270514\nRRULE:FREQ=NEVER"), "faulty RRULE"),
        (ics("DTSTART:20270101T000000Z\nRRULE:FREQ=SECONDLY"), "recurs within a day"),
        (ics("DTSTART;VALUE=DATE:20270101\nRRULE:FREQ=DAILY;BYSECOND=1,2"), "recurs within a day"),
        (ics(*[ALL_DAY] * 5_001), "5,001 events"),
        (ics(*[f"{ALL_DAY}\nRRULE:FREQ=YEARLY"] * 501), "501 recurring events"),
    ],
)
def test_what_is_no_calendar_of_days_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        parse_ics(text, FIRST, LAST, timed=False)
    assert said in str(caught.value)


def test_days_and_ranges_are_read() -> None:
    found = parse_days("days: {2027-12-31..2028-01-02: closed, 2027-05-06: x}")
    assert [day.isoformat() for day, _ in found] == [
        "2027-12-31",
        "2028-01-01",
        "2028-01-02",
        "2027-05-06",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("days: {2027-02-30: x}", "is no date"),
        ("days: {2027-05-06..2027-05-05: x}", "ends before it begins"),
        ("days: {2027-05-06..2029-05-05: x}", "longer than a year"),
        ("days: {tomorrow: x}", "expected days such as"),
        ("days: {2027-05-06: ''}", "days.2027-05-06"),
        ("[]", "the file"),
    ],
)
def test_a_faulty_file_of_days_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        parse_days(text)
    assert said in str(caught.value)


def test_holidays_are_those_of_the_part_of_the_country() -> None:
    span = Span(FIRST, LAST)
    berlin = dict(list_holidays({"country": "DE", "subdivision": "BE"}, span))
    bavaria = dict(list_holidays({"country": "DE", "subdivision": "BY"}, span))
    assert dt.date(2027, 3, 8) in berlin
    assert dt.date(2027, 3, 8) not in bavaria
    assert dt.date(2028, 4, 14) in bavaria  # Good Friday


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5", "UTC"])
def test_a_zone_is_read_from_the_pinned_wheel(name: str) -> None:
    assert str(read_zone(name)) == name


@pytest.mark.parametrize("name", ["../../x", "Europe", "zone.tab", "__init__", "", "Mars/Olympus"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Europe/Berlin"):
        read_zone(name)
