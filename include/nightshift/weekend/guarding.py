"""The guard: can the database bear the autoscalers' maximums, and does one of them run away.

It only ever lowers a maximum in words: it reports what it should be. What it does by itself is to
freeze the way up, for a limited time, and to thaw it; what must hold in the first minute is static
and lies in the cluster (``deploy/guard``).
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nightshift.cluster.client import Cluster
from nightshift.cluster.freezes import FrozenTarget, freeze, list_freezes, thaw
from nightshift.domain.capacity.budgets import (
    ConnectionBudget,
    bound_max,
    max_replicas,
    why_overdrawn,
)
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_targets import TargetKind
from nightshift.domain.capacity.snapshots import ClusterSnapshot
from nightshift.domain.capacity.surges import (
    Freeze,
    FreezeAct,
    Level,
    Signals,
    SurgeKind,
    Verdict,
    judge_surge,
    next_freeze,
)
from nightshift.domain.capacity.targets import FieldName, LiveTarget, ObjectKind, TargetId
from nightshift.errors import NightshiftError

MaxConnections = Callable[[ConnectionBudget], int | None]
"""Gives the ``max_connections`` of a budget's database; None if it cannot be known."""


@dataclass(frozen=True, slots=True)
class Audit:
    """One autoscaler against its connection budget.

    :param allowed: the maximum that the database bears.
    """

    target: LiveTarget
    allowed: int
    bound_by: str
    reason: str

    def __str__(self) -> str:
        """Say what is wrong and what to set."""
        here = self.target.capacity(FieldName.MAX_REPLICAS)
        return (
            f"{self.target.id.ref}: its maximum is {here}, {self.bound_by} allow {self.allowed}: "
            f"{self.reason}; set maxReplicas to {self.allowed}"
        )


def audit(
    policy: CapacityPolicy, snapshot: ClusterSnapshot, max_connections: MaxConnections
) -> list[Audit]:
    """List the autoscalers whose maximum the database could not bear."""
    scalers = {one.scales.ref: one for one in snapshot.targets if one.scales is not None}
    found = []
    for budget in policy.budgets.values():
        limit = max_connections(budget)
        if limit is None:
            continue
        highest = _highest(budget, snapshot, scalers)
        why = why_overdrawn(budget, limit, highest)
        if why is None:
            continue
        for live, name in _scaled(budget, scalers):
            consumer = budget.consumer(live.id.namespace, name)
            if consumer is None:
                continue
            bounds = {
                "what is set": live.capacity(FieldName.MAX_REPLICAS),
                f"the connections of {budget.name}": max_replicas(budget, consumer, limit, highest),
            }
            bound = bound_max(bounds)
            if bound.value < live.capacity(FieldName.MAX_REPLICAS):
                found.append(Audit(live, bound.value, bound.bound_by, why))
    return found


def judge(
    policy: CapacityPolicy, snapshot: ClusterSnapshot, signals: Signals | None = None
) -> Verdict:
    """Say whether something may scale up now; what is not known counts as normal.

    :param signals: those that Prometheus and earlier looks give.
    """
    guard = policy.guard
    if snapshot.unread:
        return Verdict(Level.L0, SurgeKind.NONE)
    verdict = judge_surge(
        replace(signals or Signals(), unready_pct=snapshot.health.unready_pct), guard
    )
    nodes = sum(not node.control_plane for node in snapshot.nodes)
    if guard.node_cap is None or nodes < guard.node_cap:
        return verdict
    why = f"the cluster has {nodes} nodes, and the policy's cap is {guard.node_cap}"
    return Verdict(max(verdict.level, Level.L2), verdict.kind, (*verdict.reasons, why))


def has_gap(policy: CapacityPolicy, snapshot: ClusterSnapshot) -> bool:
    """Tell whether an autoscaler of the policy's wants more pods than are ready."""
    workloads = {one.id.ref: one for one in snapshot.targets}
    scaled = [workloads.get(one.scales.ref) for one in _own(policy, snapshot) if one.scales]
    return any(
        live is not None and live.status.ready < live.capacity(FieldName.REPLICAS)
        for live in scaled
    )


def keep_guard(
    cluster: Cluster,
    policy: CapacityPolicy,
    snapshot: ClusterSnapshot,
    verdict: Verdict,
    now: dt.datetime,
) -> Iterator[str]:
    """Freeze, keep frozen or thaw the policy's autoscalers; says what was done and why.

    A freeze ends when its time is over, or after some looks without a sign, whichever is first.
    """
    frozen = list_freezes(cluster)
    decision = next_freeze(_in_force(frozen), verdict, policy.guard, now)
    match decision.act:
        case FreezeAct.BEGIN | FreezeAct.KEEP if decision.freeze is not None:
            targets = [live.id for live in _own(policy, snapshot)]
            yield from _write_freezes(cluster, targets, decision.freeze, decision.reason)
        case FreezeAct.THAW:
            yield from _thaw_all(cluster, frozen, decision.reason)
        case _:
            return


def _in_force(frozen: Sequence[FrozenTarget]) -> Freeze | None:
    """Give the freeze that is in force: the one that ends first."""
    first = min(frozen, key=lambda one: one.until, default=None)
    if first is None:
        return None
    return Freeze(first.since, first.until, Level.L2, (first.why,), first.clean)


def _write_freezes(
    cluster: Cluster, targets: Sequence[TargetId], wanted: Freeze, reason: str
) -> Iterator[str]:
    why = "; ".join(wanted.reasons)
    for target in targets:
        one = FrozenTarget(target, wanted.since, wanted.expires_at, why, clean=wanted.clean)
        try:
            if freeze(cluster, one):
                yield f"{target.ref} is frozen until {wanted.expires_at:%H:%M}Z: {reason}"
        except NightshiftError as error:
            yield f"{target.ref} could not be frozen: {error}"


def _thaw_all(cluster: Cluster, frozen: Sequence[FrozenTarget], reason: str) -> Iterator[str]:
    for one in frozen:
        try:
            if thaw(cluster, one.target):
                yield f"{one.target.ref} may scale up again: {reason} (it was: {one.why})"
        except NightshiftError as error:
            yield f"{one.target.ref} could not be thawed: {error}"


def _own(policy: CapacityPolicy, snapshot: ClusterSnapshot) -> Iterator[LiveTarget]:
    """Give the autoscalers that the policy names."""
    for _, target in policy.targets(TargetKind.AUTOSCALER):
        selection = getattr(target, "selection", None)
        for live in snapshot.of_kind(ObjectKind.AUTOSCALER):
            if selection and selection.matches(live.id.namespace, live.id.name, live.labels):
                yield live


def _highest(
    budget: ConnectionBudget, snapshot: ClusterSnapshot, scalers: Mapping[str, LiveTarget]
) -> dict[str, int]:
    """Give the most replicas that each consumer of a budget may reach."""
    found = {}
    workloads = {one.id.ref: one for one in snapshot.targets}
    for consumer in budget.consumers:
        for kind in (ObjectKind.DEPLOYMENT, ObjectKind.STATEFUL_SET):
            ref = f"{kind}/{consumer.target}"
            scaler, workload = scalers.get(ref), workloads.get(ref)
            if scaler is not None:
                found[consumer.target] = scaler.capacity(FieldName.MAX_REPLICAS)
            elif workload is not None:
                found.setdefault(consumer.target, workload.capacity(FieldName.REPLICAS))
    return found


def _scaled(
    budget: ConnectionBudget, scalers: Mapping[str, LiveTarget]
) -> Iterator[tuple[LiveTarget, str]]:
    """Give the autoscalers of a budget's consumers, with the name of what each scales."""
    for consumer in budget.consumers:
        for kind in (ObjectKind.DEPLOYMENT, ObjectKind.STATEFUL_SET):
            live = scalers.get(f"{kind}/{consumer.target}")
            if live is not None:
                yield live, consumer.name
