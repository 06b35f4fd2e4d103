"""The tables of the weekend: what was lowered, by which run, and everything that was done."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from nightshift.store.models import Base

_EMPTY = text("''")
_OBJECT = text("'{}'::jsonb")
OPEN_LEASE = text("state IN ('intent', 'applied', 'restoring')")


def _text() -> Mapped[str]:
    return mapped_column(Text, server_default=_EMPTY)


def _json() -> Mapped[dict[str, Any]]:
    return mapped_column(server_default=_OBJECT)


class CapacityRun(Base):
    """One attempt to lower, to raise or to mend; ``run`` is its name outside, such as a Dag run."""

    __tablename__ = "capacity_run"
    __table_args__ = (
        CheckConstraint("kind IN ('down', 'up', 'reconcile')", name="kind"),
        CheckConstraint(
            "state IN ('running', 'done', 'compensated', 'rejected', 'failed')", name="state"
        ),
        Index(None, "policy", "started_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    policy: Mapped[str]
    policy_digest: Mapped[str] = _text()
    window_id: Mapped[str] = _text()
    plan_hash: Mapped[str] = _text()
    plan: Mapped[dict[str, Any]] = _json()
    approval: Mapped[dict[str, Any]] = _json()
    state: Mapped[str] = mapped_column(server_default=text("'running'"))
    reason: Mapped[str] = _text()
    by: Mapped[str] = _text()
    started_at: Mapped[dt.datetime]
    beat_at: Mapped[dt.datetime]
    finished_at: Mapped[dt.datetime | None]


class CapacityLease(Base):
    """Our claim on one target. ``before`` and ``applied`` never change once they are written."""

    __tablename__ = "capacity_lease"
    __table_args__ = (
        CheckConstraint(
            "state IN ('intent', 'applied', 'restoring', 'closed', 'dropped')", name="state"
        ),
        Index(
            "uq_capacity_lease_open_target",
            "target_kind",
            "namespace",
            "name",
            unique=True,
            postgresql_where=OPEN_LEASE,
        ),
        Index(None, "policy", "window_id"),
    )

    lease: Mapped[str] = mapped_column(primary_key=True)
    policy: Mapped[str]
    window_id: Mapped[str]
    target_kind: Mapped[str]
    namespace: Mapped[str] = _text()
    name: Mapped[str]
    uid: Mapped[str] = _text()
    resource_version: Mapped[str] = _text()
    before: Mapped[dict[str, Any]]
    applied: Mapped[dict[str, Any]]
    rules: Mapped[dict[str, Any]] = _json()
    saved: Mapped[str] = _text()
    due: Mapped[dt.datetime]
    order: Mapped[int]
    tier: Mapped[str] = _text()
    state: Mapped[str]
    reason: Mapped[str] = _text()
    policy_digest: Mapped[str] = _text()
    plan_hash: Mapped[str] = _text()
    by: Mapped[str] = _text()
    at: Mapped[dt.datetime | None]
    changed_at: Mapped[dt.datetime]


class CapacityStep(Base):
    """What became of one action of a run."""

    __tablename__ = "capacity_step"
    __table_args__ = (
        CheckConstraint(
            "state IN ('intent', 'applied', 'verified', 'skipped', 'blocked', 'conflict',"
            " 'compensated', 'failed')",
            name="state",
        ),
        Index(None, "lease"),
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("capacity_run.id"), primary_key=True)
    order: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str]
    tier: Mapped[str] = _text()
    ref: Mapped[str]
    lease: Mapped[str] = _text()
    state: Mapped[str]
    reason: Mapped[str] = _text()
    detail: Mapped[dict[str, Any]] = _json()
    at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]


class CapacityEvent(Base):
    """What was done, in order, for ever: each row's hash covers the row before it."""

    __tablename__ = "capacity_event"
    __table_args__ = (Index(None, "run_id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[dt.datetime]
    run_id: Mapped[int | None]
    actor: Mapped[str] = _text()
    event: Mapped[str]
    ref: Mapped[str] = _text()
    detail: Mapped[dict[str, Any]] = _json()
    hash: Mapped[bytes]


class NodeInterval(Base):
    """A time for which a node was there and had to be paid for; open while it is."""

    __tablename__ = "node_interval"
    __table_args__ = (Index(None, "cluster", "started_at"),)

    cluster: Mapped[str] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str]
    pool: Mapped[str] = _text()
    instance_type: Mapped[str] = _text()
    started_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]


class CapacityReport(Base):
    """What one window saved, kept for the trend."""

    __tablename__ = "capacity_report"

    policy: Mapped[str] = mapped_column(primary_key=True)
    window_id: Mapped[str] = mapped_column(primary_key=True)
    report: Mapped[dict[str, Any]]
    at: Mapped[dt.datetime]
