"""Which steering level a night gets: what was asked for, or the nearest that the cluster allows.

``choose_steering`` refuses a level that is not possible. A night must not fail for that, as nothing
depends on the level but how many pods meet their planned node: it takes a weaker one and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from nightshift.domain.placement.steering import (
    Rights,
    Steering,
    SteeringChoice,
    SteeringImpossible,
    choose_steering,
)

_WEAKER: Mapping[SteeringChoice, tuple[SteeringChoice, ...]] = MappingProxyType({
    SteeringChoice.POOL_NOMINATE: (SteeringChoice.NOMINATE, SteeringChoice.POOL),
})


@dataclass(frozen=True, slots=True)
class Granted:
    """What the cluster lets us do, and what people should know about it.

    :param remarks: one sentence each, such as why a right is not used.
    """

    rights: Rights
    remarks: tuple[str, ...] = ()


def choose_or_weaken(
    choice: SteeringChoice, nodes: int, granted: Granted, pool_nodes: int | None = None
) -> Steering:
    """Choose as ``choose_steering`` does; where it would refuse, take the next weaker level.

    :param nodes: all nodes of the cluster.
    :param pool_nodes: how many of them carry the pool's label; None if not known yet.
    """
    try:
        steering = choose_steering(choice, nodes, granted.rights, pool_nodes)
    except SteeringImpossible as error:
        weaker = _weaken(choice, nodes, granted.rights, pool_nodes)
        steering = replace(weaker, reason=f"{error}. Meanwhile {weaker.reason}")
    remarks = "".join(f"; {remark}" for remark in granted.remarks)
    return replace(steering, reason=f"{steering.reason}{remarks}")


def _weaken(choice: SteeringChoice, nodes: int, rights: Rights, pool_nodes: int | None) -> Steering:
    for weaker in _WEAKER.get(choice, ()):
        try:
            return choose_steering(weaker, nodes, rights, pool_nodes)
        except SteeringImpossible:  # the next one is weaker still
            continue
    return choose_steering(SteeringChoice.SOFT, nodes, rights, pool_nodes)
