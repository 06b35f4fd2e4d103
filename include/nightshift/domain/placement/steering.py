"""How strongly a plan can be made to happen on this cluster: the steering level, and why that one.

Preferences alone bring every pod to its planned node below 100 nodes. From there on kube-scheduler
scores a sample only, and a planned node outside of it gets nothing. Three things help. Pods can
require one of up to 64 hosts: so few are all scored, and it needs no right. And with a right each,
status.nominatedNodeName is looked at before any sampling (patch ``pods/status``; since 1.35), and a
label on the nodes that shall be used is required by pods (patch ``nodes``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from nightshift.domain.placement.scheduler_model import nodes_to_score
from nightshift.errors import PermanentError

SAMPLED_FROM = 100
"""From so many nodes on the scheduler scores a sample of them."""
NOMINATES_FROM = (1, 35)
"""The release whose scheduler heeds a nomination from outside (KEP-5278)."""


class SteeringImpossible(PermanentError):
    """The steering level that was asked for needs a right or a release that is not there."""


class SteeringLevel(StrEnum):
    """What is done beside the preferred terms, which every level writes."""

    SOFT = "soft"
    NAMES = "names"
    NOMINATE = "nominate"
    POOL = "pool"
    POOL_NOMINATE = "pool+nominate"

    @property
    def confines(self) -> bool:
        """Pods require one of the hosts that they are told."""
        return self is SteeringLevel.NAMES

    @property
    def nominates(self) -> bool:
        """Pods start gated, are nominated to their node, and are then let go."""
        return self in {SteeringLevel.NOMINATE, SteeringLevel.POOL_NOMINATE}

    @property
    def pools(self) -> bool:
        """Nodes are labelled, and pods require the label."""
        return self in {SteeringLevel.POOL, SteeringLevel.POOL_NOMINATE}


class SteeringChoice(StrEnum):
    """What the settings may say: a level, or the strongest that makes sense."""

    AUTO = "auto"
    SOFT = "soft"
    NAMES = "names"
    NOMINATE = "nominate"
    POOL = "pool"
    POOL_NOMINATE = "pool+nominate"


@dataclass(frozen=True, slots=True)
class Rights:
    """What the cluster lets us do; the default is nothing, as when nobody has asked.

    :param version: of the API server, major and minor; (0, 0) is unknown.
    :param patch_pod_status: ``patch`` on ``pods/status`` in the namespace of the scan pods.
    :param patch_nodes: ``patch`` on ``nodes``.
    :param preempts: scan pods may evict others. Such a pod must not be nominated: when nothing
        fits, kube-scheduler's preemption takes its nomination away, or clears its node for it.
    """

    version: tuple[int, int] = (0, 0)
    patch_pod_status: bool = False
    patch_nodes: bool = False
    preempts: bool = False


@dataclass(frozen=True, slots=True)
class Steering:
    """The level that was chosen.

    :param hit_rate: which share of the pods should meet their planned node when nothing changes in
        the meantime, 0 to 1.
    :param reason: one sentence for people.
    """

    level: SteeringLevel
    hit_rate: float
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        return {"level": self.level.value, "hit_rate": self.hit_rate, "reason": self.reason}


def choose_steering(
    choice: SteeringChoice,
    nodes: int,
    rights: Rights,
    pool_nodes: int | None = None,
    *,
    packs: bool = True,
    confined: float = 1.0,
) -> Steering:
    """Choose the level: ``auto`` is soft below 100 nodes, then the strongest that is possible.

    :param nodes: all nodes of the cluster, candidates or not: the scheduler counts them all.
    :param pool_nodes: how many of them would carry the pool label; None if not known yet.
    :param packs: the strategy gives every pod a node with room for it. One that only ranks names
        the same few nodes to all, to which pods must not be confined.
    :param confined: of the pods that level ``names`` would confine, the share that gets a list.
    :raises SteeringImpossible: if a level was asked for by name that the cluster does not allow.
    """
    missing = _missing(rights, packs)
    if choice is not SteeringChoice.AUTO:
        level = SteeringLevel(choice.value)
        if missing[level]:
            raise SteeringImpossible(
                f"steering {level} needs {missing[level]}; provide it, or choose auto"
            )
        why = "asked for"
    elif nodes < SAMPLED_FROM:
        level, why = SteeringLevel.SOFT, f"{nodes} nodes: the scheduler scores every one"
    else:
        level = _strongest(missing)
        why = f"{nodes} nodes: the scheduler scores {nodes_to_score(nodes)} of them for a pod"
        lacking = missing[SteeringLevel.POOL_NOMINATE]
        why += f"; a stronger level needs {lacking}" if lacking else ""
    rate = predict_hit_rate(level, nodes, pool_nodes, confined)
    return Steering(level, rate, f"{level}: {why}; predicted hit rate {rate:.0%}")


def predict_hit_rate(
    level: SteeringLevel, nodes: int, pool_nodes: int | None = None, confined: float = 1.0
) -> float:
    """Predict which share of the pods meet their planned node, if nothing changes meanwhile.

    A pod meets it when it is among the nodes scored: k of all N, or of the pool's, since the walk
    goes on until k *feasible* nodes are found; so all hosts that a pod is confined to are scored,
    as k is at least 100. A nominated node is tried before any walk.
    """
    if level.nominates:
        return 1.0
    if level.confines:
        return confined + (1.0 - confined) * predict_hit_rate(SteeringLevel.SOFT, nodes)
    reachable = pool_nodes if level.pools and pool_nodes is not None else nodes
    if reachable <= 0:
        return 1.0
    return min(1.0, nodes_to_score(nodes) / reachable)


def _missing(rights: Rights, packs: bool) -> Mapping[SteeringLevel, str]:
    """Say for each level what is missing for it, empty when nothing is."""
    nominate = [] if rights.patch_pod_status else ["patch on pods/status"]
    if rights.version < NOMINATES_FROM:
        nominate.append("Kubernetes 1.35 or later")
    if rights.preempts:
        nominate.append("a PriorityClass whose preemptionPolicy is Never")
    pool = [] if rights.patch_nodes else ["patch on nodes"]
    return MappingProxyType({
        SteeringLevel.SOFT: "",
        SteeringLevel.NAMES: "" if packs else "the strategy pack",
        SteeringLevel.NOMINATE: " and ".join(nominate),
        SteeringLevel.POOL: " and ".join(pool),
        SteeringLevel.POOL_NOMINATE: " and ".join([*nominate, *pool]),
    })


def _strongest(missing: Mapping[SteeringLevel, str]) -> SteeringLevel:
    strongest_first = (
        SteeringLevel.POOL_NOMINATE,
        SteeringLevel.NOMINATE,
        SteeringLevel.NAMES,
        SteeringLevel.POOL,
        SteeringLevel.SOFT,
    )
    return next(level for level in strongest_first if not missing[level])
