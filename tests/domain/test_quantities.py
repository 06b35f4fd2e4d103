from fractions import Fraction
from typing import Any

import pytest

from nightshift.domain.quantities import (
    cpu_millis,
    format_bytes,
    format_cpu,
    memory_bytes,
    parse_quantity,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("500m", Fraction(1, 2), id="thousandths"),
        pytest.param("250u", Fraction(1, 4000), id="millionths"),
        pytest.param("7n", Fraction(7, 10**9), id="billionths"),
        pytest.param("1k", 1_000, id="kilo"),
        pytest.param("1.5G", 1_500_000_000, id="decimal giga"),
        pytest.param("2E", 2 * 10**18, id="exa, not an exponent"),
        pytest.param("2E1", 20, id="exponent with a capital E"),
        pytest.param("2e-3", Fraction(2, 1000), id="negative exponent"),
        pytest.param("1.25e+2", 125, id="fraction with a signed exponent"),
        pytest.param("1Ki", 1024, id="binary kilo"),
        pytest.param("1.5Gi", 1_610_612_736, id="fraction of a binary giga"),
        pytest.param("3Ei", 3 * 2**60, id="binary exa"),
        pytest.param(".5", Fraction(1, 2), id="no digit before the point"),
        pytest.param("5.", 5, id="no digit after the point"),
        pytest.param("+4", 4, id="plus sign"),
        pytest.param("-1.5", Fraction(-3, 2), id="minus sign"),
        pytest.param("007", 7, id="leading zeros"),
        pytest.param(4, 4, id="whole number from YAML"),
        pytest.param(0.1, Fraction(1, 10), id="float from YAML is one tenth exactly"),
    ],
)
def test_every_form_is_read_exactly(text: str | float, value: Fraction) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="a point alone"),
        pytest.param("Gi", id="suffix alone"),
        pytest.param("1 Gi", id="space inside"),
        pytest.param("1\n", id="line end"),
        pytest.param("1ki", id="lower-case binary kilo"),
        pytest.param("1K", id="capital decimal kilo"),
        pytest.param("1mi", id="binary milli"),
        pytest.param("1e", id="exponent without digits"),
        pytest.param("1e1.5", id="fractional exponent"),
        pytest.param("--1", id="two signs"),
        pytest.param("1,5", id="comma"),
        pytest.param("٣", id="digit of another script"),
        pytest.param("9" * 65, id="too long"),
        pytest.param("1e99", id="exponent that would need a huge number"),
        pytest.param("9e30", id="more than any cluster has"),
        pytest.param(10**31, id="number beyond the bound"),
        pytest.param(float("nan"), id="not a number"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param(True, id="truth value"),
        pytest.param(None, id="nothing"),
    ],
)
def test_anything_else_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(text)


def test_the_refusal_quotes_the_text_but_not_all_of_a_long_one() -> None:
    with pytest.raises(ValueError, match="'2 GB' is not a Kubernetes quantity"):
        parse_quantity("2 GB")
    with pytest.raises(ValueError, match="quantity") as refusal:
        parse_quantity("x" * 10_000)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("text", "millis"),
    [("100m", 100), ("1", 1000), ("0.5", 500), ("0.1m", 1), ("1001u", 2), ("-0.1m", -1)],
)
def test_cpu_is_rounded_away_from_zero(text: str, millis: int) -> None:
    assert cpu_millis(text) == millis


@pytest.mark.parametrize(("text", "amount"), [("1Mi", 1_048_576), ("1.5", 2), ("1m", 1), ("0", 0)])
def test_bytes_are_rounded_up(text: str, amount: int) -> None:
    assert memory_bytes(text) == amount


@pytest.mark.parametrize(
    ("millis", "text"), [(0, "0"), (1, "1m"), (1000, "1"), (1500, "1500m"), (-500, "-500m")]
)
def test_cpu_is_written_in_cores_or_thousandths(millis: int, text: str) -> None:
    assert format_cpu(millis) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        pytest.param(0, "0", id="zero"),
        pytest.param(1023, "1023", id="nothing divides it"),
        pytest.param(1024, "1Ki", id="binary"),
        pytest.param(1000, "1k", id="decimal"),
        pytest.param(3_500_000_000, "3500M", id="decimal giga and a half"),
        pytest.param(4 * 2**30, "4Gi", id="binary giga"),
        pytest.param(512_000, "500Ki", id="equally short: binary"),
        pytest.param(1_024_000, "1000Ki", id="both divide: 1024k is no shorter"),
        pytest.param(-2048, "-2Ki", id="negative"),
    ],
)
def test_bytes_are_written_exactly_and_short(amount: int, text: str) -> None:
    assert format_bytes(amount) == text
