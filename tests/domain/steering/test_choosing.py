"""A level that is not possible is weakened and the reason kept; nothing is refused."""

import pytest

from nightshift.domain.placement.steering import Rights, SteeringChoice, SteeringLevel
from nightshift.domain.steering.choosing import Granted, choose_or_weaken

ALL = Rights((1, 36), patch_pod_status=True, patch_nodes=True)
NO_STATUS = Rights((1, 36), patch_nodes=True)
NO_NODES = Rights((1, 36), patch_pod_status=True)
OLD = Rights((1, 34), patch_pod_status=True, patch_nodes=True)
NONE = Rights((1, 36))


@pytest.mark.parametrize(
    ("choice", "nodes", "rights", "level"),
    [
        (SteeringChoice.AUTO, 99, ALL, SteeringLevel.SOFT),
        (SteeringChoice.AUTO, 100, ALL, SteeringLevel.POOL_NOMINATE),
        (SteeringChoice.AUTO, 100, NO_STATUS, SteeringLevel.NAMES),
        (SteeringChoice.AUTO, 100, NO_NODES, SteeringLevel.NOMINATE),
        (SteeringChoice.AUTO, 100, NONE, SteeringLevel.NAMES),
        (SteeringChoice.NAMES, 3, NONE, SteeringLevel.NAMES),
        (SteeringChoice.NOMINATE, 100, OLD, SteeringLevel.NAMES),
        (SteeringChoice.POOL, 100, NONE, SteeringLevel.NAMES),
        (SteeringChoice.POOL_NOMINATE, 100, NONE, SteeringLevel.NAMES),
        (SteeringChoice.NOMINATE, 3, ALL, SteeringLevel.NOMINATE),
        (SteeringChoice.NOMINATE, 3, OLD, SteeringLevel.SOFT),
        (SteeringChoice.POOL, 3, NONE, SteeringLevel.SOFT),
        (SteeringChoice.POOL_NOMINATE, 3, NO_NODES, SteeringLevel.NOMINATE),
        (SteeringChoice.POOL_NOMINATE, 3, NO_STATUS, SteeringLevel.POOL),
        (SteeringChoice.POOL_NOMINATE, 3, NONE, SteeringLevel.SOFT),
    ],
)
def test_the_nearest_possible_level_is_taken(
    choice: SteeringChoice, nodes: int, rights: Rights, level: SteeringLevel
) -> None:
    steering = choose_or_weaken(choice, nodes, Granted(rights))
    assert steering.level is level
    weakened = choice is not SteeringChoice.AUTO and choice.value != level.value
    assert ("Meanwhile" in steering.reason) == weakened
    if weakened:
        assert steering.reason.startswith(f"steering {choice.value} needs ")


def test_without_a_plan_of_every_pod_names_is_weakened_too() -> None:
    steering = choose_or_weaken(SteeringChoice.NAMES, 500, Granted(ALL), packs=False)
    assert steering.level is SteeringLevel.SOFT
    assert steering.reason.startswith("steering names needs the strategy pack")


def test_remarks_are_part_of_the_reason() -> None:
    granted = Granted(NONE, ("the class may preempt", "so it is"))
    reason = choose_or_weaken(SteeringChoice.AUTO, 500, granted).reason
    assert reason.endswith("; the class may preempt; so it is")
    assert "preempt" not in choose_or_weaken(SteeringChoice.AUTO, 5, granted).reason
    assert "preempt" not in choose_or_weaken(SteeringChoice.SOFT, 500, granted).reason


def test_a_small_pool_is_looked_at_whole() -> None:
    steering = choose_or_weaken(SteeringChoice.POOL, 1000, Granted(ALL), pool_nodes=50)
    assert steering.hit_rate == 1.0
    assert choose_or_weaken(SteeringChoice.POOL, 1000, Granted(ALL)).hit_rate < 1.0
