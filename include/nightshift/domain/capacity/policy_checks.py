"""What can be known to be wrong with a policy before any Friday, without asking a cluster.

Each fault has the path of what its author should look at, in the file's own words.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nightshift.domain.capacity.budgets import ConnectionBudget, why_overdrawn
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_pools import NodePool
from nightshift.domain.capacity.policies_targets import (
    AutoscalerTarget,
    PoolTarget,
    Target,
    WorkloadTarget,
)
from nightshift.domain.windows.due import format_duration
from nightshift.domain.windows.spans import SHORTEST, WindowList, plan_windows

Path = tuple[str | int, ...]

_EDGE = dt.timedelta(days=31)
"""Windows near the end of the calendars may lack what lies beyond it."""


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """A fault and where it is."""

    path: Path
    problem: str


def check_policy(policy: CapacityPolicy, today: dt.date) -> list[PolicyFault]:
    """List every fault.

    :param today: windows are checked from then on, to the last day of the calendars.
    """
    return [
        *_check_names(policy),
        *_check_schedule(policy, today),
        *_check_tiers(policy),
        *_check_targets(policy),
        *_check_pools(policy),
        *_check_budgets(policy),
        *_check_measures(policy),
    ]


def _check_names(policy: CapacityPolicy) -> Iterator[PolicyFault]:
    spec: Path = ("spec",)
    yield from _twice([one.name for one in policy.tiers], (*spec, "tiers"))
    yield from _twice([one.name for one in policy.node_pools], (*spec, "nodePools"))
    yield from _twice([one.name for one in policy.schedule.windows], (*spec, "schedule", "windows"))


def _twice(names: Sequence[str], at: Path) -> Iterator[PolicyFault]:
    counts = Counter(names)
    for index, name in enumerate(names):
        if name in names[:index]:
            yield PolicyFault(
                (*at, index, "name"), f"{name} is there {counts[name]} times; name one differently"
            )


def _check_schedule(policy: CapacityPolicy, today: dt.date) -> Iterator[PolicyFault]:
    schedule = policy.schedule
    at: Path = ("spec", "schedule", "windows")
    planned, last = plan_windows(schedule), schedule.days.last - _EDGE
    short = {one.name for one in schedule.windows if one.wall_length < SHORTEST}
    for index, weekly in enumerate(schedule.windows):
        if weekly.wall_length < SHORTEST:
            length, least = format_duration(weekly.wall_length), format_duration(SHORTEST)
            why = f"is {length} long; less than {least} is not worth lowering anything"
            yield PolicyFault((*at, index), why)
        elif not _comes(planned, weekly.name, today, last):
            yield PolicyFault((*at, index), f"never comes until {last}: the calendars take it all")
    for window in planned.dropped:
        usual = window.names and not window.reasons and short.isdisjoint(window.names)
        if usual and window.down.date() >= today:
            why = f"the window of {window.down:%Y-%m-%d} is cut short by a change of the clocks"
            yield PolicyFault(at, why)
    yield from _check_ready_by(policy, planned)


def _comes(planned: WindowList, name: str, first: dt.date, last: dt.date) -> bool:
    return any(name in one.names and first <= one.down.date() <= last for one in planned.windows)


def _check_ready_by(policy: CapacityPolicy, planned: WindowList) -> Iterator[PolicyFault]:
    schedule = policy.schedule
    if schedule.ready_by is None:
        return
    for window in planned.windows:
        if window.names and not window.reasons and window.ready_by is None:
            local = window.up.astimezone(schedule.zone)
            why = f"{schedule.ready_by:%H:%M} is not after {local:%H:%M}, when a window ends"
            yield PolicyFault(("spec", "schedule", "readyBy"), why)
            return


def _check_tiers(policy: CapacityPolicy) -> Iterator[PolicyFault]:
    names = [tier.name for tier in policy.tiers]
    for index, tier in enumerate(policy.tiers):
        for number, other in enumerate(tier.depends_on):
            at: Path = ("spec", "tiers", index, "dependsOn", number)
            if other not in names:
                yield PolicyFault(at, f"there is no tier {other}")
            elif names.index(other) <= index:
                why = f"{other} is lowered before {tier.name}, which needs it; put it further down"
                yield PolicyFault(at, why)
    for number, other in enumerate(policy.approval.tiers):
        if other not in names:
            at = ("spec", "approval", "down", "requiredIf", "tiers", number)
            yield PolicyFault(at, f"there is no tier {other}")


def _check_targets(policy: CapacityPolicy) -> Iterator[PolicyFault]:
    seen: dict[str, str] = {}
    for index, tier in enumerate(policy.tiers):
        for number, target in enumerate(tier.targets):
            at: Path = ("spec", "tiers", index, "targets", number)
            yield from (PolicyFault(at, why) for why in _target_faults(target, policy))
            name = _full_name(target)
            first = seen.setdefault(name, f"spec.tiers[{index}].targets[{number}]")
            if name and first != f"spec.tiers[{index}].targets[{number}]":
                yield PolicyFault(at, f"{name} is {first} already")


def _full_name(target: Target) -> str:
    """Give ``Kind/namespace/name`` of what is named; "" of what a selector chooses."""
    if isinstance(target, PoolTarget):
        return f"{target.kind}/{target.name}"
    chosen = target.selection
    return f"{target.kind}/{chosen.namespace}/{chosen.name}" if chosen.name else ""


def _target_faults(target: Target, policy: CapacityPolicy) -> Iterator[str]:
    if isinstance(target, PoolTarget):
        return
    namespace = target.selection.namespace
    if namespace in policy.protect.namespaces:
        yield f"the namespace {namespace} is protected; it would never be lowered"
    if isinstance(target, AutoscalerTarget) and target.min > target.max:
        yield f"min {target.min} is above max {target.max}"
    if isinstance(target, WorkloadTarget) and target.quorum > target.replicas:
        yield f"{target.replicas} replicas are below the quorum of {target.quorum}"
    if isinstance(target, AutoscalerTarget | WorkloadTarget) and target.connection_budget:
        yield from _budget_faults(target, target.connection_budget, policy)


def _budget_faults(
    target: AutoscalerTarget | WorkloadTarget, name: str, policy: CapacityPolicy
) -> Iterator[str]:
    budget = policy.budgets.get(name)
    chosen = target.selection
    if budget is None:
        yield f"there is no connection budget {name}"
    elif chosen.name is None or chosen.namespace is None:
        yield "a connection budget is for one workload; give its ns and name"
    elif budget.consumer(chosen.namespace, chosen.name) is None:
        yield f"{chosen.namespace}/{chosen.name} is no consumer of the connection budget {name}"


def _check_pools(policy: CapacityPolicy) -> Iterator[PolicyFault]:
    for index, pool in enumerate(policy.node_pools):
        at: Path = ("spec", "nodePools", index)
        if pool.name in policy.protect.node_pools:
            why = f"{pool.name} is protected; take it out of one of the two lists"
            yield PolicyFault((*at, "name"), why)
        yield from (PolicyFault((*at, "weekend"), why) for why in _bound_faults(pool))


def _bound_faults(pool: NodePool) -> Iterable[str]:
    bounds = pool.bounds
    if bounds.min > bounds.max:
        yield f"min {bounds.min} is above max {bounds.max}"
    elif not bounds.min <= bounds.target <= bounds.max:
        yield f"target {bounds.target} is not from min {bounds.min} to max {bounds.max}"


def _check_budgets(policy: CapacityPolicy) -> Iterator[PolicyFault]:
    for name, budget in policy.budgets.items():
        if budget.max_connections is None:
            continue  # only the database knows; asked when the plan is made
        why = why_overdrawn(budget, budget.max_connections, _replicas_at_most(budget, policy))
        if why is not None:
            yield PolicyFault(("spec", "connectionBudgets", name), why)


def _replicas_at_most(budget: ConnectionBudget, policy: CapacityPolicy) -> dict[str, int]:
    """Give the most replicas that each consumer may have in a window, as the policy says."""
    found = {}
    for _, target in policy.targets():
        if not isinstance(target, AutoscalerTarget | WorkloadTarget):
            continue
        if target.connection_budget == budget.name and target.selection.name:
            most = target.max if isinstance(target, AutoscalerTarget) else target.replicas
            found[f"{target.selection.namespace}/{target.selection.name}"] = most
    return found


def _check_measures(policy: CapacityPolicy) -> Iterator[PolicyFault]:
    asks = bool(policy.guard.signals) or any(True for _ in policy.measures())
    if policy.prometheus is None and asks:
        yield PolicyFault(("spec", "prometheus"), "lacks the connection that answers the measures")
