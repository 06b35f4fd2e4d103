"""The first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("provider", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("weight", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("max_pods", sa.BigInteger(), nullable=True),
        sa.Column("max_bytes", sa.BigInteger(), nullable=True),
        sa.Column("secret_ref", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("dag_run_id", sa.Text(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'planning'"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "totals",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "placement",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('planning', 'running', 'sealed', 'aborted')", name=op.f("ck_batches_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("dag_run_id", name=op.f("uq_batches_dag_run_id")),
    )
    op.create_table(
        "heartbeat",
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_heartbeat_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heartbeat")),
    )
    op.create_table(
        "rules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("scanner", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "cwe", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("level", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("help_uri", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
        sa.UniqueConstraint("scanner", "rule", name=op.f("uq_rules_scanner_rule")),
    )
    op.create_table(
        "scanners",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("rules_digest", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("image_digest", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("finds_secrets", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scanners")),
        sa.UniqueConstraint(
            "name",
            "version",
            "rules_digest",
            "image_digest",
            name=op.f("uq_scanners_name_version_rules_digest_image_digest"),
        ),
    )
    op.create_table(
        "repositories",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("seen_commit", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("files", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_repositories_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repositories")),
        sa.UniqueConstraint(
            "account_id",
            "name",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("uq_repositories_account_id_name"),
        ),
        sa.UniqueConstraint(
            "account_id", "remote", "ref", name=op.f("uq_repositories_account_id_remote_ref")
        ),
    )
    op.create_table(
        "scanner_rules",
        sa.Column("scanner_id", sa.BigInteger(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"], name=op.f("fk_scanner_rules_rule_id")),
        sa.ForeignKeyConstraint(
            ["scanner_id"], ["scanners.id"], name=op.f("fk_scanner_rules_scanner_id")
        ),
        sa.PrimaryKeyConstraint("scanner_id", "rule_id", name=op.f("pk_scanner_rules")),
    )
    op.create_table(
        "shards",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "plan",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("planned_node", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("expected_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("node", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("pod", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("terminated_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_shards_account_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_shards_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", "shard", name=op.f("pk_shards")),
    )
    op.create_table(
        "workspaces",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'in_use'"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("leased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('in_use', 'trash', 'deleted')", name=op.f("ck_workspaces_state")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_workspaces_account_id")
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_workspaces_batch_id")),
        sa.PrimaryKeyConstraint("account_id", "batch_id", name=op.f("pk_workspaces")),
    )
    op.create_table(
        "checkouts",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("commit_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("path", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("shard", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'planned'"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("files", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "left_out",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("left_out_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "tampering",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_checkouts_batch_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_checkouts_repository_id")
        ),
        sa.PrimaryKeyConstraint("batch_id", "repository_id", name=op.f("pk_checkouts")),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("scanner", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("scheme", sa.SmallInteger(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("context", sa.LargeBinary(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author_ignores", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("snippet", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("opened_batch_id", sa.BigInteger(), nullable=False),
        sa.Column("closed_batch_id", sa.BigInteger(), nullable=True),
        sa.Column("unproved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_findings_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_findings_repository_id")
        ),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"], name=op.f("fk_findings_rule_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
        sa.UniqueConstraint(
            "repository_id",
            "rule_id",
            "scheme",
            "fingerprint",
            "ordinal",
            name=op.f("uq_findings_repository_id_rule_id_scheme_fingerprint_ordinal"),
        ),
        postgresql_with={"fillfactor": 85},
    )
    op.create_index(
        op.f("ix_findings_account_id"),
        "findings",
        ["account_id", sa.literal_column("severity DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("state IN ('open', 'reopened')"),
    )
    op.create_index(
        op.f("ix_findings_closed_batch_id"),
        "findings",
        ["closed_batch_id"],
        unique=False,
        postgresql_where=sa.text("closed_batch_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_findings_opened_batch_id"), "findings", ["opened_batch_id"], unique=False
    )
    op.create_index(
        op.f("ix_findings_repository_id_scanner_state"),
        "findings",
        ["repository_id", "scanner", "state"],
        unique=False,
    )
    op.create_table(
        "latest_scans",
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("scanner", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("cache_key", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("commit_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("scanner_id", sa.BigInteger(), nullable=False),
        sa.Column("proof_commit_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("proof_scanner_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("suspect_batch_id", sa.BigInteger(), nullable=True),
        sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_batch_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_latest_scans_repository_id")
        ),
        sa.PrimaryKeyConstraint("repository_id", "scanner", name=op.f("pk_latest_scans")),
    )
    op.create_table(
        "finding_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finding_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["findings.id"], name=op.f("fk_finding_events_finding_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding_events")),
    )
    op.create_index(
        op.f("ix_finding_events_batch_id"), "finding_events", ["batch_id"], unique=False
    )
    op.create_index(
        op.f("ix_finding_events_finding_id_at"),
        "finding_events",
        ["finding_id", "at"],
        unique=False,
    )
    op.create_table(
        "finding_spans",
        sa.Column("finding_id", sa.BigInteger(), nullable=False),
        sa.Column("opened_batch_id", sa.BigInteger(), nullable=False),
        sa.Column("closed_batch_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["findings.id"], name=op.f("fk_finding_spans_finding_id")
        ),
        sa.PrimaryKeyConstraint("finding_id", "opened_batch_id", name=op.f("pk_finding_spans")),
    )
    op.create_table(
        "scans",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("scanner_id", sa.BigInteger(), nullable=False),
        sa.Column("scan", sa.Text(), nullable=False),
        sa.Column("scanner", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("commit_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("cache_key", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("asked_cpu_millis", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "asked_memory_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("asked_seconds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("priority", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("shard", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'planned'"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("attempt", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("exit_code", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cpu_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("peak_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("files_expected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("files_scanned", sa.BigInteger(), nullable=True),
        sa.Column(
            "skipped",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "confinement",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "tampering",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("may_close", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("why_not_close", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("suspect", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("sarif_sha256", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("results", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("new", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("by_upgrade", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fixed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reopened", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unproved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_scans_account_id")),
        sa.ForeignKeyConstraint(
            ["batch_id", "repository_id"],
            ["checkouts.batch_id", "checkouts.repository_id"],
            name=op.f("fk_scans_batch_id_repository_id"),
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_scans_batch_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_scans_repository_id")
        ),
        sa.ForeignKeyConstraint(["scanner_id"], ["scanners.id"], name=op.f("fk_scans_scanner_id")),
        sa.PrimaryKeyConstraint("batch_id", "repository_id", "scanner_id", name=op.f("pk_scans")),
        sa.UniqueConstraint(
            "batch_id", "account_id", "scan", name=op.f("uq_scans_batch_id_account_id_scan")
        ),
    )
    op.create_index(op.f("ix_scans_batch_id_state"), "scans", ["batch_id", "state"], unique=False)
    op.create_index(
        op.f("ix_scans_repository_id_scanner_batch_id"),
        "scans",
        ["repository_id", "scanner", "batch_id"],
        unique=False,
    )
