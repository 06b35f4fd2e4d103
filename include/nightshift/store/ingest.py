"""Writes one scan's outcome and findings in one transaction; doing it again changes nothing.

What to write is decided by the pure domain (``plan_changes``). Only changed findings go to the
server: by binary COPY into a temporary table, then one statement that applies them all.
"""

import datetime as dt
import functools
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from nightshift.domain.finding_matches import Known, Seen
from nightshift.domain.findings import Changes, Evidence, FindingState, History, plan_changes
from nightshift.domain.fingerprints import SCHEME
from nightshift.domain.sarif_values import SarifRule
from nightshift.domain.scans import Outcome, Reason, check_outcome
from nightshift.domain.worklists import Tampering
from nightshift.errors import NotFound
from nightshift.store.changes import Applied, Target, apply_changes
from nightshift.store.models import Base, Finding, LatestScan, Rule, Scan
from nightshift.store.records import PLANNED, BatchId, OpenScan
from nightshift.store.rules import sync_rules
from nightshift.store.values import as_json

_SCANS = Base.metadata.tables["scans"]
_LATEST_SCANS = Base.metadata.tables["latest_scans"]
_END_SCAN = update(_SCANS).where(  # made once: to build it costs more than to run it
    _SCANS.c.batch_id == bindparam("of_batch"),
    _SCANS.c.repository_id == bindparam("of_repository"),
    _SCANS.c.scanner_id == bindparam("of_scanner"),
)


@dataclass(frozen=True, slots=True)
class ScanEnd:
    """How a scan ended, as its pod says or as its absence shows; fields as in ScanStatus."""

    outcome: Outcome
    reason: Reason
    message: str = ""
    attempt: int = 0
    exit_code: int | None = None
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    files_expected: int = 0
    files_scanned: int | None = None
    skipped: tuple[str, ...] = ()
    confinement: tuple[str, ...] = ()
    tampering: tuple[Tampering, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a reason that does not go with the outcome."""
        check_outcome(self.outcome, self.reason)


@dataclass(frozen=True, slots=True)
class ScanFindings:
    """What a scan found, and what it can prove.

    :param sarif_sha256: of the file's bytes; the same file is never ingested twice.
    :param seen: with the identities that the source lines gave.
    :param rules: the rules that this version is known to have, by id; every seen one is here.
    :param why_not_close: why nothing may be closed; "" if it may.
    :param paths: of the manifest, as stored; ``unread`` are those that prove nothing.
    """

    sarif_sha256: str
    seen: Sequence[Seen]
    rules: Mapping[str, SarifRule]
    why_not_close: str = ""
    paths: Container[str] = frozenset()
    unread: Container[str] = frozenset()
    lists_all_left_out: bool = True
    any_rule: bool = False


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What an ingest did.

    :param applied: False if the scan had ended before, or a newer batch was in already.
    """

    scan: str
    outcome: str
    reason: str
    applied: bool
    results: int = 0
    counts: Applied = field(default_factory=Applied)
    suspect: bool = False


class _Latest(NamedTuple):
    """What is known of a repository and scanner before this scan."""

    batch_id: int
    proof_commit_id: str
    proof_scanner_id: int
    suspect_batch_id: int | None


def ingest_scan(
    connection: Connection,
    batch: BatchId,
    scan: OpenScan,
    end: ScanEnd,
    findings: ScanFindings | None,
    now: dt.datetime,
) -> IngestResult:
    """End one scan and write what it found. A scan that has ended stays as it is.

    :param findings: None for a scan that says nothing about findings.
    :raises NotFound: if the batch has no such scan.
    """
    row = connection.execute(
        select(Scan.state, Scan.reason, Scan.results, _lock_of_pair(scan))
        .where(*_is_scan(batch, scan))
        .with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        raise NotFound(f"batch {batch} has no scan {scan.scan}")
    if row.state != PLANNED:
        return IngestResult(scan.scan, row.state, row.reason, applied=False, results=row.results)
    latest = _read_latest(connection, scan)
    if findings is None:
        _end(connection, batch, scan, end, now)
        return IngestResult(scan.scan, end.outcome, end.reason, applied=True)
    if latest is not None and latest.batch_id > batch:
        superseded = f"batch {latest.batch_id} was ingested first; findings are as it saw them"
        _end(connection, batch, scan, end, now, message=superseded, results=len(findings.seen))
        return IngestResult(
            scan.scan, end.outcome, end.reason, applied=False, results=len(findings.seen)
        )
    return _ingest(connection, Target(batch, scan, now), end, findings, latest)


def _ingest(
    connection: Connection,
    target: Target,
    end: ScanEnd,
    findings: ScanFindings,
    latest: _Latest | None,
) -> IngestResult:
    scan, batch, now = target.scan, target.batch, target.now
    rules = sync_rules(connection, scan, findings.rules)
    evidence = _evidence(scan, findings, latest, rules.known)
    changes = plan_changes(_read_history(connection, scan, findings.seen), findings.seen, evidence)
    by_upgrade = latest is not None and latest.proof_commit_id == scan.commit
    applied = apply_changes(connection, target, changes, rules.ids, by_upgrade=by_upgrade)
    _end(
        connection,
        batch,
        scan,
        end,
        now,
        may_close=evidence.may_close,
        why_not_close=findings.why_not_close[:2_000],
        suspect=changes.suspect,
        sarif_sha256=findings.sarif_sha256,
        results=len(findings.seen),
        new=applied.opened,
        by_upgrade=applied.opened if by_upgrade else 0,
        fixed=applied.fixed,
        reopened=applied.reopened,
        unproved=applied.unproved,
    )
    _remember(connection, target, changes, evidence)
    return IngestResult(
        scan.scan,
        end.outcome,
        end.reason,
        applied=True,
        results=len(findings.seen),
        counts=applied,
        suspect=changes.suspect,
    )


def _evidence(
    scan: OpenScan, findings: ScanFindings, latest: _Latest | None, known_rules: frozenset[str]
) -> Evidence:
    before = None if latest is None else (latest.proof_commit_id, latest.proof_scanner_id)
    return Evidence(
        may_close=not findings.why_not_close,
        has_rule=lambda rule: findings.any_rule or rule in known_rules,
        paths=findings.paths,
        unread=findings.unread,
        lists_all_left_out=findings.lists_all_left_out,
        something_changed=before != (scan.commit, scan.scanner_id),
        confirms_suspect=latest is not None and latest.suspect_batch_id is not None,
    )


def _lock_of_pair(scan: OpenScan) -> ColumnElement[None]:
    """Let one ingest at a time work on a repository and scanner, whatever the batch."""
    pair = f"nightshift:{scan.repository_id}:{scan.scanner}"
    return func.pg_advisory_xact_lock(func.hashtextextended(pair, 0))


def _read_latest(connection: Connection, scan: OpenScan) -> _Latest | None:
    row = connection.execute(
        select(
            LatestScan.batch_id,
            LatestScan.proof_commit_id,
            LatestScan.proof_scanner_id,
            LatestScan.suspect_batch_id,
        ).where(LatestScan.repository_id == scan.repository_id, LatestScan.scanner == scan.scanner)
    ).one_or_none()
    return None if row is None else _Latest._make(row)


def _read_history(connection: Connection, scan: OpenScan, seen: Sequence[Seen]) -> History:
    """Read the live findings, and those fixed ones whose key was seen more often than it lives."""
    pair = Finding.repository_id == scan.repository_id, Finding.scanner == scan.scanner
    live = _read_known(connection, *pair, Finding.state != FindingState.FIXED)
    excess = Counter(s.fingerprint for s in seen) - Counter(k.fingerprint for k in live)
    fixed: tuple[Known, ...] = ()
    if excess:
        keys = sorted(excess)
        fixed = _read_known(
            connection,
            *pair,
            Finding.state == FindingState.FIXED,
            Finding.scheme == SCHEME,
            Finding.fingerprint == func.any(keys),
        )
    return History(live, fixed)


def _read_known(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[Known, ...]:
    rows = connection.execute(
        select(
            Finding.id,
            Finding.state,
            Rule.rule,
            Finding.path,
            Finding.line,
            Finding.fingerprint,
            Finding.ordinal,
            Finding.context,
            Finding.severity,
            Finding.message,
            Finding.snippet,
            Finding.blob,
            Finding.author_ignores,
            Finding.unproved,
        )
        .join(Rule, Rule.id == Finding.rule_id)
        .where(*conditions)
    ).all()
    return tuple(Known(*row) for row in rows)


def _end(
    connection: Connection,
    batch: BatchId,
    scan: OpenScan,
    end: ScanEnd,
    now: dt.datetime,
    **found: str | int | bool,
) -> None:
    values = {
        "state": end.outcome.value,
        "reason": end.reason.value,
        "message": end.message[:2_000],
        "attempt": end.attempt,
        "exit_code": end.exit_code,
        "started_at": end.started_at,
        "finished_at": end.finished_at,
        "ended_at": now,
        "cpu_seconds": end.cpu_seconds,
        "peak_bytes": end.peak_bytes,
        "files_expected": end.files_expected,
        "files_scanned": end.files_scanned,
        "skipped": list(end.skipped[:1_000]),
        "confinement": list(end.confinement[:20]),
        "tampering": as_json(end.tampering[:1_000]),
    }
    which = {
        "of_batch": batch,
        "of_repository": scan.repository_id,
        "of_scanner": scan.scanner_id,
    }
    connection.execute(_END_SCAN, {**which, **values, **found})


def _remember(connection: Connection, target: Target, changes: Changes, evidence: Evidence) -> None:
    """Move the pair's row in ``latest_scans`` on; a suspect scan only leaves its mark there."""
    scan, batch, now = target.scan, target.batch, target.now
    verified = {"batch_id": batch, "verified_at": now, "verified_batch_id": batch}
    if changes.suspect:
        moved = {**verified, "suspect_batch_id": batch}
    else:
        moved = {
            **verified,
            "cache_key": scan.cache_key,
            "commit_id": scan.commit,
            "scanner_id": scan.scanner_id,
            "scanned_at": now,
            "suspect_batch_id": None,
        }
        if evidence.may_close:
            moved |= {"proof_commit_id": scan.commit, "proof_scanner_id": scan.scanner_id}
    first = {"scanner_id": scan.scanner_id, "scanned_at": now}
    pair = {"repository_id": scan.repository_id, "scanner": scan.scanner}
    connection.execute(_upsert_latest(tuple(moved)), {**pair, **first, **moved})


@functools.cache
def _upsert_latest(moved: tuple[str, ...]) -> Insert:
    """Build the statement once for each of the three sets of columns that a scan may move."""
    statement = insert(_LATEST_SCANS)
    return statement.on_conflict_do_update(
        index_elements=["repository_id", "scanner"],
        set_={name: statement.excluded[name] for name in moved},
    )


def _is_scan(batch: BatchId, scan: OpenScan) -> tuple[ColumnElement[bool], ...]:
    return (
        Scan.batch_id == batch,
        Scan.repository_id == scan.repository_id,
        Scan.scanner_id == scan.scanner_id,
    )
