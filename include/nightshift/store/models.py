"""The tables. Times are timestamptz; ``id`` is a bigint identity; text columns are never NULL.

There is no row per finding and night: an unchanged finding costs no write. When it was last seen
is its pair's row in ``latest_scans``; spans answer what was open as of any batch.
"""

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_EMPTY = text("''")
_ZERO = text("0")
_LIST = text("'[]'::jsonb")
_OBJECT = text("'{}'::jsonb")
_OPEN = text("state IN ('open', 'reopened')")

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Root of the tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this class attribute
        str: Text,
        int: BigInteger,
        bytes: LargeBinary,
        dt.datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[str]: ARRAY(Text),
    }


def _id() -> Mapped[int]:
    return mapped_column(BigInteger, Identity(), primary_key=True)


def _text() -> Mapped[str]:
    return mapped_column(Text, server_default=_EMPTY)


def _count() -> Mapped[int]:
    return mapped_column(BigInteger, server_default=_ZERO)


class Account(Base):
    """Who owns repositories."""

    __tablename__ = "accounts"

    id: Mapped[int] = _id()
    provider: Mapped[str] = _text()
    name: Mapped[str] = mapped_column(unique=True)
    weight: Mapped[int] = mapped_column(server_default=text("1"))
    max_pods: Mapped[int | None]
    max_bytes: Mapped[int | None]
    secret_ref: Mapped[str] = _text()
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))


class Repository(Base):
    """One repository of an account; ``name`` is its folder on the volume."""

    __tablename__ = "repositories"
    __table_args__ = (
        UniqueConstraint("account_id", "remote", "ref"),
        UniqueConstraint("account_id", "name", deferrable=True, initially="DEFERRED"),
    )

    id: Mapped[int] = _id()
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    remote: Mapped[str]
    ref: Mapped[str] = _text()
    seen_commit: Mapped[str] = _text()
    size_bytes: Mapped[int] = _count()
    files: Mapped[int] = _count()


class Scanner(Base):
    """One version of a scanner with one set of rules."""

    __tablename__ = "scanners"
    __table_args__ = (UniqueConstraint("name", "version", "rules_digest", "image_digest"),)

    id: Mapped[int] = _id()
    name: Mapped[str]
    version: Mapped[str]
    rules_digest: Mapped[str] = _text()
    image_digest: Mapped[str] = _text()
    finds_secrets: Mapped[bool] = mapped_column(server_default=text("false"))


class Batch(Base):
    """One night's work. ``totals`` is the summary at the moment it was sealed."""

    __tablename__ = "batches"
    __table_args__ = (
        CheckConstraint("state IN ('planning', 'running', 'sealed', 'aborted')", name="state"),
    )

    id: Mapped[int] = _id()
    dag_run_id: Mapped[str] = mapped_column(unique=True)
    night: Mapped[dt.date]
    state: Mapped[str] = mapped_column(server_default=text("'planning'"))
    reason: Mapped[str] = _text()
    unchanged: Mapped[int] = _count()
    opened_at: Mapped[dt.datetime]
    sealed_at: Mapped[dt.datetime | None]
    totals: Mapped[dict[str, Any]] = mapped_column(server_default=_OBJECT)
    placement: Mapped[dict[str, Any]] = mapped_column(server_default=_OBJECT)


class Checkout(Base):
    """One repository at one commit, fetched for a batch; ``path`` is below the workspace root."""

    __tablename__ = "checkouts"

    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id"), primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id"), primary_key=True)
    remote: Mapped[str]
    commit_id: Mapped[str] = _text()
    path: Mapped[str] = _text()
    shard: Mapped[str] = _text()
    state: Mapped[str] = mapped_column(server_default=text("'planned'"))
    reason: Mapped[str] = _text()
    message: Mapped[str] = _text()
    bytes: Mapped[int] = _count()
    files: Mapped[int] = _count()
    seconds: Mapped[float] = mapped_column(server_default=_ZERO)
    left_out: Mapped[list[Any]] = mapped_column(server_default=_LIST)
    left_out_count: Mapped[int] = _count()
    tampering: Mapped[list[Any]] = mapped_column(server_default=_LIST)


class Shard(Base):
    """One pod's work: where it was planned to run and where it ran."""

    __tablename__ = "shards"

    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id"), primary_key=True)
    shard: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    plan: Mapped[dict[str, Any]] = mapped_column(server_default=_OBJECT)
    planned_node: Mapped[str] = _text()
    expected_seconds: Mapped[float] = mapped_column(server_default=_ZERO)
    node: Mapped[str] = _text()
    pod: Mapped[str] = _text()
    terminated_reason: Mapped[str] = _text()
    started_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]


class Scan(Base):
    """One scanner on one repository at one commit: the unit of truth."""

    __tablename__ = "scans"
    __table_args__ = (
        ForeignKeyConstraint(
            ["batch_id", "repository_id"], ["checkouts.batch_id", "checkouts.repository_id"]
        ),
        UniqueConstraint("batch_id", "account_id", "scan"),
        Index(None, "batch_id", "state"),
        Index(None, "repository_id", "scanner", "batch_id"),
    )

    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id"), primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id"), primary_key=True)
    scanner_id: Mapped[int] = mapped_column(ForeignKey("scanners.id"), primary_key=True)
    scan: Mapped[str]
    scanner: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    commit_id: Mapped[str] = _text()
    cache_key: Mapped[str] = _text()
    asked_cpu_millis: Mapped[int] = _count()
    asked_memory_bytes: Mapped[int] = _count()
    asked_seconds: Mapped[int] = _count()
    priority: Mapped[int] = _count()
    shard: Mapped[str] = _text()
    state: Mapped[str] = mapped_column(server_default=text("'planned'"))
    reason: Mapped[str] = _text()
    message: Mapped[str] = _text()
    attempt: Mapped[int] = _count()
    exit_code: Mapped[int | None]
    started_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    cpu_seconds: Mapped[float] = mapped_column(server_default=_ZERO)
    peak_bytes: Mapped[int] = _count()
    files_expected: Mapped[int] = _count()
    files_scanned: Mapped[int | None]
    skipped: Mapped[list[Any]] = mapped_column(server_default=_LIST)
    confinement: Mapped[list[Any]] = mapped_column(server_default=_LIST)
    tampering: Mapped[list[Any]] = mapped_column(server_default=_LIST)
    may_close: Mapped[bool] = mapped_column(server_default=text("false"))
    why_not_close: Mapped[str] = _text()
    suspect: Mapped[bool] = mapped_column(server_default=text("false"))
    sarif_sha256: Mapped[str] = _text()
    results: Mapped[int] = _count()
    new: Mapped[int] = _count()
    by_upgrade: Mapped[int] = _count()
    fixed: Mapped[int] = _count()
    reopened: Mapped[int] = _count()
    unproved: Mapped[int] = _count()


class LatestScan(Base):
    """What was last found out about a repository and a scanner.

    ``cache_key`` decides whether a scan may be skipped; ``proof_*`` is the last scan that could
    close findings. A suspect scan changes only ``suspect_batch_id``: it is not believed yet.
    """

    __tablename__ = "latest_scans"

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id"), primary_key=True)
    scanner: Mapped[str] = mapped_column(primary_key=True)
    batch_id: Mapped[int]
    cache_key: Mapped[str] = _text()
    commit_id: Mapped[str] = _text()
    scanner_id: Mapped[int]
    proof_commit_id: Mapped[str] = _text()
    proof_scanner_id: Mapped[int] = _count()
    suspect_batch_id: Mapped[int | None]
    scanned_at: Mapped[dt.datetime]
    verified_at: Mapped[dt.datetime]
    verified_batch_id: Mapped[int]


class Rule(Base):
    """A rule of a scanner, as its newest report describes it."""

    __tablename__ = "rules"
    __table_args__ = (UniqueConstraint("scanner", "rule"),)

    id: Mapped[int] = _id()
    scanner: Mapped[str]
    rule: Mapped[str]
    title: Mapped[str] = _text()
    cwe: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    level: Mapped[str] = _text()
    help_uri: Mapped[str] = _text()


class ScannerRule(Base):
    """Which version of a scanner is known to have which rule; else absence proves nothing."""

    __tablename__ = "scanner_rules"

    scanner_id: Mapped[int] = mapped_column(ForeignKey("scanners.id"), primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("rules.id"), primary_key=True)


class Finding(Base):
    """A result, once stored and tracked. Its key is unique for ever."""

    __tablename__ = "findings"
    __table_args__ = (
        UniqueConstraint("repository_id", "rule_id", "scheme", "fingerprint", "ordinal"),
        Index(None, "account_id", text("severity DESC"), text("id DESC"), postgresql_where=_OPEN),
        Index(None, "repository_id", "scanner", "state"),
        Index(None, "opened_batch_id"),
        Index(None, "closed_batch_id", postgresql_where=text("closed_batch_id IS NOT NULL")),
        {"postgresql_with": {"fillfactor": 85}},
    )

    id: Mapped[int] = _id()
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id"))
    scanner: Mapped[str]
    rule_id: Mapped[int] = mapped_column(ForeignKey("rules.id"))
    scheme: Mapped[int] = mapped_column(SmallInteger)
    fingerprint: Mapped[bytes]
    ordinal: Mapped[int]
    context: Mapped[bytes]
    path: Mapped[str]
    line: Mapped[int]
    blob: Mapped[str] = _text()
    severity: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str]
    author_ignores: Mapped[bool] = mapped_column(server_default=text("false"))
    message: Mapped[str]
    snippet: Mapped[str] = _text()
    opened_batch_id: Mapped[int]
    closed_batch_id: Mapped[int | None]
    unproved: Mapped[int] = _count()
    first_seen_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]


class FindingSpan(Base):
    """A time in which a finding was open; ``closed_batch_id`` is NULL while it is."""

    __tablename__ = "finding_spans"

    finding_id: Mapped[int] = mapped_column(ForeignKey("findings.id"), primary_key=True)
    opened_batch_id: Mapped[int] = mapped_column(primary_key=True)
    closed_batch_id: Mapped[int | None]


class FindingEvent(Base):
    """What happened to a finding, by whom."""

    __tablename__ = "finding_events"
    __table_args__ = (Index(None, "finding_id", "at"), Index(None, "batch_id"))

    id: Mapped[int] = _id()
    at: Mapped[dt.datetime]
    finding_id: Mapped[int] = mapped_column(ForeignKey("findings.id"))
    batch_id: Mapped[int]
    actor: Mapped[str]
    event: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=_OBJECT)


class Workspace(Base):
    """A volume's tree of one account and batch, from its lease to its deletion."""

    __tablename__ = "workspaces"
    __table_args__ = (CheckConstraint("state IN ('in_use', 'trash', 'deleted')", name="state"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id"), primary_key=True)
    path: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'in_use'"))
    reason: Mapped[str] = _text()
    leased_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]


class Heartbeat(Base):
    """One row that the writer touches; a replica's lag is its age there."""

    __tablename__ = "heartbeat"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    at: Mapped[dt.datetime]
