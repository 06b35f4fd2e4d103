"""One night's work, from its opening to its seal. Every function may be called again."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from nightshift.domain.scans import Outcome, Reason
from nightshift.errors import Conflict, NotFound
from nightshift.store.faults import OpenScans
from nightshift.store.models import Batch, Checkout, LatestScan, Scan
from nightshift.store.records import (
    PLANNED,
    BatchId,
    Candidate,
    Ending,
    PlannedScan,
)
from nightshift.store.registry import RepositoryIds, RepositoryKey, find_repositories
from nightshift.store.summaries import read_batch_summary
from nightshift.store.values import as_json

_ADD_SCANS_LOCK = 0x7363616E73  # "scans": one adder at a time, so that no pair is in two batches


def open_batch(
    connection: Connection, dag_run_id: str, night: dt.date, now: dt.datetime
) -> BatchId:
    """Open a batch, or give the one that this run has opened before."""
    statement = insert(Batch).values(dag_run_id=dag_run_id, night=night, opened_at=now)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["dag_run_id"]))
    number = connection.execute(select(Batch.id).where(Batch.dag_run_id == dag_run_id))
    return BatchId(number.scalar_one())


def find_batch(connection: Connection, dag_run_id: str) -> BatchId | None:
    """Find the batch that a run has opened; None before it has."""
    number = connection.execute(select(Batch.id).where(Batch.dag_run_id == dag_run_id)).scalar()
    return None if number is None else BatchId(number)


def list_open_batches(connection: Connection) -> tuple[tuple[BatchId, str], ...]:
    """List batches that are neither sealed nor aborted, with the runs that opened them."""
    rows = connection.execute(
        select(Batch.id, Batch.dag_run_id).where(_is_open()).order_by(Batch.id)
    )
    return tuple((BatchId(number), run) for number, run in rows)


def find_unchanged(
    connection: Connection,
    candidates: Collection[Candidate],
    *,
    scanned_since: dt.datetime | None = None,
) -> set[Candidate]:
    """Say which scans would find what the last one found; a suspect one is always done again.

    :param scanned_since: what was last really scanned before this is due again.
    """
    ids = find_repositories(connection, {(c.account, c.repository) for c in candidates})
    by_pair = {(ids[c.account, c.repository].repository_id, str(c.scanner)): c for c in candidates}
    unchanged = set()
    for chunk in _chunks(sorted(by_pair), 5_000):
        query = select(LatestScan.repository_id, LatestScan.scanner, LatestScan.cache_key).where(
            tuple_(LatestScan.repository_id, LatestScan.scanner).in_(chunk),
            LatestScan.suspect_batch_id.is_(None),
        )
        if scanned_since is not None:
            query = query.where(LatestScan.scanned_at >= scanned_since)
        for repository_id, scanner, cache_key in connection.execute(query):
            candidate = by_pair[repository_id, scanner]
            if cache_key == candidate.cache_key:
                unchanged.add(candidate)
    return unchanged


def verify_unchanged(
    connection: Connection, batch: BatchId, unchanged: Collection[Candidate], now: dt.datetime
) -> int:
    """Note that these were looked at tonight and need no scan; give the batch's count of them."""
    _lock_open_batch(connection, batch)
    ids = find_repositories(connection, {(c.account, c.repository) for c in unchanged})
    pairs = sorted((ids[c.account, c.repository].repository_id, str(c.scanner)) for c in unchanged)
    for chunk in _chunks(pairs, 5_000):
        connection.execute(
            update(LatestScan)
            .where(tuple_(LatestScan.repository_id, LatestScan.scanner).in_(chunk))
            .values(verified_at=now, verified_batch_id=batch)
        )
    count = connection.execute(
        select(func.count()).where(
            LatestScan.verified_batch_id == batch, LatestScan.batch_id != batch
        )
    ).scalar_one()
    connection.execute(update(Batch).where(Batch.id == batch).values(unchanged=count))
    return int(count)


def add_scans(connection: Connection, batch: BatchId, scans: Sequence[PlannedScan]) -> None:
    """Add scans to a batch; those that it has already stay as they are.

    :raises Conflict: if another open batch has a scan of the same repository and scanner.
    :raises NotFound: if a repository is not known.
    """
    _lock_open_batch(connection, batch)
    ids = find_repositories(connection, {(s.account, s.repository) for s in scans})
    pairs = {(ids[s.account, s.repository].repository_id, str(s.scanner)) for s in scans}
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADD_SCANS_LOCK})
    _refuse_double(connection, batch, pairs)
    _insert_checkouts(connection, batch, scans, ids)
    _insert_scans(connection, batch, scans, ids)


def record_ended(
    connection: Connection,
    batch: BatchId,
    ended: Sequence[tuple[PlannedScan, Ending]],
    now: dt.datetime,
) -> None:
    """Add scans that ended before they began, such as those of a remote that does not answer."""
    add_scans(connection, batch, [scan for scan, _ in ended])
    ids = find_repositories(connection, {(s.account, s.repository) for s, _ in ended})
    for scan, ending in ended:
        repository_id = ids[scan.account, scan.repository].repository_id
        of_scan = Scan.repository_id == repository_id, Scan.scan == scan.scan
        end_scans(connection, batch, ending, now, *of_scan)
    for scan, ending in ended:
        _end_checkout(connection, batch, ids[scan.account, scan.repository].repository_id, ending)


def finish_open_scans(
    connection: Connection,
    batch: BatchId,
    ending: Ending,
    now: dt.datetime,
    *,
    shard: str | None = None,
) -> int:
    """End what is still open, because its pod is lost or the night is over; give the count.

    :param shard: only the scans of this shard.
    """
    of_shard = [] if shard is None else [Scan.shard == shard]
    return end_scans(connection, batch, ending, now, *of_shard)


def end_scans(
    connection: Connection,
    batch: BatchId,
    ending: Ending,
    now: dt.datetime,
    *which: ColumnElement[bool],
) -> int:
    """End those open scans of a batch that ``which`` selects; what has ended stays as it is."""
    done = connection.execute(
        update(Scan)
        .where(Scan.batch_id == batch, Scan.state == PLANNED, *which)
        .values(
            state=ending.outcome.value,
            reason=ending.reason.value,
            message=ending.message[:2_000],
            ended_at=now,
        )
    )
    return done.rowcount


def seal_batch(connection: Connection, batch: BatchId, now: dt.datetime) -> dict[str, Any]:
    """Close a batch for good and give its totals; a sealed batch gives them again.

    :raises OpenScans: if a scan has not ended.
    :raises Conflict: if the batch was aborted.
    """
    row = _lock_batch(connection, batch)
    if row.state == "sealed":
        return dict(row.totals)
    if row.state == "aborted":
        raise Conflict(f"batch {batch} was aborted: {row.reason}; open a new one")
    still_open = connection.execute(
        select(Scan.scan).where(Scan.batch_id == batch, Scan.state == PLANNED).order_by(Scan.scan)
    )
    if names := [name for (name,) in still_open]:
        raise OpenScans(f"batch {batch} has {len(names)} scans that have not ended", names)
    connection.execute(update(Batch).where(Batch.id == batch).values(state="sealed", sealed_at=now))
    totals: dict[str, Any] = as_json(read_batch_summary(connection, batch).totals)
    connection.execute(update(Batch).where(Batch.id == batch).values(totals=totals))
    return totals


def abort_batch(connection: Connection, batch: BatchId, reason: str, now: dt.datetime) -> int:
    """Give a batch up: its open scans are cancelled, what was ingested stays. Give their count.

    :raises Conflict: if the batch is sealed.
    """
    row = _lock_batch(connection, batch)
    if row.state == "sealed":
        raise Conflict(f"batch {batch} is sealed; there is nothing to abort")
    cancelled = Ending(Outcome.NOT_RUN, Reason.CANCELLED, reason)
    count = end_scans(connection, batch, cancelled, now)
    connection.execute(
        update(Batch)
        .where(Batch.id == batch)
        .values(state="aborted", reason=reason[:2_000], sealed_at=now)
    )
    return count


class _BatchRow(NamedTuple):
    state: str
    reason: str
    totals: dict[str, Any]


def _lock_batch(connection: Connection, batch: BatchId) -> _BatchRow:
    row = connection.execute(
        select(Batch.state, Batch.reason, Batch.totals)
        .where(Batch.id == batch)
        .with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no batch {batch}")
    return _BatchRow(*row)


def _lock_open_batch(connection: Connection, batch: BatchId) -> None:
    row = _lock_batch(connection, batch)
    if row.state not in {"planning", "running"}:
        raise Conflict(f"batch {batch} is {row.state}; open a new one")


def _is_open() -> ColumnElement[bool]:
    return Batch.state.in_(["planning", "running"])


def _refuse_double(connection: Connection, batch: BatchId, pairs: set[tuple[int, str]]) -> None:
    for chunk in _chunks(sorted(pairs), 5_000):
        other = connection.execute(
            select(Batch.id, Batch.dag_run_id, Scan.scan)
            .join(Scan, Scan.batch_id == Batch.id)
            .where(
                _is_open(),
                Batch.id != batch,
                tuple_(Scan.repository_id, Scan.scanner).in_(chunk),
            )
            .limit(1)
        ).one_or_none()
        if other is not None:
            raise Conflict(
                f"batch {other.id} of run {other.dag_run_id} is open and has {other.scan}: "
                "wait until it is sealed, or abort it"
            )


def _insert_checkouts(
    connection: Connection,
    batch: BatchId,
    scans: Sequence[PlannedScan],
    ids: dict[RepositoryKey, RepositoryIds],
) -> None:
    commits = {(s.account, s.repository): s.commit for s in scans}
    rows = [
        {
            "batch": batch,
            "repository": ids[key].repository_id,
            "commit": commit or "",
            "path": f"src/{key[1]}",
        }
        for key, commit in sorted(commits.items())
    ]
    if rows:
        connection.execute(
            text(
                "INSERT INTO checkouts (batch_id, repository_id, remote, commit_id, path)"
                " SELECT :batch, id, remote, :commit, :path FROM repositories"
                " WHERE id = :repository ON CONFLICT DO NOTHING"
            ),
            rows,
        )


def _insert_scans(
    connection: Connection,
    batch: BatchId,
    scans: Sequence[PlannedScan],
    ids: dict[RepositoryKey, RepositoryIds],
) -> None:
    rows = [
        {
            "batch_id": batch,
            "repository_id": ids[s.account, s.repository].repository_id,
            "account_id": ids[s.account, s.repository].account_id,
            "scanner_id": s.scanner_id,
            "scanner": s.scanner,
            "scan": s.scan,
            "commit_id": s.commit or "",
            "cache_key": s.cache_key,
            "asked_cpu_millis": s.needs.request.cpu_millis,
            "asked_memory_bytes": s.needs.request.memory_bytes,
            "asked_seconds": s.needs.time_limit_seconds,
            "priority": s.needs.priority,
        }
        for s in scans
    ]
    if rows:
        connection.execute(insert(Scan).on_conflict_do_nothing(), rows)


def _end_checkout(
    connection: Connection, batch: BatchId, repository_id: int, ending: Ending
) -> None:
    """End the checkout of a repository that no open scan needs any more."""
    needed = (
        select(Scan.scan)
        .where(Scan.batch_id == batch, Scan.repository_id == repository_id, Scan.state == PLANNED)
        .exists()
    )
    connection.execute(
        update(Checkout)
        .where(
            Checkout.batch_id == batch,
            Checkout.repository_id == repository_id,
            Checkout.state == PLANNED,
            ~needed,
        )
        .values(
            state=Outcome.NOT_RUN.value,
            reason=ending.reason.value,
            message=ending.message[:2_000],
        )
    )


def _chunks(pairs: Sequence[tuple[int, str]], size: int) -> Iterable[Sequence[tuple[int, str]]]:
    return (pairs[i : i + size] for i in range(0, len(pairs), size))
