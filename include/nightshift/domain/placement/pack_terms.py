"""What a pod is told: its node, where else it may go, and the pool.

Three tiers of preferred terms, 100, 25 and 6. kube-scheduler scales the sum of the weights that a
node matches to 0..100, by the best node that it looks at, and counts it twice; so each tier leads
the next by 150 points, as much as its own spreading can move (LeastAllocated 100, balance 50), and
still does when all nodes of the tiers above are full. Idle nodes that shall stay empty match no
term.

A tier is the pool's label where nodes carry it, else a list of host names. Lists are short, so
that 100,000 pods stay small in etcd: every pod gets its own selection, spread over all.

At the level ``names`` a pod must go to one of those hosts or of some spare ones: then the scheduler
looks at 64 nodes and no sample. Spare are idle nodes that otherwise stay empty, so that what drift
drives from its node finds room; where there are too few of them, more nodes of the tiers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.affinity import (
    HOSTNAME_LABEL,
    MAX_HOSTS,
    MIN_REQUIRED_HOSTS,
    PRIMARY_WEIGHT,
    PoolValue,
    Tier,
    WeightedHosts,
    WeightedNode,
    WeightedPool,
)

OPEN_WEIGHT = 25
RESERVE_WEIGHT = 6
MAX_OPEN_HOSTS = 40
MAX_RESERVE_HOSTS = MAX_HOSTS - MAX_OPEN_HOSTS
_CONFINED = (32, 12)
"""Hosts of the two tiers where pods are confined to hosts: 19 of 64 are left as spare."""


@dataclass(frozen=True, slots=True)
class Tiers:
    """The nodes of the two lower tiers.

    :param opened: nodes that the plan uses; the idle ones come first.
    :param reserve: where to go when those are full: some idle nodes first, then nodes in use.
    :param hosts: the hostname label of each node that has one.
    :param spare_hosts: of idle nodes that stay empty.
    :param most: hosts of each tier that a pod is told.
    """

    opened: tuple[NodeName, ...]
    reserve: tuple[NodeName, ...]
    hosts: Mapping[NodeName, str]
    open_hosts: tuple[str, ...]
    reserve_hosts: tuple[str, ...]
    spare_hosts: tuple[str, ...]
    most: tuple[int, int]

    def by_label(self) -> tuple[Tier, ...]:
        """Write the tiers by the pool's label; the primary has it too, which widens its lead."""
        open_tier = WeightedPool(PoolValue.OPEN, OPEN_WEIGHT)
        return (open_tier, WeightedPool(PoolValue.RESERVE, RESERVE_WEIGHT))

    def by_name(self, primary: NodeName | None, turn: int) -> tuple[Tier, ...]:
        """Write the tiers for a pod by host names, its primary left out.

        :param turn: the pod's place among all; each gets its own selection.
        """
        own = None if primary is None else self.hosts.get(primary)
        tiers = (
            (self.open_hosts, self.most[0], OPEN_WEIGHT),
            (self.reserve_hosts, self.most[1], RESERVE_WEIGHT),
        )
        chosen = ((_spread(hosts, own, most, turn), weight) for hosts, most, weight in tiers)
        return tuple(WeightedHosts(hosts, weight) for hosts, weight in chosen if hosts)

    def confine(self, primary: NodeName, tiers: Sequence[Tier], turn: int) -> tuple[str, ...]:
        """List the hosts that a pod may go to beside those of its tiers, its own first.

        :returns: nothing if that would be too few, or its node has no hostname label.
        """
        own = self.hosts.get(primary)
        if own is None:
            return ()
        told = {host for tier in tiers if isinstance(tier, WeightedHosts) for host in tier.hosts}
        spare = [own]
        for hosts in (self.spare_hosts, self.reserve_hosts, self.open_hosts):
            room = MAX_HOSTS - len(told) - len(spare)
            if not room:
                break
            found = _spread(hosts, own, room + len(told), turn + 1)
            spare += [host for host in found if host not in told][:room]
        return tuple(spare) if len(told) + len(spare) >= MIN_REQUIRED_HOSTS else ()

    def labels(self) -> Mapping[NodeName, PoolValue]:
        """Say which node gets which value of the pool's label."""
        return MappingProxyType(
            dict.fromkeys(self.reserve, PoolValue.RESERVE)
            | dict.fromkeys(self.opened, PoolValue.OPEN)
        )


def make_tiers(
    opened: tuple[NodeName, ...],
    reserve: tuple[NodeName, ...],
    nodes: Sequence[Node],
    spare: Sequence[NodeName] | None = None,
) -> Tiers:
    """Look up the nodes' hostname labels, which may differ from their names; a host counts once.

    :param spare: idle nodes that stay empty; None where pods are not confined to hosts.
    """
    hosts = {node.name: host for node in nodes if (host := node.labels.get(HOSTNAME_LABEL))}
    first = dict.fromkeys(hosts[name] for name in opened if name in hosts)
    second = dict.fromkeys(hosts[name] for name in reserve if name in hosts)
    rest = tuple(host for host in second if host not in first)
    empty = dict.fromkeys(hosts[name] for name in spare or () if name in hosts)
    left = tuple(host for host in empty if host not in first and host not in second)
    most = (MAX_OPEN_HOSTS, MAX_RESERVE_HOSTS) if spare is None else _CONFINED
    return Tiers(opened, reserve, MappingProxyType(hosts), tuple(first), rest, left, most)


def prefer(node: NodeName) -> tuple[WeightedNode, ...]:
    """Write the term of the primary."""
    return (WeightedNode(node, PRIMARY_WEIGHT),)


def _spread(hosts: Sequence[str], own: str | None, most: int, turn: int) -> tuple[str, ...]:
    """Choose ``most`` of the other hosts at even distances, beginning elsewhere each turn."""
    count = len(hosts)
    if count <= most + 1:
        return tuple(host for host in hosts if host != own)[:most]
    chosen = (hosts[(turn + i * count // (most + 1)) % count] for i in range(most + 1))
    return tuple(host for host in chosen if host != own)[:most]
