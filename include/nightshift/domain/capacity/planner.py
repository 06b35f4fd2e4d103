"""The plan of a Friday: one snapshot, one policy and one window give one plan, always the same.

The tiers come in the policy's order, then the bounds of node pools, then the nodes. Source of the
rules: ``preflight``; of the words: Kubernetes.
"""

from collections.abc import Iterable, Iterator

from nightshift.domain.capacity.endings import Lowered, Staying, staying_of
from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.node_plans import NodePlans, Victim, plan_nodes
from nightshift.domain.capacity.plans import (
    NODES_TIER,
    Action,
    ActionKind,
    CapacityPlan,
    Check,
    Problem,
    RiskFacts,
    Skip,
)
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_pools import NodePool
from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.policies_targets import WorkloadTarget
from nightshift.domain.capacity.preflight import why_postpone
from nightshift.domain.capacity.snapshots import ClusterSnapshot, PoolFacts
from nightshift.domain.capacity.target_plans import (
    Lowering,
    TargetPlans,
    lowered_fields,
    plan_targets,
)
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    FieldValue,
    LiveTarget,
    ObjectKind,
)
from nightshift.domain.counting import counted
from nightshift.domain.leases.records import ReturnRules, lease_id
from nightshift.domain.leases.recoveries import ENOUGH_WINDOW
from nightshift.domain.windows.due import format_duration, window_id
from nightshift.domain.windows.spans import Window

_NO_LEDGER = Ledger()


def plan_scale_down(
    policy: CapacityPolicy,
    snapshot: ClusterSnapshot,
    window: Window,
    ledger: Ledger = _NO_LEDGER,
) -> CapacityPlan:
    """Plan what rests in a window; changes nothing.

    It may be asked again in the same window: what is lowered already is left alone, and the rest
    goes on from there. Nothing is ever raised, whatever the policy says.

    :param snapshot: the plan is for the instant at which it was read.
    """
    name, snapshot = window_id(policy.name, window), snapshot.in_order()
    targets = plan_targets(policy, snapshot, ledger, name)
    nodes = plan_nodes(policy, snapshot, ledger, name, staying_in(policy, snapshot, targets))
    bounds, bound_skips = _plan_bounds(policy, snapshot, ledger, name, nodes)
    actions = tuple(_number([*targets.lowerings, *bounds], nodes, snapshot, name, ledger))
    problems = (*_problems(snapshot, window), *targets.problems)
    rolling_out = [one.live.id for one in targets.lowerings if one.live.status.rolling_out]
    return CapacityPlan(
        policy=policy.name,
        policy_digest=policy.digest,
        cluster=policy.cluster,
        mode=policy.mode,
        window=name,
        down=window.down,
        up=window.up,
        made_at=snapshot.at,
        actions=actions,
        skips=(*targets.skips, *bound_skips, *nodes.skips),
        problems=problems,
        postpone=why_postpone(snapshot.health, policy, rolling_out),
        risk=_risk(ledger, nodes, actions),
    )


def _problems(snapshot: ClusterSnapshot, window: Window) -> Iterator[Problem]:
    for what in snapshot.unread:
        yield Problem(Check.UNREAD, f"could not be read, so nothing is known of it: {what}")
    left = window.up - snapshot.at
    if not window.contains(snapshot.at):
        yield Problem(Check.WINDOW, "the window is not open; plan again when it is")
    elif left <= ENOUGH_WINDOW:
        yield Problem(
            Check.WINDOW,
            f"{format_duration(left)} of the window are left; lowering costs more than it saves "
            f"with no more than {format_duration(ENOUGH_WINDOW)}",
        )


def staying_in(policy: CapacityPolicy, snapshot: ClusterSnapshot, targets: TargetPlans) -> Staying:
    """Count what stays; quorums hold for every set that the policy names, lowered or not."""
    rows = [Lowered(one.live, {**one.before, **one.applied}) for one in targets.lowerings]
    quorums = {
        live.id.ref: target.quorum
        for _, target in policy.targets()
        if isinstance(target, WorkloadTarget) and target.quorum
        for live in snapshot.of_kind(ObjectKind(target.kind))
        if target.selection.matches(live.id.namespace, live.id.name, live.labels)
    }
    return staying_of(rows, quorums)


def _plan_bounds(
    policy: CapacityPolicy,
    snapshot: ClusterSnapshot,
    ledger: Ledger,
    window: str,
    nodes: NodePlans,
) -> tuple[list[Lowering], list[Skip]]:
    """Lower the bounds of node pools, so that nobody fills them again."""
    lowerings, skips = [], []
    for pool in policy.node_pools:
        facts = snapshot.pools.get(pool.name)
        ref = f"{ObjectKind.NODE_POOL}/{pool.name}"
        if facts is None or facts.target is None or pool.name not in nodes.kept:
            continue
        live = facts.target
        if ledger.has_open_lease(live):
            skips.append(Skip(ref, NODES_TIER, Check.LEASED, "its bounds are lowered already"))
        elif ledger.was_returned(window, live.id):
            why = "it was lowered and given back in this window"
            skips.append(Skip(ref, NODES_TIER, Check.RETURNED, why))
        else:
            kept = nodes.kept[pool.name]
            applied = lowered_fields(live, _wanted_bounds(pool, facts, live, nodes))
            if applied:
                rules = ReturnRules(_pool_rule(policy))
                why = _why_bounds(pool, kept)
                lowerings.append(
                    Lowering(NODES_TIER, live, live.fields, applied, why, rules, live.warnings)
                )
    return lowerings, skips


def _wanted_bounds(pool: NodePool, facts: PoolFacts, live: LiveTarget, nodes: NodePlans) -> Fields:
    """Give a pool's bounds; one that nobody else fills has its size too, less what rests of it.

    The size is what a lease remembers: without one nobody would bring the removed nodes back.
    """
    wanted: dict[FieldName, FieldValue] = {
        FieldName.MIN_NODES: pool.bounds.min,
        FieldName.MAX_NODES: max(pool.bounds.max, nodes.kept[pool.name]),
    }
    going = sum(one.pool.name == pool.name for one in nodes.victims)
    if facts.removes and going and FieldName.TARGET_NODES in live.fields:
        wanted[FieldName.TARGET_NODES] = max(0, live.capacity(FieldName.TARGET_NODES) - going)
    return wanted


def _pool_rule(policy: CapacityPolicy) -> OnConflict:
    """Give a pool's rule; nodes that nobody brings back would keep everything else waiting."""
    rule = policy.restore.on_conflict
    return OnConflict.MAX if rule is OnConflict.MANUAL else rule


def _why_bounds(pool: NodePool, kept: int) -> str:
    stay = "stays" if kept == 1 else "stay"
    nodes = counted(kept, "node")
    return f"{nodes} {stay} in the pool {pool.name}; nobody is to fill it again meanwhile"


def _number(
    lowerings: Iterable[Lowering],
    nodes: NodePlans,
    snapshot: ClusterSnapshot,
    window: str,
    ledger: Ledger,
) -> Iterator[Action]:
    """Give every action its place, after those that the window has had already."""
    order = ledger.last_order(window)
    for one in lowerings:
        order += 1
        is_pool = one.live.id.kind is ObjectKind.NODE_POOL
        yield Action(
            kind=ActionKind.BOUNDS if is_pool else ActionKind.LOWER,
            order=order,
            tier=one.tier,
            target=one.live.id,
            before=one.before,
            applied=one.applied,
            reason=one.reason,
            lease_id=lease_id(window, order, one.live.id),
            rules=one.rules,
            warnings=one.warnings,
            pool=one.live.id.name if is_pool else "",
            saved=one.live.saved,
        )
    for victim in nodes.victims:
        order += 1
        yield _rest(victim, order, window, remove=snapshot.pools[victim.pool.name].removes)


def _rest(victim: Victim, order: int, window: str, *, remove: bool) -> Action:
    target = victim.node.target
    fit = "it fits" if victim.evictions == 1 else "they fit"
    waits = f", {victim.waits} waited for" if victim.waits else ""
    warnings = () if remove else (
        f"the driver {victim.pool.driver} removes no node of our choice: it costs money until an "
        "autoscaler takes it",
    )  # fmt: skip
    return Action(
        kind=ActionKind.REST_NODE,
        order=order,
        tier=NODES_TIER,
        target=target.id,
        before={FieldName.UNSCHEDULABLE: target.fields.get(FieldName.UNSCHEDULABLE)},
        applied={FieldName.UNSCHEDULABLE: True},
        reason=f"{counted(victim.evictions, 'pod')} to evict{waits}; {fit} on the nodes that stay",
        lease_id=lease_id(window, order, target.id),
        rules=ReturnRules(OnConflict.MAX),
        warnings=warnings,
        pool=victim.pool.name,
        evictions=victim.evictions,
        remove=remove,
    )


def _risk(ledger: Ledger, nodes: NodePlans, actions: Iterable[Action]) -> RiskFacts:
    return RiskFacts(
        first_run=ledger.first_run,
        policy_changed=ledger.policy_changed,
        nodes_removed=len(nodes.victims),
        ready_nodes=nodes.ready,
        tiers=tuple(dict.fromkeys(action.tier for action in actions)),
    )
