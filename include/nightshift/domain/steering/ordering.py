"""In which order the pods of a night are started: urgent ones, those with room, then fairly."""

from collections.abc import Sequence

from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.waves import WaveOrder, order_batch
from nightshift.domain.resources import Resources


def order_night(
    demands: Sequence[ShardDemand],
    priorities: Sequence[int],
    waits: Sequence[bool],
    capacity: Resources,
    order: WaveOrder,
) -> tuple[int, ...]:
    """Order a night: a permutation of the positions in ``demands``.

    A higher priority goes first whoever it belongs to; then pods that have room now; among equals
    accounts take turns, each in its own ``order``.

    :param waits: no node has room for it now.
    """
    classes: dict[tuple[int, bool], list[int]] = {}
    for position, (priority, waiting) in enumerate(zip(priorities, waits, strict=True)):
        classes.setdefault((-priority, waiting), []).append(position)
    ordered: list[int] = []
    for _, positions in sorted(classes.items()):
        group = [demands[position] for position in positions]
        ordered += [positions[index] for index in order_batch(group, capacity, order)]
    return tuple(ordered)
