"""What a policy's limits still allow while a plan is made; it counts down."""

from nightshift.domain.capacity.plans import Check
from nightshift.domain.capacity.policies_pools import Limits
from nightshift.domain.capacity.preflight import Finding


class Allowance:
    """Nodes and evictions that are left to a plan.

    :param in_pools: ready nodes of all pools, without those that rest already.
    :param in_cluster: ready nodes that take pods, whether in a pool or not.
    :param at_rest: nodes that this window has claimed already; they count as removed.
    """

    def __init__(self, limits: Limits, in_pools: int, in_cluster: int, at_rest: int) -> None:
        self._limits = limits
        self._share = (in_pools + at_rest) * limits.max_nodes_removed_pct // 100
        self._ready = in_cluster
        self._removed = at_rest
        self._evictions = 0

    def why_no_node(self) -> Finding | None:
        """Say which limit keeps every further node; None if another may go."""
        limits = self._limits
        if self._removed >= limits.max_nodes_removed:
            return self._over(f"maxNodesRemoved is {limits.max_nodes_removed}")
        if self._removed >= self._share:
            share = f"maxNodesRemovedPct is {limits.max_nodes_removed_pct}"
            return self._over(f"{share}, which is {self._share} nodes")
        if self._ready <= limits.min_ready_nodes:
            why = f"{self._ready} ready nodes are left; minReadyNodes is {limits.min_ready_nodes}"
            return Finding(Check.MINIMUM, why)
        return None

    def why_not_evict(self, count: int) -> Finding | None:
        """Say why ``count`` more evictions are too many; None if they are not."""
        most = self._limits.max_evictions
        if self._evictions + count <= most:
            return None
        why = f"it takes {count} evictions, {most - self._evictions} are left (maxEvictions {most})"
        return Finding(Check.LIMIT, why)

    def take(self, evictions: int) -> None:
        """Count one node and its evictions."""
        self._removed += 1
        self._ready -= 1
        self._evictions += evictions

    def _over(self, rule: str) -> Finding:
        return Finding(Check.LIMIT, f"{self._removed} nodes rest; {rule}")
