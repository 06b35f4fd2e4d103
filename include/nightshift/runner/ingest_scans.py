"""Turns what lies on the volume for one scan into what the store takes."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from nightshift.domain.findings import is_enough
from nightshift.domain.ids import RepositoryName, ShardName
from nightshift.domain.printable import printable_line
from nightshift.domain.sarif import SarifReport, SourceTree, parse_sarif
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import CheckoutStatus, Phase, ScanStatus
from nightshift.errors import ConfigError, NotFound
from nightshift.runner.ingest_sources import SourceLines, identify_results
from nightshift.runner.ingest_volume import read_blobs, read_result, read_scan
from nightshift.runner.workspace import Workspace
from nightshift.store.ingest import ScanEnd, ScanFindings
from nightshift.store.records import OpenScan

_LOST: Mapping[str, tuple[Outcome, Reason]] = {
    "OOMKilled": (Outcome.OUT_OF_MEMORY, Reason.MEMORY_CONTAINER),
    "DeadlineExceeded": (Outcome.TIMED_OUT, Reason.POD_DEADLINE),
    "Evicted": (Outcome.FAILED, Reason.EVICTED),
    "NodeLost": (Outcome.FAILED, Reason.NODE_LOST),
}
"""What a pod's end says of a scan that it did not finish; anything else is ``internal``."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What the clone pod said of one repository.

    :param blobs: the tree's files; None if there is no manifest that can be believed.
    :param fault: why there is none.
    """

    repository: RepositoryName
    checkout: CheckoutStatus | None
    blobs: Mapping[str, str] | None
    fault: str = ""


def read_source_facts(
    workspace: Workspace, repository: RepositoryName, checkout: CheckoutStatus | None
) -> SourceFacts:
    """Read the manifest of a tree; one that is missing or wrong leaves nothing provable."""
    try:
        return SourceFacts(repository, checkout, read_blobs(workspace, repository))
    except (NotFound, ConfigError) as error:
        return SourceFacts(repository, checkout, None, printable_line(str(error), 500))


def read_ended_status(workspace: Workspace, scan: OpenScan) -> ScanStatus | None:
    """Read a scan's status if it has ended and is of the scan that was planned.

    :raises ConfigError: if there is something else in its place.
    """
    status = read_scan(workspace, ShardName(scan.shard), scan.scan)
    if status is None or status.phase is not Phase.ENDED or status.cache_key != scan.cache_key:
        return None
    return status


def end_without_status(why: str, terminated_reason: str) -> ScanEnd:
    """End a scan whose pod left no final word, by what the cluster says of the pod."""
    outcome, reason = _LOST.get(terminated_reason, (Outcome.FAILED, Reason.INTERNAL))
    ended = f" (pod: {terminated_reason})" if terminated_reason else ""
    return ScanEnd(outcome, reason, printable_line(f"{why}{ended}", 2_000))


def end_of(status: ScanStatus) -> ScanEnd:
    """Take a final status over.

    :raises ConfigError: if it has no outcome, or its times are not times.
    """
    if status.outcome is None or status.reason is None:
        raise ConfigError(status.scan, "its status has no outcome")
    return ScanEnd(
        outcome=status.outcome,
        reason=status.reason,
        message=printable_line(status.message, 2_000),
        attempt=status.attempt,
        exit_code=status.exit_code,
        started_at=_time(status.scan, status.started_at),
        finished_at=_time(status.scan, status.finished_at),
        cpu_seconds=status.cpu_seconds,
        peak_bytes=status.peak_bytes,
        files_expected=status.files_expected,
        files_scanned=status.files_scanned,
        skipped=status.skipped,
        confinement=status.confinement,
        tampering=status.tampering,
    )


def read_findings(
    workspace: Workspace, scan: OpenScan, status: ScanStatus, facts: SourceFacts, secret_key: bytes
) -> ScanFindings | None:
    """Read what a scan found; None for an outcome that says nothing about findings.

    :raises InvalidSarif: if the result is not SARIF that we accept.
    :raises ConfigError: if the result is not the file that the scan has written.
    :raises NotFound: if there is no result.
    """
    if status.outcome is Outcome.NOT_APPLICABLE:
        return _nothing_to_scan(facts)
    if status.outcome is not Outcome.SUCCEEDED:
        return None
    data = read_result(workspace, ShardName(scan.shard), status)
    blobs = facts.blobs or {}
    root = workspace.source(scan.repository)
    report = parse_sarif(data, SourceTree(str(root), blobs if facts.blobs is not None else None))
    seen = identify_results(
        report, SourceLines(root), blobs, secret_key=secret_key, all_secret=scan.finds_secrets
    )
    return ScanFindings(
        sarif_sha256=hashlib.sha256(data).hexdigest(),
        seen=seen,
        rules=report.rules,
        why_not_close=_why_not_close(status, report, facts),
        paths=blobs.keys(),
        unread=_unread(status, report, facts),
        lists_all_left_out=_lists_all_left_out(facts),
    )


def _nothing_to_scan(facts: SourceFacts) -> ScanFindings:
    """Prove the end of findings in files that are gone: the tree has no file for the scanner."""
    blobs = facts.blobs or {}
    return ScanFindings(
        sarif_sha256="",
        seen=(),
        rules={},
        why_not_close=facts.fault,
        paths=blobs.keys(),
        unread=blobs.keys() | _left_out(facts),
        lists_all_left_out=_lists_all_left_out(facts),
        any_rule=True,
    )


def _why_not_close(status: ScanStatus, report: SarifReport, facts: SourceFacts) -> str:
    """Say the first reason why a finding that was not seen may still be there."""
    reasons = (
        (facts.blobs is None, facts.fault),
        (not status.may_close, "the scan does not claim to be whole"),
        (
            not is_enough(status.files_scanned, status.files_expected),
            f"it read {status.files_scanned} of {status.files_expected} files",
        ),
        (not report.ran, "the scanner says that it did not run to its end"),
        (report.truncated, "it has more results than are stored"),
        (report.foreign_results > 0, f"{report.foreign_results} results are at no known place"),
        (report.malformed > 0, f"{report.malformed} results cannot be read"),
        (bool(report.unplaced_errors), "".join(report.unplaced_errors[:1])),
    )
    return next((why for holds, why in reasons if holds), "")


def _unread(status: ScanStatus, report: SarifReport, facts: SourceFacts) -> frozenset[str]:
    return frozenset({*status.skipped, *report.unscanned}) | _left_out(facts)


def _left_out(facts: SourceFacts) -> frozenset[str]:
    left_out = facts.checkout.left_out if facts.checkout is not None else ()
    return frozenset(entry.path for entry in left_out)


def _lists_all_left_out(facts: SourceFacts) -> bool:
    checkout = facts.checkout
    return checkout is not None and checkout.left_out_count <= len(checkout.left_out)


def _time(scan: str, text: str) -> dt.datetime | None:
    if not text:
        return None
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(scan, f"its status has a time that is none: {text[:40]!r}") from error
    if time.tzinfo is None:
        raise ConfigError(scan, f"its status has a time without a zone: {text[:40]!r}")
    return time
