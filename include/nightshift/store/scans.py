"""Reads a batch's scans, for planning them and for ingesting them."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from nightshift.domain.batches import ScanNeeds
from nightshift.domain.ids import AccountName, RepositoryName, ScanName, ScannerName, ShardName
from nightshift.domain.resources import Resources
from nightshift.store.records import BatchId, OpenScan

_QUERY = """
SELECT s.scan, a.name AS account, a.weight, r.name AS repository, r.id AS repository_id, c.remote,
       s.commit_id AS commit, s.scanner, s.scanner_id, k.finds_secrets, s.cache_key, s.shard,
       s.asked_cpu_millis, s.asked_memory_bytes, s.asked_seconds, s.priority,
       s.state, s.reason, c.state AS checkout_state, past.seconds, past.peak_bytes, r.size_bytes,
       missed.since
FROM scans s
JOIN checkouts c ON c.batch_id = s.batch_id AND c.repository_id = s.repository_id
JOIN repositories r ON r.id = s.repository_id
JOIN accounts a ON a.id = s.account_id
JOIN scanners k ON k.id = s.scanner_id
LEFT JOIN LATERAL (
    SELECT percentile_cont(0.5) WITHIN GROUP (
               ORDER BY extract(epoch FROM p.finished_at - p.started_at)
           ) AS seconds,
           max(p.peak_bytes) AS peak_bytes
    FROM (
        SELECT started_at, finished_at, peak_bytes FROM scans p
        WHERE p.repository_id = s.repository_id AND p.scanner = s.scanner
          AND p.batch_id < s.batch_id AND p.state = 'succeeded'
        ORDER BY p.batch_id DESC LIMIT 10
    ) p
) past ON true
LEFT JOIN LATERAL (
    SELECT min(b.opened_at) AS since
    FROM scans m JOIN batches b ON b.id = m.batch_id
    WHERE m.repository_id = s.repository_id AND m.scanner = s.scanner AND m.batch_id < s.batch_id
      AND m.state = 'not_run' AND m.reason IN ('night_over', 'cancelled')
      AND m.batch_id > coalesce((
          SELECT max(e.batch_id) FROM scans e
          WHERE e.repository_id = s.repository_id AND e.scanner = s.scanner
            AND e.batch_id < s.batch_id
            AND (e.state <> 'not_run' OR e.reason NOT IN ('night_over', 'cancelled'))
      ), 0)
) missed ON true
WHERE s.batch_id = :batch
"""


def list_scans(
    connection: Connection, batch: BatchId, *, only_open: bool = False
) -> tuple[OpenScan, ...]:
    """List a batch's scans by name, with what is known from earlier nights."""
    condition = " AND s.state = 'planned'" if only_open else ""
    return _read(connection, f"{_QUERY}{condition} ORDER BY a.name, s.scan", {"batch": batch})


def list_scans_of_shards(
    connection: Connection, batch: BatchId, account: AccountName, shards: Sequence[ShardName]
) -> tuple[OpenScan, ...]:
    """List what the pods of these shards were asked to do, ended or not."""
    return _read(
        connection,
        f"{_QUERY} AND a.name = :account AND s.shard = ANY(:shards) ORDER BY s.scan",
        {"batch": batch, "account": account, "shards": list(shards)},
    )


def _read(
    connection: Connection, query: str, parameters: dict[str, object]
) -> tuple[OpenScan, ...]:
    return tuple(
        OpenScan(
            scan=ScanName(row.scan),
            account=AccountName(row.account),
            repository=RepositoryName(row.repository),
            repository_id=row.repository_id,
            remote=row.remote,
            commit=row.commit,
            scanner=ScannerName(row.scanner),
            scanner_id=row.scanner_id,
            finds_secrets=row.finds_secrets,
            cache_key=row.cache_key,
            shard=row.shard,
            state=row.state,
            reason=row.reason,
            checkout_state=row.checkout_state,
            last_seconds=None if row.seconds is None else float(row.seconds),
            last_peak_bytes=row.peak_bytes or 0,
            last_bytes=row.size_bytes,
            account_weight=row.weight,
            waiting_since=row.since,
            needs=ScanNeeds(
                Resources(row.asked_cpu_millis, row.asked_memory_bytes),
                row.asked_seconds,
                row.priority,
            ),
        )
        for row in connection.execute(text(query), parameters)
    )
