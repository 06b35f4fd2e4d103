"""In which order the pods of a night are started: urgent ones, those with room, then fairly."""

from collections.abc import Mapping, Sequence

from nightshift.domain.ids import AccountName
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.waves import WaveOrder, order_batch
from nightshift.domain.resources import Resources


def order_night(
    demands: Sequence[ShardDemand],
    priorities: Sequence[int],
    waits: Sequence[bool],
    capacity: Resources,
    order: WaveOrder,
    weights: Mapping[AccountName, int] | None = None,
) -> tuple[int, ...]:
    """Order a night: a permutation of the positions in ``demands``.

    A higher priority goes first whoever it belongs to; then pods that have room now; among equals
    accounts take turns, each in its own ``order``.

    :param waits: no node has room for it now.
    :param weights: of accounts; twice the weight is twice the share of the night. 1 by default.
    """
    classes: dict[tuple[int, bool], list[int]] = {}
    for position, (priority, waiting) in enumerate(zip(priorities, waits, strict=True)):
        classes.setdefault((-priority, waiting), []).append(position)
    shares = {str(account): float(weight) for account, weight in (weights or {}).items()}
    ordered: list[int] = []
    for _, positions in sorted(classes.items()):
        group = [demands[position] for position in positions]
        ordered += [
            positions[index] for index in order_batch(group, capacity, order, weights=shares)
        ]
    return tuple(ordered)
