"""Laws of quantities and names."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.names import label_value, object_name
from nightshift.domain.quantities import (
    cpu_millis,
    format_bytes,
    format_cpu,
    memory_bytes,
    parse_quantity,
)
from tests.property.strategies_placement import quantities

whole = st.integers(-(2**63), 2**63)


@given(whole)
def test_cpu_survives_writing_and_reading(millis: int) -> None:
    assert cpu_millis(format_cpu(millis)) == millis


@given(st.one_of(whole, st.builds(lambda n, p: n * 1024**p, st.integers(0, 99), st.integers(0, 5))))
def test_bytes_survive_writing_and_reading(amount: int) -> None:
    text = format_bytes(amount)
    assert memory_bytes(text) == amount
    assert len(text) <= len(str(amount))


@given(quantities)
def test_rounding_is_away_from_zero_by_less_than_one_unit(text: str) -> None:
    exact = parse_quantity(text)
    assert 0 <= abs(memory_bytes(text)) - abs(exact) < 1
    assert 0 <= abs(cpu_millis(text)) - abs(exact) * 1000 < 1


@given(quantities)
def test_a_sign_only_changes_the_sign(text: str) -> None:
    assert parse_quantity(f"-{text.lstrip('+-')}") == -parse_quantity(text.lstrip("+-"))


@given(st.one_of(st.just(0.0), st.floats(1e-30, 1e15)))
def test_a_float_reads_as_its_shortest_decimal(value: float) -> None:
    assert parse_quantity(value) == Fraction(str(value))


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_with_value_error(text: str) -> None:
    try:
        parse_quantity(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - both outcomes are fine, another error is not


texts = st.text(alphabet="aAb-._/ ü7", max_size=70)


@given(st.lists(texts, min_size=1, max_size=3), st.integers(14, 63))
def test_object_names_are_dns_labels(parts: list[str], limit: int) -> None:
    name = object_name(*parts, limit=limit)
    assert len(name) <= limit
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)


@given(st.lists(texts, min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=3))
def test_different_parts_have_different_names(one: list[str], other: list[str]) -> None:
    assert (object_name(*one) == object_name(*other)) == (one == other)


@given(texts, texts)
def test_label_values_are_valid_and_differ_when_the_texts_do(one: str, other: str) -> None:
    value = label_value(one)
    assert len(value) <= 63
    assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?", value)
    assert (value == label_value(other)) == (one == other)


@pytest.mark.parametrize("limit", [13, 64])
def test_a_limit_without_room_for_the_hash_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        object_name("a", limit=limit)
    with pytest.raises(ValueError, match="limit"):
        label_value("a", limit=limit)
