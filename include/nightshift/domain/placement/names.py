"""The names of the placement strategies; a light module, because Dag files read it."""

from enum import StrEnum


class StrategyName(StrEnum):
    """How nodes are ranked and which node each pod prefers."""

    PACK = "pack"  # the whole batch at once, on as few idle nodes as can be
    RATIO = "ratio"  # the CPU-to-memory ratio method, one ranking for the batch
    RATIO_WALK = "ratio-walk"  # the same, ranked again after each pod
    SPREAD = "spread"  # the least used node each time
    NONE = "none"  # no preference: the scheduler decides alone
