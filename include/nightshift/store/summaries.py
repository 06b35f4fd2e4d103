"""What became of a batch, for its report, the terminal and the page."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from nightshift.domain.steering.outcomes import PlacementOutcome, ShardOutcome, sum_up
from nightshift.errors import NotFound
from nightshift.store.records import BatchId

_MAX_ROWS = 1_000
_MAX_SHARDS = 2_048
"""More than a run can have: its clone and scan pods are mapped tasks, of which Airflow makes 1,024
each. A cut list would give wrong hit rates."""


@dataclass(frozen=True, slots=True)
class BatchTotals:
    """A batch in numbers.

    :param outcomes: scans by outcome, then by reason.
    :param unchanged: scans that were not needed.
    :param by_upgrade: of ``new``, those at an unchanged commit: the scanner changed, not the code.
    :param open_findings: open findings of all repositories now, by severity (0 to 4): a night that
        skips what is unchanged must not look clean.
    """

    scans: int
    open_scans: int
    outcomes: dict[str, dict[str, int]]
    unchanged: int
    results: int
    new: int
    by_upgrade: int
    fixed: int
    reopened: int
    unproved: int
    suspect: int
    cpu_seconds: float
    open_findings: dict[int, int]


@dataclass(frozen=True, slots=True)
class RepositorySummary:
    """One repository of a batch; ``findings`` are open now, by severity (0 to 4)."""

    account: str
    repository: str
    commit: str
    checkout: str
    scans: int
    not_succeeded: int
    new: int
    fixed: int
    reopened: int
    left_out: int
    findings: dict[int, int]


@dataclass(frozen=True, slots=True)
class UnfinishedScan:
    """A scan that says nothing about its repository, and why."""

    account: str
    repository: str
    scanner: str
    outcome: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class TamperingNote:
    """An attempt of a repository to escape or to silence its scan."""

    account: str
    repository: str
    kind: str
    path: str
    detail: str


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """A pod: where it was planned and where it ran; ``seconds`` is None while it runs.

    :param planned_node: by the newest plan; ``first_node`` by the first.
    :param predicted: the probability of meeting the planned node, and the rest: see ShardOutcome.
    """

    shard: str
    kind: str
    account: str
    scans: int
    planned_node: str
    node: str
    pod: str
    terminated_reason: str
    expected_seconds: float
    seconds: float | None
    predicted: float | None = None
    steering: str = ""
    wait_seconds: float | None = None
    start_seconds: float | None = None
    replanned: int = 0
    first_node: str = ""
    first_predicted: float | None = None


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """Everything that a report needs. Lists are cut at 1,000; shards and totals are not.

    :param not_scanned: scans that ended in anything but success or ``not_applicable``.
    """

    batch: int
    dag_run_id: str
    night: dt.date
    state: str
    reason: str
    opened_at: dt.datetime
    sealed_at: dt.datetime | None
    totals: BatchTotals
    repositories: tuple[RepositorySummary, ...]
    not_scanned: tuple[UnfinishedScan, ...]
    tampering: tuple[TamperingNote, ...]
    shards: tuple[ShardSummary, ...]
    placement: PlacementOutcome = field(default_factory=PlacementOutcome)


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A batch at this moment, cheap enough to ask for every second."""

    batch: int
    state: str
    checkouts: dict[str, int]
    scans: dict[str, int]
    new: int
    fixed: int
    reopened: int

    @property
    def ended(self) -> int:
        """How many scans have ended."""
        return sum(count for state, count in self.scans.items() if state != "planned")


def read_batch_progress(connection: Connection, batch: BatchId) -> BatchProgress:
    """Count what has ended so far, in two queries.

    :raises NotFound: if there is no such batch.
    """
    rows = connection.execute(
        text(
            "SELECT b.state AS batch_state, s.state, count(s.batch_id) AS scans,"
            " coalesce(sum(s.new), 0) AS new, coalesce(sum(s.fixed), 0) AS fixed,"
            " coalesce(sum(s.reopened), 0) AS reopened"
            " FROM batches b LEFT JOIN scans s ON s.batch_id = b.id"
            " WHERE b.id = :batch GROUP BY b.state, s.state"
        ),
        {"batch": batch},
    ).all()
    if not rows:
        raise NotFound(f"there is no batch {batch}")
    checkouts = _pairs(
        connection,
        "SELECT state, count(*) FROM checkouts WHERE batch_id = :batch GROUP BY 1",
        batch=batch,
    )
    return BatchProgress(
        batch=batch,
        state=rows[0].batch_state,
        checkouts=dict(checkouts),
        scans={row.state: row.scans for row in rows if row.state is not None},
        new=int(sum(row.new for row in rows)),
        fixed=int(sum(row.fixed for row in rows)),
        reopened=int(sum(row.reopened for row in rows)),
    )


def read_batch_summary(connection: Connection, batch: BatchId) -> BatchSummary:
    """Sum a batch up. Findings count as they are now, so a sealed batch keeps its own totals.

    :raises NotFound: if there is no such batch.
    """
    row = connection.execute(
        text(
            "SELECT id, dag_run_id, night, state, reason, opened_at, sealed_at, unchanged,"
            " placement"
            " FROM batches WHERE id = :batch"
        ),
        {"batch": batch},
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no batch {batch}")
    shards = _read_shards(connection, batch)
    return BatchSummary(
        batch=row.id,
        dag_run_id=row.dag_run_id,
        night=row.night,
        state=row.state,
        reason=row.reason,
        opened_at=row.opened_at,
        sealed_at=row.sealed_at,
        totals=_read_totals(connection, batch, row.unchanged),
        repositories=_read_repositories(connection, batch),
        not_scanned=_read_not_scanned(connection, batch),
        tampering=_read_tampering(connection, batch),
        shards=shards,
        placement=sum_up(row.placement, [_outcome(s) for s in shards if s.kind == "scan"]),
    )


def _read_totals(connection: Connection, batch: BatchId, unchanged: int) -> BatchTotals:
    sums = connection.execute(
        text(
            "SELECT count(*) AS scans, count(*) FILTER (WHERE state = 'planned') AS open_scans,"
            " coalesce(sum(results), 0) AS results, coalesce(sum(new), 0) AS new,"
            " coalesce(sum(by_upgrade), 0) AS by_upgrade, coalesce(sum(fixed), 0) AS fixed,"
            " coalesce(sum(reopened), 0) AS reopened, coalesce(sum(unproved), 0) AS unproved,"
            " count(*) FILTER (WHERE suspect) AS suspect,"
            " coalesce(sum(cpu_seconds), 0) AS cpu_seconds"
            " FROM scans WHERE batch_id = :batch"
        ),
        {"batch": batch},
    ).one()
    outcomes: dict[str, dict[str, int]] = {}
    for state, reason, count in connection.execute(
        text(
            "SELECT state, reason, count(*) FROM scans WHERE batch_id = :batch"
            " AND state <> 'planned' GROUP BY 1, 2 ORDER BY 1, 2"
        ),
        {"batch": batch},
    ):
        outcomes.setdefault(state, {})[reason] = count
    by_severity = _pairs(
        connection,
        "SELECT severity, count(*) FROM findings"
        " WHERE state IN ('open', 'reopened') GROUP BY 1 ORDER BY 1 DESC",
    )
    numbers = {name: int(value) for name, value in sums._mapping.items() if name != "cpu_seconds"}
    return BatchTotals(
        outcomes=outcomes,
        unchanged=unchanged,
        open_findings=dict(by_severity),
        cpu_seconds=round(float(sums.cpu_seconds), 3),
        **numbers,
    )


def _read_repositories(connection: Connection, batch: BatchId) -> tuple[RepositorySummary, ...]:
    rows = connection.execute(
        text(
            "SELECT a.name AS account, r.name AS repository, c.commit_id AS commit,"
            " c.state AS checkout, c.left_out_count AS left_out, s.*, f.findings"
            " FROM checkouts c JOIN repositories r ON r.id = c.repository_id"
            " JOIN accounts a ON a.id = r.account_id"
            " LEFT JOIN LATERAL (SELECT count(*) AS scans, coalesce(sum(new), 0) AS new,"
            "   count(*) FILTER (WHERE state NOT IN ('succeeded', 'not_applicable', 'planned'))"
            "     AS not_succeeded,"
            "   coalesce(sum(fixed), 0) AS fixed, coalesce(sum(reopened), 0) AS reopened"
            "   FROM scans s WHERE s.batch_id = c.batch_id"
            "   AND s.repository_id = c.repository_id) s ON true"
            " LEFT JOIN LATERAL (SELECT jsonb_object_agg(severity, n) AS findings FROM ("
            "   SELECT severity, count(*) AS n FROM findings f"
            "   WHERE f.repository_id = c.repository_id AND f.state IN ('open', 'reopened')"
            "   GROUP BY 1) g) f ON true"
            " WHERE c.batch_id = :batch ORDER BY a.name, r.name LIMIT :most"
        ),
        {"batch": batch, "most": _MAX_ROWS},
    )
    return tuple(
        RepositorySummary(
            account=row.account,
            repository=row.repository,
            commit=row.commit,
            checkout=row.checkout,
            scans=row.scans,
            not_succeeded=row.not_succeeded,
            new=int(row.new),
            fixed=int(row.fixed),
            reopened=int(row.reopened),
            left_out=row.left_out,
            findings={int(severity): n for severity, n in (row.findings or {}).items()},
        )
        for row in rows
    )


def _read_not_scanned(connection: Connection, batch: BatchId) -> tuple[UnfinishedScan, ...]:
    rows = connection.execute(
        text(
            "SELECT a.name, r.name, s.scanner, s.state, s.reason, s.message"
            " FROM scans s JOIN repositories r ON r.id = s.repository_id"
            " JOIN accounts a ON a.id = s.account_id WHERE s.batch_id = :batch"
            " AND s.state NOT IN ('succeeded', 'not_applicable')"
            " ORDER BY a.name, r.name, s.scanner LIMIT :most"
        ),
        {"batch": batch, "most": _MAX_ROWS},
    )
    return tuple(UnfinishedScan(*row) for row in rows)


def _read_tampering(connection: Connection, batch: BatchId) -> tuple[TamperingNote, ...]:
    rows = connection.execute(
        text(
            "SELECT DISTINCT a.name, r.name, t ->> 'kind', t ->> 'path', t ->> 'detail'"
            " FROM (SELECT repository_id, tampering FROM checkouts WHERE batch_id = :batch"
            "   UNION ALL SELECT repository_id, tampering FROM scans WHERE batch_id = :batch) n"
            " CROSS JOIN LATERAL jsonb_array_elements(n.tampering) t"
            " JOIN repositories r ON r.id = n.repository_id"
            " JOIN accounts a ON a.id = r.account_id ORDER BY 1, 2, 3, 4, 5 LIMIT :most"
        ),
        {"batch": batch, "most": _MAX_ROWS},
    )
    return tuple(TamperingNote(*row) for row in rows)


def _read_shards(connection: Connection, batch: BatchId) -> tuple[ShardSummary, ...]:
    rows = connection.execute(
        text(
            "SELECT s.shard, s.kind, a.name,"
            " (SELECT count(*) FROM scans c WHERE c.batch_id = s.batch_id AND c.shard = s.shard),"
            " s.planned_node, s.node, s.pod, s.terminated_reason, s.expected_seconds,"
            " CAST(extract(epoch FROM s.finished_at - s.started_at) AS double precision),"
            " CAST(s.plan ->> 'predicted' AS double precision),"
            " coalesce(s.plan -> 'outcome' ->> 'steering', ''),"
            " CAST(s.plan -> 'outcome' ->> 'wait_seconds' AS double precision),"
            " CAST(s.plan -> 'outcome' ->> 'start_seconds' AS double precision),"
            " coalesce(CAST(s.plan ->> 'replanned' AS integer), 0),"
            " CASE WHEN s.plan ? 'first' THEN s.plan -> 'first' ->> 'node'"
            "  ELSE s.planned_node END,"
            " CAST(CASE WHEN s.plan ? 'first' THEN s.plan -> 'first' -> 'predicted'"
            "  ELSE s.plan -> 'predicted' END #>> '{}' AS double precision)"
            " FROM shards s JOIN accounts a ON a.id = s.account_id"
            " WHERE s.batch_id = :batch ORDER BY s.shard LIMIT :most"
        ),
        {"batch": batch, "most": _MAX_SHARDS},
    )
    return tuple(ShardSummary(*row) for row in rows)


def _outcome(shard: ShardSummary) -> ShardOutcome:
    return ShardOutcome(
        shard=shard.shard,
        planned=shard.planned_node,
        node=shard.node,
        predicted=shard.predicted,
        steering=shard.steering,
        wait_seconds=shard.wait_seconds,
        start_seconds=shard.start_seconds,
        replanned=shard.replanned,
        first=shard.first_node,
        first_predicted=shard.first_predicted,
    )


def _pairs(connection: Connection, query: str, **bound: object) -> list[tuple[Any, int]]:
    return [(key, count) for key, count in connection.execute(text(query), bound)]
