"""Completion indexes of Indexed Jobs: as text (``0-2,5``) and on pods."""

from collections.abc import Iterable
from itertools import pairwise

from nightshift.embedded.kube.interfaces import Object

INDEX = "batch.kubernetes.io/job-completion-index"


def index_of(pod: Object) -> int:
    """Read a pod's completion index; -1 if it has none."""
    text = str((pod["metadata"].get("annotations") or {}).get(INDEX, ""))
    return int(text) if text.isdecimal() else -1


def parse_indexes(text: str) -> set[int]:
    """Read ``0-2,5``.

    >>> sorted(parse_indexes("0-2,5"))
    [0, 1, 2, 5]
    """
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """Write indexes as intervals: ``format_indexes({0, 1, 2, 5}) == "0-2,5"``."""
    ordered = sorted(indexes)
    cuts = [0, *(i for i, (a, b) in enumerate(pairwise(ordered), 1) if b != a + 1), len(ordered)]
    runs = [ordered[a:b] for a, b in pairwise(cuts) if a < b]
    return ",".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)
