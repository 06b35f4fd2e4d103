"""The rest of a policy: approval, restore, guard, cost and who is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from nightshift.domain.capacity.policies_targets import TargetRef


class Required(StrEnum):
    """When somebody must approve a plan."""

    NEVER = "never"
    ALWAYS = "always"
    CONDITIONS = "conditions"  # when one of Approval's conditions holds


class AfterTimeout(StrEnum):
    """What an approval that nobody gave means."""

    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Approval:
    """When a plan needs a person, and which.

    :param first_run: no run of this policy has ever been applied.
    :param policy_changed: the policy's digest is not that of the last run that was applied.
    :param nodes_removed_above_pct: the plan removes more than this share of nodes; None never asks.
    :param tiers: the plan lowers something in one of these.
    :param users: Airflow's user names; empty is everyone who may answer.
    :param timeout: after it the answer is ``on_timeout``; a default is never an approval.
    """

    required: Required = Required.CONDITIONS
    first_run: bool = True
    policy_changed: bool = True
    nodes_removed_above_pct: int | None = None
    tiers: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    timeout: timedelta = timedelta(hours=2)
    on_timeout: AfterTimeout = AfterTimeout.REJECT


class OnConflict(StrEnum):
    """What a restore sets where somebody changed a target in the meantime."""

    MAX = "max"
    BEFORE = "before"
    KEEP_LIVE = "keep_live"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Waves:
    """How autoscalers' minimums come back, since a raised minimum jumps at once.

    :param hpa_min_step: replicas a wave.
    :param max_pending: the next wave waits while as many pods are Pending.
    :param wait_ready: the next wave waits until the last one is ready.
    """

    hpa_min_step: int = 3
    every: timedelta = timedelta(minutes=2)
    max_pending: int = 20
    wait_ready: bool = True


@dataclass(frozen=True, slots=True)
class RestoreRules:
    """How Monday undoes Friday.

    :param exceptions: targets with a rule of their own.
    """

    waves: Waves = field(default_factory=Waves)
    on_conflict: OnConflict = OnConflict.MAX
    exceptions: Mapping[TargetRef, OnConflict] = field(default_factory=lambda: MappingProxyType({}))

    def rule_for(self, target: TargetRef) -> OnConflict:
        """Give the rule for one target."""
        return self.exceptions.get(target, self.on_conflict)


class SignalName(StrEnum):
    """What a surge is judged by; the words are the policy's."""

    REQUESTS = "requests"
    USEFUL_WORK = "usefulWork"
    REFUSALS = "refusals"
    SERVER_ERRORS = "serverErrors"
    CPU = "cpu"
    CLIENTS = "clients"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Guard:
    """When scale-up is frozen although demand asks for it.

    :param requests_ratio: requests against the same slot of earlier weeks; above it is a surge.
    :param useful_work_ratio: useful work a request against earlier weeks; below it is no real load.
    :param unready_pct: share of pods that are not ready.
    :param ttl: how long a freeze lasts at most.
    :param node_cap: nodes of the cluster; None is no cap.
    :param cost_alarm_ratio: cost against the forecast; None never alarms.
    :param signals: PromQL for each signal that is watched; each gives one number.
    """

    requests_ratio: float = 3.0
    useful_work_ratio: float = 0.5
    unready_pct: int = 30
    ttl: timedelta = timedelta(minutes=30)
    node_cap: int | None = None
    cost_alarm_ratio: float | None = 1.3
    signals: Mapping[SignalName, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a node costs an hour.

    :param currency: ISO 4217.
    :param node_hour: by instance type (``node.kubernetes.io/instance-type``); ``*`` is any other.
    """

    currency: str
    node_hour: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def price_of(self, instance_type: str) -> float | None:
        """Give the price of one hour of such a node; None if it is not known."""
        return self.node_hour.get(instance_type, self.node_hour.get("*"))


class NotifyOn(StrEnum):
    """What somebody can be told about."""

    PLAN = "plan"
    APPROVAL = "approval"
    BLOCKED = "blocked"
    FAILED = "failed"
    SAVINGS = "savings"


@dataclass(frozen=True, slots=True)
class Notification:
    """An Airflow connection, and what it is told."""

    conn_id: str
    on: frozenset[NotifyOn]
