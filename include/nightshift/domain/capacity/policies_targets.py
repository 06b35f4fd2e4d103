"""What a policy lowers, tier by tier: one type a kind, each with only the fields that it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from nightshift.domain.capacity.selectors import LabelSelector


class TargetKind(StrEnum):
    """The kinds that can be lowered; the words are Kubernetes' and Airflow's."""

    AIRFLOW_POOL = "AirflowPool"
    CRON_JOB = "CronJob"
    AUTOSCALER = "HorizontalPodAutoscaler"
    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"


@dataclass(frozen=True, slots=True, order=True)
class TargetRef:
    """One object: ``Kind/namespace/name``; Airflow's pools have no namespace."""

    kind: TargetKind
    namespace: str
    name: str

    def __str__(self) -> str:
        """Write it as policies do."""
        parts = (self.kind, self.namespace, self.name)
        return "/".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind a target means: one by name, or those with some labels.

    :param namespace: None is every namespace that is not protected; never None with a name.
    :param name: None where a selector chooses.
    """

    namespace: str | None = None
    name: str | None = None
    selector: LabelSelector | None = None

    def matches(self, namespace: str, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether an object of the right kind is meant; protection is not looked at."""
        if self.namespace is not None and namespace != self.namespace:
            return False
        if self.name is not None and name != self.name:
            return False
        return self.selector is None or self.selector.matches(labels)

    def __str__(self) -> str:
        """Write it for people: ``app/worker``, ``*/[tier=batch]``."""
        return f"{self.namespace or '*'}/{self.name or f'[{self.selector}]'}"


@dataclass(frozen=True, slots=True)
class PoolTarget:
    """An Airflow pool and the slots that it has in a window."""

    kind: ClassVar[TargetKind] = TargetKind.AIRFLOW_POOL
    name: str
    slots: int


@dataclass(frozen=True, slots=True)
class CronJobTarget:
    """CronJobs to suspend.

    :param skip_missed: drop the runs that were missed; else the latest of them starts on resume.
    :param stagger: between two resumed CronJobs, so that they do not start together.
    """

    kind: ClassVar[TargetKind] = TargetKind.CRON_JOB
    selection: Selection
    skip_missed: bool = True
    stagger: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class AutoscalerTarget:
    """A HorizontalPodAutoscaler and its bounds in a window.

    :param connection_budget: the name of the budget that bounds the replicas that it may reach.
    """

    kind: ClassVar[TargetKind] = TargetKind.AUTOSCALER
    selection: Selection
    min: int
    max: int
    connection_budget: str | None = None


@dataclass(frozen=True, slots=True)
class WorkloadTarget:
    """A Deployment or StatefulSet that no autoscaler drives, and its replicas in a window.

    :param quorum: how many members must be ready at all times; 0 asks for nothing.
    """

    kind: TargetKind
    selection: Selection
    replicas: int
    quorum: int = 0
    connection_budget: str | None = None


Target = PoolTarget | CronJobTarget | AutoscalerTarget | WorkloadTarget


class OnTimeout(StrEnum):
    """What a barrier does when its pods are still there at the timeout."""

    SKIP_NODES = "skip_nodes"
    ABORT = "abort"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Barrier:
    """Wait, after a tier was lowered, until no pod matches ``no_pods``."""

    no_pods: LabelSelector
    timeout: timedelta
    on_timeout: OnTimeout


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that Prometheus gives, and the bound that it must keep.

    :param query: PromQL; a recording rule's name is one.
    :param below: it must be lower; None where ``above`` is the bound.
    :param above: it must be higher; None where ``below`` is the bound.
    :param hold: for how long without a break.
    """

    query: str
    below: float | None = None
    above: float | None = None
    hold: timedelta = timedelta(0)

    def holds(self, value: float) -> bool:
        """Tell whether ``value`` keeps the bound; not a number never does."""
        if self.below is not None:
            return value < self.below
        return self.above is not None and value > self.above


@dataclass(frozen=True, slots=True)
class Tier:
    """Targets that are lowered together; tiers go down in the file's order and up in reverse.

    :param depends_on: tiers that this one needs: they are lowered after it and raised before it.
    :param verify: what must hold once the tier was lowered or raised.
    """

    name: str
    targets: tuple[Target, ...]
    depends_on: tuple[str, ...] = ()
    barrier: Barrier | None = None
    verify: tuple[Measure, ...] = ()
