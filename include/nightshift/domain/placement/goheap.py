"""The top of Go's ``container/heap``: how kube-scheduler settles a tie between equal totals."""

from collections.abc import Sequence


def heap_top(totals: Sequence[int]) -> int:
    """Give the index that ``heap.Init`` brings to the top, the largest total first.

    Python's heapq sifts differently and would pick another of several equal ones.

    :param totals: at least one.
    """
    best = max(totals)
    if totals.count(best) == 1:
        return totals.index(best)
    heap = list(range(len(totals)))
    for start in range(len(heap) // 2 - 1, -1, -1):
        _sift_down(heap, totals, start)
    return heap[0]


def _sift_down(heap: list[int], totals: Sequence[int], parent: int) -> None:
    size = len(heap)
    while (child := 2 * parent + 1) < size:
        other = child + 1
        if other < size and totals[heap[other]] > totals[heap[child]]:
            child = other
        if totals[heap[child]] <= totals[heap[parent]]:
            return
        heap[parent], heap[child] = heap[child], heap[parent]
        parent = child
