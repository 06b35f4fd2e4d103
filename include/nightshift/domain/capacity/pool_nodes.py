"""Which ready nodes each pool of a policy has, and which nodes cannot be had at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nightshift.domain.capacity.drain_pods import PodRules
from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.plans import NODES_TIER, Check, Skip
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_pools import NodePool
from nightshift.domain.capacity.preflight import Finding, check_node
from nightshift.domain.capacity.snapshots import ClusterSnapshot, NodeFacts
from nightshift.domain.leases.annotations import is_held


@dataclass(frozen=True, slots=True)
class PoolNodes:
    """The nodes of a policy's pools.

    :param ready: by the pool's name, each by the nodes' names; a pool that must be left alone is
        not in it.
    :param skips: nodes and pools that cannot be had, and why.
    """

    ready: Mapping[str, Sequence[NodeFacts]]
    skips: tuple[Skip, ...]

    @property
    def count(self) -> int:
        """Ready nodes of all pools."""
        return sum(map(len, self.ready.values()))


def sort_nodes(
    policy: CapacityPolicy, snapshot: ClusterSnapshot, ledger: Ledger, window: str
) -> PoolNodes:
    """Give every pool its nodes.

    :param window: the id of the window that is open.
    """
    ready: dict[str, list[NodeFacts]] = {}
    skips: list[Skip] = []
    for pool in policy.node_pools:
        finding = _why_closed(pool, policy, snapshot)
        if finding is None:
            ready[pool.name] = []
        else:
            skips.append(_skip(f"NodePool/{pool.name}", finding))
    for node in sorted(snapshot.nodes, key=lambda one: one.name):
        owners = [one.name for one in policy.node_pools if one.nodes.matches(node.node.labels)]
        if not owners or any(name not in ready for name in owners):
            continue
        finding = _why_not_in(owners, node, snapshot, ledger, window)
        if finding is None:
            ready[owners[0]].append(node)
        else:
            skips.append(_skip(node.target.id.ref, finding))
    return PoolNodes(ready, tuple(skips))


def _why_closed(
    pool: NodePool, policy: CapacityPolicy, snapshot: ClusterSnapshot
) -> Finding | None:
    if pool.name in policy.protect.node_pools:
        return Finding(Check.PROTECTED, "the policy protects it")
    facts = snapshot.pools.get(pool.name)
    if facts is None:
        return Finding(Check.UNREAD, f"its driver {pool.driver} has not said how it is")
    if facts.target and is_held(facts.target.annotations, snapshot.at, if_unclear=True):
        return Finding(Check.HELD, "held by a tag")
    return None


def _why_not_in(
    owners: Sequence[str],
    node: NodeFacts,
    snapshot: ClusterSnapshot,
    ledger: Ledger,
    window: str,
) -> Finding | None:
    if len(owners) > 1:
        return Finding(Check.DOUBLE, f"it is in the pools {', '.join(owners)}")
    if ledger.has_open_lease(node.target):
        return Finding(Check.LEASED, "it rests already")
    if ledger.was_returned(window, node.target.id):
        return Finding(Check.RETURNED, "it was cordoned and given back in this window")
    if not node.node.ready:
        why = f"not ready ({node.node.not_ready_reason}); nobody can say what runs on it"
        return Finding(Check.HEALTH, why)
    return check_node(node, (), PodRules(), snapshot)


def _skip(ref: str, finding: Finding) -> Skip:
    return Skip(ref, NODES_TIER, finding.check, finding.reason)
