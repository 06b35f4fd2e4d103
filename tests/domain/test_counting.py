"""Counts agree with their nouns, wherever a plan says one."""

import pytest

from nightshift.domain.counting import counted


@pytest.mark.parametrize(("count", "said"), [(0, "0 pods"), (1, "1 pod"), (2, "2 pods")])
def test_a_count_agrees_with_its_noun(count: int, said: str) -> None:
    assert counted(count, "pod") == said
