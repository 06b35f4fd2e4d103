import pytest

from nightshift.domain.placement.goheap import heap_top


@pytest.mark.parametrize(
    ("totals", "top"),
    [
        pytest.param([5], 0, id="one"),
        pytest.param([1, 9, 3], 1, id="a single best"),
        pytest.param([7, 7, 7, 7], 0, id="all equal: nothing moves"),
        pytest.param([1, 7, 7], 1, id="children equal: the left one rises"),
        pytest.param([0, 1, 0, 9, 9], 3, id="equal grandchildren: the left one rises"),
        pytest.param([0, 0, 9, 0, 9], 4, id="a late left grandchild beats an early right child"),
        pytest.param([0, 0, 0, 9, 0, 9, 0], 3, id="equal on both sides: the left branch wins"),
        pytest.param([0, 0, 9, 0, 0, 9, 9], 2, id="a parent keeps its place against equal ones"),
    ],
)
def test_a_tie_is_settled_as_in_go(totals: list[int], top: int) -> None:
    assert heap_top(totals) == top
