"""Prints what came of a batch: outcomes, findings, where pods ran, what was not scanned and why.

What strangers wrote (paths, messages) goes in as Text, so that rich reads no markup in it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nightshift.domain.steering.outcomes import describe_outcome
from nightshift.store.summaries import BatchSummary

INLINE = "inline_suppression"
SEVERITIES = {4: "critical", 3: "high", 2: "medium", 1: "low", 0: "info"}


def print_report(console: Console, summary: BatchSummary) -> None:
    """Print a batch's summary for people."""
    totals = summary.totals
    console.rule(f"batch {summary.batch}, night of {summary.night}, {summary.state}")
    _print_outcomes(console, totals.outcomes, totals.unchanged)
    console.print(
        f"findings: {totals.new} new, {totals.fixed} fixed, {totals.reopened} reopened; "
        f"open now, in all repositories: {_severities(totals.open_findings)}"
    )
    _print_table(console, _repositories(summary), "repositories")
    _print_table(console, _not_scanned(summary), "not scanned")
    _print_table(console, _tampering(summary), "attempts to escape or to silence a scan")
    for line in describe_outcome(summary.placement):
        console.print(Text(line))
    _print_table(
        console, _shards(summary), "pods: where they were meant to run, and where they ran"
    )


def _print_outcomes(
    console: Console, outcomes: Mapping[str, Mapping[str, int]], unchanged: int
) -> None:
    for outcome, reasons in outcomes.items():
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        console.print(f"{sum(reasons.values()):5} {outcome}: {why}")
    console.print(f"{unchanged:5} unchanged since they were last scanned: skipped")


def _repositories(summary: BatchSummary) -> Table:
    table = Table("repository", "commit", "scans", "new", "fixed", *SEVERITIES.values(), "left out")
    for one in summary.repositories:
        counts = [str(one.findings.get(severity, "")) for severity in SEVERITIES]
        table.add_row(
            f"{one.account}/{one.repository}",
            one.commit[:10],
            str(one.scans),
            str(one.new or ""),
            str(one.fixed or ""),
            *counts,
            str(one.left_out or ""),
        )
    return table


def _not_scanned(summary: BatchSummary) -> Table:
    table = Table("scan", "outcome", "reason", "because")
    for one in summary.not_scanned:
        scan = f"{one.account}/{one.repository} {one.scanner}"
        table.add_row(scan, one.outcome, one.reason, Text(one.message))
    return table


def _tampering(summary: BatchSummary) -> Table:
    """List attempts; an author's suppressions are common, so they are one row a repository."""
    table = Table("repository", "kind", "path", "what it tried")
    inline: Counter[str] = Counter()
    for one in summary.tampering:
        name = f"{one.account}/{one.repository}"
        if one.kind == INLINE:
            inline[name] += 1
        else:
            table.add_row(name, one.kind, Text(one.path), Text(one.detail))
    for name, files in inline.items():
        table.add_row(
            name, INLINE, f"{files} files", "comments told scanners to be silent: ignored"
        )
    return table


def _shards(summary: BatchSummary) -> Table:
    table = Table(
        *("shard", "account", "scans", "meant for", "predicted", "ran on", "started after"),
        *("seconds", "ended"),
    )
    for one in summary.shards:
        table.add_row(
            one.shard,
            one.account,
            str(one.scans or ""),
            one.planned_node or "-",
            "" if one.predicted is None else f"{one.predicted:.0%}",
            one.node or "-",
            "" if one.start_seconds is None else f"{one.start_seconds:.0f} s",
            "" if one.seconds is None else f"{one.seconds:.1f}",
            one.terminated_reason,
        )
    return table


def _print_table(console: Console, table: Table, title: str) -> None:
    if table.row_count:
        table.title, table.title_justify, table.box = title, "left", None
        console.print(table)


def _severities(counts: Mapping[int, int]) -> str:
    found: Iterable[str] = (
        f"{counts[severity]} {name}"
        for severity, name in SEVERITIES.items()
        if counts.get(severity)
    )
    return ", ".join(found) or "none"
