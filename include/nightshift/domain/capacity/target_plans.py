"""What a policy's tiers mean for the objects that there are: what is lowered, what is left and why.

An object is lowered at most once, whatever the tiers say, and never raised: what is low already
stays as it is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nightshift.domain.capacity.endings import ordinal_of
from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.plans import Check, Problem, Skip
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_targets import (
    AutoscalerTarget,
    CronJobTarget,
    PoolTarget,
    Selection,
    Target,
    TargetKind,
    TargetRef,
    WorkloadTarget,
)
from nightshift.domain.capacity.preflight import (
    check_target,
    deployed_by,
    why_below_quorum,
    why_it_is_us,
)
from nightshift.domain.capacity.snapshots import ClusterSnapshot
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    LiveTarget,
    ObjectKind,
    TargetId,
    describe_value,
    is_same,
    lower_of,
)
from nightshift.domain.leases.annotations import KEEP_ALIVE
from nightshift.domain.leases.records import ReturnRules
from nightshift.domain.leases.returning import own_deadline


@dataclass(frozen=True, slots=True)
class Lowering:
    """An object that is to be lowered; an action that has no place in the plan yet.

    :param before: what its fields are; may hold fields that ``applied`` does not set.
    """

    tier: str
    live: LiveTarget
    before: Fields
    applied: Fields
    reason: str
    rules: ReturnRules = field(default_factory=ReturnRules)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetPlans:
    """What becomes of the tiers' targets, in the order in which they are lowered."""

    lowerings: tuple[Lowering, ...] = ()
    skips: tuple[Skip, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """One object that one target of the policy means.

    :param named: as the policy calls it, even where its owner is lowered in its stead.
    """

    tier: str
    target: Target
    live: LiveTarget
    named: TargetId


def plan_targets(
    policy: CapacityPolicy, snapshot: ClusterSnapshot, ledger: Ledger, window: str
) -> TargetPlans:
    """Decide for every target of every tier, in the policy's order.

    :param window: the id of the window that is open.
    """
    lowerings: list[Lowering] = []
    skips: list[Skip] = []
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for asked in _resolve(policy, snapshot):
        if isinstance(asked, Skip):
            skips.append(asked)
            continue
        first = seen.setdefault(asked.live.id.ref, asked.tier)
        if first != asked.tier or any(one.live.id == asked.live.id for one in lowerings):
            why = f"the tier {first} has it already"
            skips.append(Skip(asked.live.id.ref, asked.tier, Check.DOUBLE, why))
            continue
        found = _decide(asked, policy, snapshot, ledger, window)
        match found:
            case Lowering():
                lowerings.append(found)
            case Skip():
                skips.append(found)
            case Problem():
                problems.append(found)
    return TargetPlans(tuple(lowerings), tuple(skips), tuple(problems))


def _resolve(policy: CapacityPolicy, snapshot: ClusterSnapshot) -> Iterator[_Asked | Skip]:
    """Give every object that a target means; a target that means none says so."""
    by_kind = {kind: snapshot.of_kind(ObjectKind(kind)) for kind in TargetKind}
    for tier, target in policy.targets():
        selection = _selection(target)
        found = [
            one
            for one in by_kind[target.kind]
            if selection.matches(one.id.namespace, one.id.name, one.labels)
            and (selection.namespace is not None or one.id.namespace not in _closed(policy))
        ]
        if not found:
            ref = f"{target.kind}/{selection}" if selection.namespace != "" else _pool_ref(target)
            yield Skip(ref, tier.name, Check.NOT_FOUND, "there is no such object")
        for one in found:
            yield _Asked(tier.name, target, _owner_of(one, snapshot), one.id)


def _selection(target: Target) -> Selection:
    return Selection("", target.name) if isinstance(target, PoolTarget) else target.selection


def _pool_ref(target: Target) -> str:
    return f"{target.kind}/{target.name}" if isinstance(target, PoolTarget) else str(target.kind)


def _closed(policy: CapacityPolicy) -> frozenset[str]:
    return policy.protect.namespaces


def _owner_of(live: LiveTarget, snapshot: ClusterSnapshot) -> LiveTarget:
    """Give KEDA's ScaledObject for an autoscaler that it made; everything else is itself."""
    owner = live.owner
    if owner is None or owner.kind != str(ObjectKind.SCALED_OBJECT):
        return live
    for one in snapshot.of_kind(ObjectKind.SCALED_OBJECT):
        if (one.id.namespace, one.id.name) == (live.id.namespace, owner.name):
            return one
    return live


def _decide(
    asked: _Asked, policy: CapacityPolicy, snapshot: ClusterSnapshot, ledger: Ledger, window: str
) -> Lowering | Skip | Problem:
    live = asked.live
    wanted = wanted_fields(asked.target)

    def skip(check: Check, reason: str) -> Skip:
        return Skip(live.id.ref, asked.tier, check, reason)

    if _is_protected(live, policy):
        return skip(Check.PROTECTED, "the policy protects it")
    if ledger.has_open_lease(live):
        return skip(Check.LEASED, "it is lowered already; what it was stays remembered as it is")
    if ledger.was_returned(window, live.id):
        return skip(Check.RETURNED, "it was lowered and given back in this window")
    finding = check_target(live, wanted, snapshot)
    if finding is not None:
        return skip(finding.check, finding.reason)
    applied = lowered_fields(live, wanted)
    if not applied:
        return skip(Check.ALREADY_LOW, f"it is no higher: {_compare(live, wanted)}")
    us = why_it_is_us(live, snapshot)
    if us is not None:
        return Problem(Check.SELF_PRESERVATION, f"{live.id.ref}: {us}")
    quorum = _why_below_quorum(asked, applied)
    if quorum is not None:
        return skip(Check.QUORUM, quorum)
    return _lowering(asked, applied, policy, snapshot)


def wanted_fields(target: Target) -> Fields:
    """Give what a target's fields are to be in a window, at most."""
    match target:
        case PoolTarget():
            return {FieldName.SLOTS: target.slots}
        case CronJobTarget():
            return {FieldName.SUSPEND: True}
        case AutoscalerTarget():
            return {FieldName.MIN_REPLICAS: target.min, FieldName.MAX_REPLICAS: target.max}
        case WorkloadTarget():
            return {FieldName.REPLICAS: target.replicas}


def lowered_fields(live: LiveTarget, wanted: Fields) -> dict[FieldName, int | bool | None]:
    """Give those of ``wanted`` that are less than what the object has now."""
    kind = live.id.kind
    lowered = {
        name: lower_of(kind, name, live.fields[name], value)
        for name, value in wanted.items()
        if name in live.fields
    }
    return {
        name: value
        for name, value in lowered.items()
        if not is_same(kind, name, live.fields[name], value)
    }


def _is_protected(live: LiveTarget, policy: CapacityPolicy) -> bool:
    return any(
        policy.is_protected(live.id.namespace, labels) for labels in (live.labels, live.pod_labels)
    )


def _why_below_quorum(asked: _Asked, applied: Fields) -> str | None:
    if not isinstance(asked.target, WorkloadTarget):
        return None
    replicas = int(applied[FieldName.REPLICAS] or 0)
    return why_below_quorum(asked.live, replicas, asked.target.quorum)


def _lowering(
    asked: _Asked, applied: Fields, policy: CapacityPolicy, snapshot: ClusterSnapshot
) -> Lowering:
    live = asked.live
    before = dict(live.fields)
    if live.id.kind is ObjectKind.CRON_JOB:
        before[FieldName.STARTING_DEADLINE] = _own_deadline(live)
    ref = TargetRef(TargetKind(asked.named.kind), asked.named.namespace, asked.named.name)
    rules = ReturnRules(policy.restore.rule_for(ref))
    if isinstance(asked.target, CronJobTarget):
        rules = ReturnRules(rules.on_conflict, asked.target.skip_missed, asked.target.stagger)
    reason = _describe_now(live)
    warnings = tuple(_warnings(asked, applied, snapshot))
    return Lowering(asked.tier, live, before, applied, reason, rules, warnings)


def _own_deadline(live: LiveTarget) -> int | bool | None:
    try:
        return own_deadline(live)
    except ValueError:  # then what it has now is all that is known
        return live.fields.get(FieldName.STARTING_DEADLINE)


def _describe_now(live: LiveTarget) -> str:
    status = live.status
    match live.id.kind:
        case ObjectKind.AIRFLOW_POOL:
            return f"{status.replicas} of its slots are in use"
        case ObjectKind.CRON_JOB:
            last = status.last_schedule_at
            when = f"the last did {last:%a %Y-%m-%d %H:%MZ}" if last else "it has never run"
            return f"no run starts meanwhile; {when}"
        case _:
            return f"{status.replicas} run now, {status.ready} of them ready"


def _compare(live: LiveTarget, wanted: Fields) -> str:
    return ", ".join(
        f"{name} {describe_value(live.fields.get(name))} to {describe_value(value)}"
        for name, value in wanted.items()
    )


def _warnings(asked: _Asked, applied: Fields, snapshot: ClusterSnapshot) -> Iterable[str]:
    live = asked.live
    kept = live.annotations.get(KEEP_ALIVE)
    if kept is not None:
        yield f"its owner asks to keep it alive: {kept[:200]}"
    tool = deployed_by(live)
    if tool:
        yield f"{tool} deploys it; a sync that sets {', '.join(applied)} would put it back"
    if live.id != asked.named:
        yield f"{asked.named.ref} is made by it, so it is lowered in its stead"
    yield from _leaders_that_go(live, applied, snapshot)


def _leaders_that_go(live: LiveTarget, applied: Fields, snapshot: ClusterSnapshot) -> Iterable[str]:
    """Name leaders of a StatefulSet that its being lowered ends: the highest ordinals go."""
    if live.id.kind is not ObjectKind.STATEFUL_SET:
        return
    stay = int(applied.get(FieldName.REPLICAS) or 0)
    for pod in snapshot.pods:
        same = pod.workload is not None and pod.workload.ref == live.id.ref
        if same and pod.leader and ordinal_of(pod.drain.name) >= stay:
            yield f"{pod.key} leads the set and goes; another member has to take over"
