from fractions import Fraction

import pytest

from nightshift.domain.placement.ratio import Heaviness, compute_ratio, format_ratio
from nightshift.domain.resources import Resources

GB = 10**9
GIB = 1024**3


@pytest.mark.parametrize(
    ("demand", "shown", "heaviness", "ranks_by"),
    [
        pytest.param(Resources(4000, 16 * GB), "1", Heaviness.COMMON, "cpu", id="common node"),
        pytest.param(Resources(200, 2 * GB), "0.4", Heaviness.MEMORY, "memory", id="200m, 2 GB"),
        pytest.param(Resources(1000, 2 * GB), "2", Heaviness.CPU, "cpu", id="1 core, 2 GB"),
        pytest.param(
            Resources(500, 3_500_000_000),
            "0.5714285714",
            Heaviness.MEMORY,
            "memory",
            id="500m, 3.5 GB",
        ),
        pytest.param(
            Resources(4000, 16 * GIB),
            "0.9313225746",
            Heaviness.MEMORY,
            "memory",
            id="a Gi is not a GB",
        ),
    ],
)
def test_ratio(demand: Resources, shown: str, heaviness: Heaviness, ranks_by: str) -> None:
    ratio = compute_ratio(demand)
    assert ratio.value is not None
    assert (format_ratio(ratio.value), ratio.heaviness, ratio.ranks_by) == (
        shown,
        heaviness,
        ranks_by,
    )
    assert shown in ratio.reason


def test_the_ratio_is_exact() -> None:
    assert compute_ratio(Resources(500, 3_500_000_000)).value == Fraction(4, 7)
    almost = compute_ratio(Resources(4000, 16 * GB + 1))
    assert almost.heaviness is Heaviness.MEMORY


def test_cpu_without_memory_is_cpu_heavy_and_has_no_number() -> None:
    ratio = compute_ratio(Resources(1))
    assert (ratio.value, ratio.heaviness, ratio.ranks_by) == (None, Heaviness.CPU, "cpu")


def test_memory_without_cpu_is_memory_heavy() -> None:
    ratio = compute_ratio(Resources(0, 1))
    assert (ratio.value, ratio.heaviness) == (Fraction(0), Heaviness.MEMORY)


def test_a_batch_that_asks_for_nothing_says_so() -> None:
    ratio = compute_ratio(Resources())
    assert (ratio.value, ratio.heaviness) == (Fraction(1), Heaviness.COMMON)
    assert ratio.reason.startswith("no_requests")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(0), "0"),
        (Fraction(10), "10"),
        (Fraction(1, 3), "0.3333333333"),
        (Fraction(2, 3), "0.6666666667"),
        (Fraction(1, 10**11), "0"),
        (Fraction(105, 10), "10.5"),
    ],
)
def test_ten_decimals_are_shown(value: Fraction, text: str) -> None:
    assert format_ratio(value) == text
