"""Turns what a run showed into the scan's status: outcome, coverage, tampering, proof."""

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from nightshift.domain.sarif import SourceTree, parse_sarif
from nightshift.domain.sarif_values import SarifLimits, SarifReport
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import ScanItem, ScanStatus, Tampering
from nightshift.errors import InvalidSarif
from nightshift.runner.scan_execution import Execution
from nightshift.runner.scan_outcomes import Coverage, ScanEvidence, Verdict, end_status, judge
from nightshift.runner.scan_suppressions import find_suppressions
from nightshift.scanners.definitions import Scanner

_MAX_SKIPPED = 1_000


@dataclass(frozen=True, slots=True)
class ScannedTree:
    """The tree of a scan.

    :param readable: the manifest's paths that the scanner reads.
    :param paths: finds a path of the tree in a tool's words.
    """

    source: Path
    readable: tuple[str, ...]
    paths: SourceTree


def describe(
    scanner: Scanner,
    item: ScanItem,
    started: ScanStatus,
    tree: ScannedTree,
    execution: Execution,
    *,
    oom_killed: bool,
) -> ScanStatus:
    """Build the final status of a scan that ran, all but the time of its end.

    ``may_close`` is true only if a finding that is not there is really gone: the scan succeeded,
    its result is whole, enough of the tree was scanned, nothing silenced or outlived the scanner.
    """
    report, fault = _read_report(execution, tree.paths, item)
    ended = execution.ended
    evidence = ScanEvidence(ended, execution.output_bytes, report, fault, oom_killed)
    coverage = _cover(scanner, tree, evidence)
    verdict = judge(scanner, item, evidence)
    if verdict.reason is Reason.OK and (coverage.skipped or (report and report.truncated)):
        verdict = Verdict(Outcome.SUCCEEDED, Reason.OK_PARTIAL)
    silencers = _find_silencers(scanner, tree.source)
    proves = report is not None and report.is_whole and coverage.is_enough
    undisturbed = not silencers and not ended.stragglers
    output = execution.output
    return dataclasses.replace(
        end_status(started, verdict),
        exit_code=ended.exit_code,
        cpu_seconds=round(ended.cpu_seconds, 3),
        peak_bytes=ended.peak_bytes,
        files_expected=coverage.expected,
        files_scanned=coverage.scanned,
        skipped=coverage.skipped[:_MAX_SKIPPED],
        output_bytes=execution.output_bytes or 0,
        output_sha256=hashlib.sha256(output).hexdigest() if output is not None else "",
        confinement=ended.in_force,
        tampering=(
            *silencers,
            *find_suppressions(scanner.suppressions, tree.source, tree.readable),
        ),
        may_close=verdict.outcome is Outcome.SUCCEEDED and proves and undisturbed,
    )


def _read_report(
    execution: Execution, paths: SourceTree, item: ScanItem
) -> tuple[SarifReport | None, str]:
    if execution.output is None:
        return None, "its result is no plain file"
    try:
        limits = SarifLimits(file_bytes=item.output_bytes)
        return parse_sarif(execution.output, paths, limits), ""
    except InvalidSarif as error:
        return None, f"its result is no SARIF that is accepted: {error}"


def _cover(scanner: Scanner, tree: ScannedTree, evidence: ScanEvidence) -> Coverage:
    log = evidence.ended.log.decode(errors="replace")
    named = (tree.paths.find(path, {}) for path in scanner.find_unscanned(log))
    reported = evidence.report.unscanned if evidence.report else ()
    skipped = {*reported, *(path for path in named if path is not None)}
    skipped |= {path for path in tree.readable if scanner.passes_over(path)}
    return Coverage(len(tree.readable), scanner.count_scanned(log), tuple(sorted(skipped)))


def _find_silencers(scanner: Scanner, source: Path) -> tuple[Tampering, ...]:
    """Find files that silence the tool whatever its flags say; the tree should hold none."""
    return tuple(
        Tampering("ignore_file", name, f"{scanner.title} obeys it; this scan closes nothing")
        for name in scanner.silencers
        if os.path.lexists(source / name)
    )
