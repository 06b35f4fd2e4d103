"""The tables of the weekend."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OPEN = "state IN ('intent', 'applied', 'restoring')"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)


def _word(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _json(name: str, default: str | None = "'{}'::jsonb") -> sa.Column[object]:
    return sa.Column(
        name,
        postgresql.JSONB(astext_type=sa.Text()),
        server_default=sa.text(default) if default else None,
        nullable=False,
    )


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """Apply this step."""
    _runs_and_steps()
    _leases()
    _events()
    _nodes_and_reports()


def _runs_and_steps() -> None:
    op.create_table(
        "capacity_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _word("run"),
        _word("kind"),
        _word("policy"),
        *map(_text, ("policy_digest", "window_id", "plan_hash")),
        _json("plan"),
        _json("approval"),
        sa.Column("state", sa.Text(), server_default=sa.text("'running'"), nullable=False),
        _text("reason"),
        _text("by"),
        _time("started_at"),
        _time("beat_at"),
        _time("finished_at", nullable=True),
        sa.CheckConstraint(
            "kind IN ('down', 'up', 'reconcile')", name=op.f("ck_capacity_run_kind")
        ),
        sa.CheckConstraint(
            "state IN ('running', 'done', 'compensated', 'rejected', 'failed')",
            name=op.f("ck_capacity_run_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capacity_run")),
        sa.UniqueConstraint("run", name=op.f("uq_capacity_run_run")),
    )
    op.create_index(
        op.f("ix_capacity_run_policy_started_at"), "capacity_run", ["policy", "started_at"]
    )
    op.create_table(
        "capacity_step",
        _number("run_id"),
        _number("order"),
        _word("action"),
        _text("tier"),
        _word("ref"),
        _text("lease"),
        _word("state"),
        _text("reason"),
        _json("detail"),
        _time("at"),
        _time("changed_at"),
        sa.CheckConstraint(
            "state IN ('intent', 'applied', 'verified', 'skipped', 'blocked', 'conflict',"
            " 'compensated', 'failed')",
            name=op.f("ck_capacity_step_state"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["capacity_run.id"], name=op.f("fk_capacity_step_run_id")
        ),
        sa.PrimaryKeyConstraint("run_id", "order", name=op.f("pk_capacity_step")),
    )
    op.create_index(op.f("ix_capacity_step_lease"), "capacity_step", ["lease"])


def _leases() -> None:
    op.create_table(
        "capacity_lease",
        *map(_word, ("lease", "policy", "window_id", "target_kind")),
        _text("namespace"),
        _word("name"),
        *map(_text, ("uid", "resource_version")),
        _json("before", None),
        _json("applied", None),
        _json("rules"),
        _text("saved"),
        _time("due"),
        _number("order"),
        _text("tier"),
        _word("state"),
        *map(_text, ("reason", "policy_digest", "plan_hash", "by")),
        _time("at", nullable=True),
        _time("changed_at"),
        sa.CheckConstraint(
            "state IN ('intent', 'applied', 'restoring', 'closed', 'dropped')",
            name=op.f("ck_capacity_lease_state"),
        ),
        sa.PrimaryKeyConstraint("lease", name=op.f("pk_capacity_lease")),
    )
    op.create_index(
        "uq_capacity_lease_open_target",
        "capacity_lease",
        ["target_kind", "namespace", "name"],
        unique=True,
        postgresql_where=sa.text(_OPEN),
    )
    op.create_index(
        op.f("ix_capacity_lease_policy_window_id"), "capacity_lease", ["policy", "window_id"]
    )


def _events() -> None:
    op.create_table(
        "capacity_event",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        _time("at"),
        _number("run_id", nullable=True),
        _text("actor"),
        _word("event"),
        _text("ref"),
        _json("detail"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capacity_event")),
    )
    op.create_index(op.f("ix_capacity_event_run_id"), "capacity_event", ["run_id"])
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION '% is append only', TG_TABLE_NAME; END $$"
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON capacity_event"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def _nodes_and_reports() -> None:
    op.create_table(
        "node_interval",
        *map(_word, ("cluster", "uid", "node")),
        *map(_text, ("pool", "instance_type")),
        _time("started_at"),
        _time("seen_at"),
        _time("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("cluster", "uid", name=op.f("pk_node_interval")),
    )
    op.create_index(
        op.f("ix_node_interval_cluster_started_at"), "node_interval", ["cluster", "started_at"]
    )
    op.create_table(
        "capacity_report",
        _word("policy"),
        _word("window_id"),
        _json("report", None),
        _time("at"),
        sa.PrimaryKeyConstraint("policy", "window_id", name=op.f("pk_capacity_report")),
    )
