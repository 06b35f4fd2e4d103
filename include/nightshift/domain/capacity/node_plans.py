"""Which nodes rest: the cheapest to empty, as long as every rule holds for those that stay.

One node after another is tried and taken out of a model of the cluster, so that each is judged
against what the ones before it left. Which pods end depends on which nodes go, and the other way
round; so the choice is made again among the chosen until it stays the same.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nightshift.domain.capacity.allowances import Allowance
from nightshift.domain.capacity.drain_pods import PodFate, PodRules, judge_pod
from nightshift.domain.capacity.endings import Staying, plan_endings
from nightshift.domain.capacity.fits import Keepers, takes_pods
from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.plans import NODES_TIER, Check, Skip
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_pools import NodePool
from nightshift.domain.capacity.pool_nodes import PoolNodes, sort_nodes
from nightshift.domain.capacity.preflight import Finding, check_budgets, check_node, check_quorum
from nightshift.domain.capacity.snapshots import ClusterSnapshot, NodeFacts, PodFacts


@dataclass(frozen=True, slots=True)
class Victim:
    """A node that is to rest.

    :param evictions: pods that its drain has to evict.
    :param waits: pods that its drain waits for, such as scans.
    """

    node: NodeFacts
    pool: NodePool
    evictions: int
    waits: int = 0


@dataclass(frozen=True, slots=True)
class NodePlans:
    """What becomes of the pools' nodes.

    :param victims: in the order in which they are drained.
    :param kept: ready nodes that stay, by pool; a pool that is left alone is not in it.
    :param ready: ready nodes of all pools, without those that rest already.
    """

    victims: tuple[Victim, ...] = ()
    skips: tuple[Skip, ...] = ()
    kept: Mapping[str, int] = field(default_factory=dict)
    ready: int = 0


def plan_nodes(
    policy: CapacityPolicy,
    snapshot: ClusterSnapshot,
    ledger: Ledger,
    window: str,
    staying: Staying,
) -> NodePlans:
    """Choose the nodes that rest.

    :param window: the id of the window that is open.
    :param staying: what the tiers leave of the workloads.
    """
    pools = sort_nodes(policy, snapshot, ledger, window)
    facts = _Facts(policy, snapshot, ledger, window, staying)
    refused: dict[str, Skip] = {}
    chosen: frozenset[str] | None = None
    while True:
        choice = _Choice(facts, pools, chosen)
        for skip in choice.skips:
            refused.setdefault(skip.ref, skip)
        names = frozenset(one.node.name for one in choice.victims)
        if not names or names == chosen:
            break
        chosen = names
    kept = {name: sum(n.name not in names for n in nodes) for name, nodes in pools.ready.items()}
    skips = (*pools.skips, *refused.values())
    return NodePlans(tuple(choice.victims), skips, kept, pools.count)


class _Facts:
    """What every pass is made from."""

    def __init__(
        self,
        policy: CapacityPolicy,
        snapshot: ClusterSnapshot,
        ledger: Ledger,
        window: str,
        staying: Staying,
    ) -> None:
        self.policy, self.snapshot, self.staying = policy, snapshot, staying
        resting = {one.name for one in snapshot.nodes if ledger.has_open_lease(one.target)}
        self.nodes = [one for one in snapshot.nodes if one.name not in resting]
        self.at_rest = ledger.nodes_at_rest(window)
        self.ready = sum(takes_pods(one) for one in self.nodes)
        self.pods_on: dict[str, list[PodFacts]] = {}
        for pod in snapshot.pods:
            self.pods_on.setdefault(pod.node, []).append(pod)
        self._resting = resting

    def rules(self, pool: NodePool) -> PodRules:
        protect, drain = self.policy.protect, pool.drain
        return PodRules(drain.force, drain.empty_dir, protect.namespaces, protect.pods)

    def keepers(self, ending: frozenset[str]) -> Keepers:
        """Build the model: what stays where it is, and what has to find a place in any case."""
        pods = []
        for pod in self.snapshot.pods:
            if pod.key in ending or pod.drain.ended or (not pod.node and pod.request.gated):
                continue
            if pod.node in self._resting:  # its node is being emptied
                if pod.drain.deleting or pod.request.unmovable:
                    continue
                pod = dataclasses.replace(pod, drain=dataclasses.replace(pod.drain, node=""))
            pods.append(pod)
        return Keepers(self.nodes, pods, self.policy.limits.headroom_pct)


class _Choice:
    """One pass over the pools.

    :param chosen: only these may go; None is any.
    """

    def __init__(self, facts: _Facts, pools: PoolNodes, chosen: frozenset[str] | None) -> None:
        self.victims: list[Victim] = []
        self.skips: list[Skip] = []
        self._facts = facts
        everyone = {one.name for nodes in pools.ready.values() for one in nodes}
        going = everyone if chosen is None else chosen
        self._ending = plan_endings(facts.snapshot.pods, facts.staying.sure, going)
        self._keepers = facts.keepers(self._ending)
        limits = facts.policy.limits
        self._allowance = Allowance(limits, pools.count, facts.ready, facts.at_rest)
        for pool in facts.policy.node_pools:
            nodes = pools.ready.get(pool.name)
            if nodes:
                left = [one for one in nodes if one.name in going]
                self._choose(pool, nodes, left)

    def _choose(self, pool: NodePool, nodes: Sequence[NodeFacts], left: list[NodeFacts]) -> None:
        least = 0 if self._facts.snapshot.pools[pool.name].zero_ok else 1
        target = max(pool.bounds.target, least)
        wanted = len(nodes) - target
        if wanted <= 0:
            why = f"{len(nodes)} ready nodes, and {target} are to stay"
            self._skip(f"NodePool/{pool.name}", Finding(Check.KEPT, why))
        zones = Counter(one.zone for one in nodes)
        costs = {one.name: self._cost(one, pool) for one in left}
        while wanted > 0 and left:
            over = self._allowance.why_no_node()
            if over is not None:
                more = f"{wanted} more could rest, but {over.reason}"
                self._skip(f"NodePool/{pool.name}", Finding(over.check, more))
                return
            node = min(left, key=lambda one: (-zones[one.zone], costs[one.name]))
            left.remove(node)
            why_not = self._try(node, pool, zones)
            if why_not is not None:
                self._skip(node.target.id.ref, why_not)
                continue
            wanted -= 1
            zones[node.zone] -= 1

    def _cost(self, node: NodeFacts, pool: NodePool) -> tuple[int, int, int, str]:
        """Order nodes by what it takes to empty them."""
        requested = node.node.requested
        moving = len(self._moving(node, pool))
        return moving, requested.cpu_millis, requested.memory_bytes, node.name

    def _staying_on(self, node: NodeFacts) -> list[PodFacts]:
        pods = self._facts.pods_on.get(node.name, ())
        return [pod for pod in pods if pod.key not in self._ending]

    def _moving(self, node: NodeFacts, pool: NodePool) -> list[PodFacts]:
        return self._with_fate(PodFate.EVICT, node, pool)

    def _with_fate(self, fate: PodFate, node: NodeFacts, pool: NodePool) -> list[PodFacts]:
        rules = self._facts.rules(pool)
        pods = self._staying_on(node)
        return [pod for pod in pods if judge_pod(pod.drain, rules).fate is fate]

    def _try(self, node: NodeFacts, pool: NodePool, zones: Mapping[str, int]) -> Finding | None:
        """Take a node, or say why it stays."""
        moving = self._moving(node, pool)
        facts = self._facts
        finding = (
            check_node(node, self._staying_on(node), facts.rules(pool), facts.snapshot)
            or _check_zone(node, pool, zones)
            or self._check_disruption(moving)
            or self._check_volumes(node)
            or self._allowance.why_not_evict(len(moving))
            or self._check_fit(node, moving)
        )
        if finding is not None:
            return finding
        waits = len(self._with_fate(PodFate.WAIT, node, pool))
        self._allowance.take(len(moving))
        self.victims.append(Victim(node, pool, len(moving), waits))
        return None

    def _check_disruption(self, moving: Iterable[PodFacts]) -> Finding | None:
        snapshot, least = self._facts.snapshot, self._facts.staying.least
        for pod in moving:
            if not pod.drain.needs_budget:
                continue
            finding = check_budgets(pod, snapshot.budgets, snapshot, least)
            finding = finding or check_quorum(pod, snapshot, least)
            if finding is not None:
                return finding
        return None

    def _check_volumes(self, node: NodeFacts) -> Finding | None:
        """Ask for every volume, those of pods that end too: on Monday they need a node near it."""
        for pod in self._facts.pods_on.get(node.name, ()):
            for volume in pod.volumes:
                terms = volume.required
                if terms is not None and not self._keepers.can_reach(terms, node.name):
                    why = f"no other node that stays can reach the volume {volume.claim}"
                    return Finding(Check.VOLUMES, f"{why} of {pod.key}")
        return None

    def _check_fit(self, node: NodeFacts, moving: Sequence[PodFacts]) -> Finding | None:
        why = self._keepers.try_without(node.name, moving)
        return Finding(Check.FIT, why) if why else None

    def _skip(self, ref: str, finding: Finding) -> None:
        self.skips.append(Skip(ref, NODES_TIER, finding.check, finding.reason))


def _check_zone(node: NodeFacts, pool: NodePool, zones: Mapping[str, int]) -> Finding | None:
    if zones[node.zone] > pool.per_zone_min:
        return None
    where = f"zone {node.zone}" if node.zone else "the pool"
    return Finding(Check.MINIMUM, f"{zones[node.zone]} left in {where}; perZoneMin keeps them")
