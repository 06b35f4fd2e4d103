"""Which steering level a night gets: what was asked for, or the nearest that the cluster allows.

``choose_steering`` refuses a level that is not possible. A night must not fail for that, as nothing
depends on the level but how many pods meet their planned node: it takes a weaker one and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from nightshift.domain.placement.steering import (
    SAMPLED_FROM,
    Rights,
    Steering,
    SteeringChoice,
    SteeringImpossible,
    choose_steering,
)

_WEAKER: Mapping[SteeringChoice, tuple[SteeringChoice, ...]] = MappingProxyType({
    SteeringChoice.POOL_NOMINATE: (
        SteeringChoice.NOMINATE,
        SteeringChoice.POOL,
        SteeringChoice.NAMES,
    ),
    SteeringChoice.NOMINATE: (SteeringChoice.NAMES,),
    SteeringChoice.POOL: (SteeringChoice.NAMES,),
})


@dataclass(frozen=True, slots=True)
class Granted:
    """What the cluster lets us do, and what people should know about it.

    :param remarks: one sentence each, such as why a right is not used.
    """

    rights: Rights
    remarks: tuple[str, ...] = ()


def choose_or_weaken(
    choice: SteeringChoice,
    nodes: int,
    granted: Granted,
    pool_nodes: int | None = None,
    *,
    packs: bool = True,
    confined: float = 1.0,
) -> Steering:
    """Choose as ``choose_steering`` does; where it would refuse, take the next weaker level.

    :param nodes: all nodes of the cluster.
    :param pool_nodes: how many of them carry the pool's label; None if not known yet.
    :param packs: as for ``choose_steering``; so is ``confined``.
    """
    possible, why = find_possible(choice, nodes, granted.rights, packs=packs)
    steering = choose_steering(
        possible, nodes, granted.rights, pool_nodes, packs=packs, confined=confined
    )
    if why:
        steering = replace(steering, reason=f"{why}. Meanwhile {steering.reason}")
    if choice is SteeringChoice.SOFT or (choice is SteeringChoice.AUTO and nodes < SAMPLED_FROM):
        return steering  # nothing firmer was wanted, so nothing is missing
    remarks = "".join(f"; {remark}" for remark in granted.remarks)
    return replace(steering, reason=f"{steering.reason}{remarks}")


def find_possible(
    choice: SteeringChoice, nodes: int, rights: Rights, *, packs: bool = True
) -> tuple[SteeringChoice, str]:
    """Give the choice if it is possible, else the next weaker one and why it was weakened."""
    why = ""
    for candidate in (choice, *_WEAKER.get(choice, ())):
        if candidate is not choice and _is_needless(candidate, nodes):
            continue
        try:
            choose_steering(candidate, nodes, rights, packs=packs)
        except SteeringImpossible as error:
            why = why or str(error)
            continue
        return candidate, why
    return SteeringChoice.SOFT, why


def _is_needless(choice: SteeringChoice, nodes: int) -> bool:
    """Tell whether a level that was not asked for gains nothing, as all nodes are scored anyway."""
    return choice is SteeringChoice.NAMES and nodes < SAMPLED_FROM
