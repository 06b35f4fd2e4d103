"""What the nodes of a cluster offer when empty, as few values as say it all."""

from collections.abc import Iterable

from nightshift.domain.nodes import Node
from nightshift.domain.resources import Resources


def largest_rooms(nodes: Iterable[Node]) -> tuple[Resources, ...]:
    """List the rooms that fit in no other one: whatever fits a node fits one of these.

    Why: thousands of nodes rarely offer more than a few different maxima, and each scan is compared
    with every one.
    """
    distinct = {tuple(node.allocatable.items()): node.allocatable for node in nodes}
    front: list[Resources] = []
    for _, room in sorted(distinct.items(), reverse=True):
        if not any(room.fits_in(larger) for larger in front):
            front = [*(one for one in front if not one.fits_in(room)), room]
    return tuple(front)
