"""A capacity policy: what rests, when, how far, and what must hold meanwhile.

Made by ``config.capacity_policies``; a value of this type has passed the schema, and its names
refer to what there is. ``policy_checks`` says what else could go wrong before Friday.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

from nightshift.domain.capacity.budgets import ConnectionBudget
from nightshift.domain.capacity.policies_pools import Limits, NodePool
from nightshift.domain.capacity.policies_rules import (
    Approval,
    Cost,
    Guard,
    Notification,
    NotifyOn,
    RestoreRules,
)
from nightshift.domain.capacity.policies_targets import Measure, Target, TargetKind, Tier
from nightshift.domain.capacity.selectors import LabelSelector
from nightshift.domain.windows.schedules import Schedule

PolicyName = NewType("PolicyName", str)
"""1 to 40 of ``a-z 0-9 -``, no dash at either end: part of names, labels and identities."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def parse_policy_name(text: str) -> PolicyName:
    """Check a policy's name.

    :raises ValueError: with the rule, when it does not hold.
    """
    if not _NAME.fullmatch(text):
        raise ValueError("a policy's name is 1 to 40 of a-z, 0-9 and -, with no - at either end")
    return PolicyName(text)


class Mode(StrEnum):
    """How far a policy goes. What was lowered is restored in every mode."""

    OFF = "off"
    OBSERVE = "observe"  # plan and report, change nothing
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Protection:
    """What no plan touches, whatever the tiers say.

    :param pods: pods that are waited for and never evicted.
    """

    namespaces: frozenset[str] = frozenset({"kube-system"})
    node_pools: frozenset[str] = frozenset()
    pods: tuple[LabelSelector, ...] = ()


@dataclass(frozen=True, slots=True)
class CapacityPolicy:
    """One policy, checked.

    :param cluster: the cluster that it is for, in the owner's words; shown, and part of the lock.
    :param tiers: in the order in which they are lowered.
    :param approval: of lowering; raising never waits for anybody.
    :param budgets: connection budgets by name.
    :param prometheus: the Airflow connection that answers measures; None where there are none.
    :param digest: SHA-256 of the policy and of the calendar and price files that it names, in hex:
        equal digests are the same policy.
    """

    name: PolicyName
    owner: str
    cluster: str
    mode: Mode
    schedule: Schedule
    tiers: tuple[Tier, ...]
    node_pools: tuple[NodePool, ...] = ()
    protect: Protection = field(default_factory=Protection)
    approval: Approval = field(default_factory=Approval)
    limits: Limits = field(default_factory=Limits)
    restore: RestoreRules = field(default_factory=RestoreRules)
    budgets: Mapping[str, ConnectionBudget] = field(default_factory=lambda: MappingProxyType({}))
    guard: Guard = field(default_factory=Guard)
    cost: Cost | None = None
    notify: tuple[Notification, ...] = ()
    prometheus: str | None = None
    digest: str = ""

    def targets(self, kind: TargetKind | None = None) -> Iterator[tuple[Tier, Target]]:
        """Give every target of ``kind`` (None is every kind) with its tier, in the file's order."""
        for tier in self.tiers:
            for target in tier.targets:
                if kind is None or target.kind is kind:
                    yield tier, target

    def measures(self) -> Iterator[Measure]:
        """Give everything that Prometheus is asked."""
        for tier in self.tiers:
            yield from tier.verify
        yield from self.limits.abort_if

    def told_of(self, event: NotifyOn) -> Iterator[Notification]:
        """Give everybody who is told of an event."""
        return (one for one in self.notify if event in one.on)

    def is_protected(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a pod or workload with these labels must be left alone."""
        if namespace in self.protect.namespaces:
            return True
        return any(selector.matches(labels) for selector in self.protect.pods)
