"""What goes into the weekend's tables, as values."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NewType

from nightshift.domain.leases.records import LeaseId, StepState

RunId = NewType("RunId", int)


class RunKind(StrEnum):
    """What a run is for."""

    DOWN = "down"
    UP = "up"
    RECONCILE = "reconcile"


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    COMPENSATED = "compensated"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it begins.

    :param run: its name outside, unique: a Dag run's id, or a user and instant.
    :param by: who began it.
    """

    run: str
    kind: RunKind
    policy: str
    policy_digest: str = ""
    window_id: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as the store knows it.

    :param plan: as it was published; empty before.
    :param approval: who answered what, when; empty if nobody was asked.
    """

    id: RunId
    record: RunRecord
    state: RunState
    plan_hash: str
    plan: Mapping[str, Any]
    approval: Mapping[str, Any]
    reason: str
    started_at: dt.datetime
    beat_at: dt.datetime
    finished_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One action of a run, and what became of it.

    :param order: of the action in its plan; unique in the run.
    :param action: ``lower``, ``bounds`` or ``rest_node``.
    """

    order: int
    action: str
    ref: str
    state: StepState
    tier: str = ""
    lease: LeaseId | None = None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that was done or seen.

    :param ref: of the target, or of whatever else it is about.
    """

    event: str
    actor: str = ""
    ref: str = ""
    run_id: RunId | None = None
    detail: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node that is there now."""

    uid: str
    node: str
    pool: str = ""
    instance_type: str = ""
    created_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class NodeSpan:
    """A time for which a node was there.

    :param ended_at: None while it is.
    """

    uid: str
    node: str
    pool: str
    instance_type: str
    started_at: dt.datetime
    ended_at: dt.datetime | None
