"""The arithmetic of a HorizontalPodAutoscaler, to explain and to test what a policy will do.

Source: Kubernetes 1.36, pkg/controller/podautoscaler/horizontal.go and replica_calculator.go. What
matters most to us: desired is the largest over all metrics; a broken metric stops scaling down but
not up; above the maximum or below the minimum it jumps there at once, past ``behavior``; at 0
replicas it is disabled. Its history is in memory: a restarted controller knows no earlier events.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

TOLERANCE = 0.1
"""A metric this near to its target changes nothing (``--horizontal-pod-autoscaler-tolerance``)."""
SYNC_PERIOD = dt.timedelta(seconds=15)


class PolicyType(StrEnum):
    """What a rate limit counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class SelectPolicy(StrEnum):
    """Which of several rate limits counts."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """A rate limit: at most ``value`` pods or percent a period."""

    type: PolicyType
    value: int
    period: dt.timedelta


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """One direction of ``behavior``.

    :param window: the most careful recommendation of so long counts.
    """

    window: dt.timedelta
    select: SelectPolicy
    policies: tuple[RatePolicy, ...]

    def to_json(self) -> dict[str, Any]:
        """Write it as the API has it."""
        return {
            "stabilizationWindowSeconds": int(self.window.total_seconds()),
            "selectPolicy": str(self.select),
            "policies": [
                {
                    "type": str(one.type),
                    "value": one.value,
                    "periodSeconds": int(one.period.total_seconds()),
                }
                for one in self.policies
            ],
        }


@dataclass(frozen=True, slots=True)
class Behavior:
    """Both directions."""

    up: ScalingRules
    down: ScalingRules

    def to_json(self) -> dict[str, Any]:
        """Write it as ``spec.behavior``."""
        return {"scaleUp": self.up.to_json(), "scaleDown": self.down.to_json()}

    def frozen(self) -> "Behavior":
        """Give it with scaling up switched off; scaling down goes on."""
        return replace(self, up=replace(self.up, select=SelectPolicy.DISABLED))


def _rules(
    window: int, select: SelectPolicy, *policies: tuple[PolicyType, int, int]
) -> ScalingRules:
    made = (RatePolicy(kind, value, dt.timedelta(seconds=s)) for kind, value, s in policies)
    return ScalingRules(dt.timedelta(seconds=window), select, tuple(made))


_PODS, _PERCENT = PolicyType.PODS, PolicyType.PERCENT
DEFAULT = Behavior(
    _rules(0, SelectPolicy.MAX, (_PODS, 4, 15), (_PERCENT, 100, 15)),
    _rules(300, SelectPolicy.MAX, (_PERCENT, 100, 15)),
)
"""What the API server fills in."""
_SLOWLY_DOWN = _rules(600, SelectPolicy.MIN, (_PODS, 1, 120), (_PERCENT, 10, 120))
GUARDED = Behavior(_rules(120, SelectPolicy.MIN, (_PODS, 2, 60), (_PERCENT, 50, 60)), _SLOWLY_DOWN)
"""For services: a spike of a minute and a half adds nothing, real load is followed in minutes."""
GUARDED_WORKERS = Behavior(
    _rules(60, SelectPolicy.MAX, (_PODS, 4, 60), (_PERCENT, 100, 60)), _SLOWLY_DOWN
)
"""For workers, which follow their queue and not their CPU."""
GUARDED_STORAGE = Behavior(_rules(300, SelectPolicy.MIN, (_PODS, 1, 180)), _SLOWLY_DOWN)
"""For stores, where each pod takes connections."""


def desired_for_metric(current: int, value: float, target: float) -> int:
    """Give the replicas that one metric asks for.

    :param current: ready replicas.
    :param value: the metric's average over them; ``target`` is what it should be, above 0.
    :raises ValueError: if ``target`` is not above 0 or ``value`` is no number.

    >>> desired_for_metric(4, 90, 60), desired_for_metric(4, 65, 60)
    (6, 4)
    """
    if target <= 0 or not math.isfinite(value):
        raise ValueError(f"a metric of {value} with the target {target} says nothing")
    ratio = value / target
    if 1 - TOLERANCE <= ratio <= 1 + TOLERANCE:
        return current
    return math.ceil(ratio * current)


def desired_of(current: int, asked: Sequence[int | None]) -> int:
    """Give the replicas that all metrics together ask for.

    :param asked: of each metric; None is one that is broken.
    """
    known = [one for one in asked if one is not None]
    most = max(known, default=current)
    return max(most, current) if len(known) < len(asked) else most


def desired_workers(queued: int, running: int, slots: int) -> int:
    """Give the workers that a queue asks for, each with ``slots`` tasks at a time.

    >>> desired_workers(queued=13, running=4, slots=8)
    3
    """
    return -(-(queued + running) // slots)


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that a controller remembers: a recommendation, or a change of replicas."""

    at: dt.datetime
    replicas: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What a controller remembers of one autoscaler.

    :param changes: pods added (above 0) or taken away.
    """

    recommendations: tuple[Moment, ...] = ()
    changes: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """``minReplicas`` and ``maxReplicas``."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Scaled:
    """What one sync gives.

    :param reason: what decided.
    """

    replicas: int
    reason: str
    memory: Memory = field(default_factory=Memory)


def sync(
    current: int,
    desired: int,
    bounds: Bounds,
    behavior: Behavior,
    memory: Memory,
    now: dt.datetime,
) -> Scaled:
    """Do what the controller does every SYNC_PERIOD.

    :param desired: what the metrics ask for.
    """
    if current == 0 and bounds.least != 0:
        return Scaled(0, "disabled: somebody set 0 replicas", memory)
    if current > bounds.most:
        return _changed(current, bounds.most, "above the maximum: at once", memory, now)
    if current < bounds.least:
        return _changed(current, bounds.least, "below the minimum: at once", memory, now)
    steady, memory = _stabilize(current, desired, behavior, memory, now)
    if steady > current:
        limit = max(current, _up_limit(current, behavior.up, memory, now))
        return _changed(current, min(steady, limit, bounds.most), "scaled up", memory, now)
    if steady < current:
        limit = min(current, _down_limit(current, behavior.down, memory, now))
        return _changed(current, max(steady, limit, bounds.least), "scaled down", memory, now)
    return Scaled(current, "as it is", memory)


def _stabilize(
    current: int, desired: int, behavior: Behavior, memory: Memory, now: dt.datetime
) -> tuple[int, Memory]:
    """Take the lowest recommendation for going up and the highest for going down."""
    seen = memory.recommendations
    up = min([desired, *(m.replicas for m in seen if m.at > now - behavior.up.window)])
    down = max([desired, *(m.replicas for m in seen if m.at > now - behavior.down.window)])
    steady = min(max(current, up), down)
    longest = max(behavior.up.window, behavior.down.window)
    kept = tuple(m for m in seen if m.at > now - longest)
    return steady, replace(memory, recommendations=(*kept, Moment(now, desired)))


def _up_limit(current: int, rules: ScalingRules, memory: Memory, now: dt.datetime) -> int:
    if rules.select is SelectPolicy.DISABLED:
        return current
    limits = []
    for policy in rules.policies:
        start = current - _change_within(policy.period, memory, now)
        if policy.type is PolicyType.PODS:
            limits.append(start + policy.value)
        else:
            limits.append(math.ceil(start * (1 + policy.value / 100)))
    return max(limits) if rules.select is SelectPolicy.MAX else min(limits)


def _down_limit(current: int, rules: ScalingRules, memory: Memory, now: dt.datetime) -> int:
    if rules.select is SelectPolicy.DISABLED:
        return current
    limits = []
    for policy in rules.policies:
        start = current - _change_within(policy.period, memory, now)
        if policy.type is PolicyType.PODS:
            limits.append(start - policy.value)
        else:
            limits.append(int(start * (1 - policy.value / 100)))
    return min(limits) if rules.select is SelectPolicy.MAX else max(limits)


def _change_within(period: dt.timedelta, memory: Memory, now: dt.datetime) -> int:
    return sum(one.replicas for one in memory.changes if one.at > now - period)


def _changed(current: int, to: int, reason: str, memory: Memory, now: dt.datetime) -> Scaled:
    if to == current:
        return Scaled(current, f"held: {reason}", memory)
    kept = [one for one in memory.changes if one.at > now - dt.timedelta(hours=1)]
    return Scaled(to, reason, replace(memory, changes=(*kept, Moment(now, to - current))))
