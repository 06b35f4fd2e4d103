"""What people see of a night in the terminal."""

import datetime as dt
import io
from dataclasses import replace

import pytest
from rich.console import Console

from nightshift.cli.demo_verdict import judge_own
from nightshift.cli.night_pods import PodOnNode
from nightshift.cli.night_report import print_report
from nightshift.cli.night_watch import Look, describe, draw
from nightshift.domain.steering.outcomes import PlacementOutcome
from nightshift.store.summaries import (
    BatchProgress,
    BatchSummary,
    BatchTotals,
    RepositorySummary,
    ShardSummary,
    TamperingNote,
    UnfinishedScan,
)

AT = dt.datetime(2026, 11, 23, 1, tzinfo=dt.UTC)
TOTALS = BatchTotals(
    scans=3,
    open_scans=0,
    outcomes={"succeeded": {"ok": 2}, "not_run": {"remote_gone": 1}},
    unchanged=5,
    results=7,
    new=4,
    by_upgrade=0,
    fixed=2,
    reopened=1,
    unproved=0,
    suspect=0,
    cpu_seconds=1.5,
    open_findings={3: 6, 1: 1},
)
SUMMARY = BatchSummary(
    batch=9,
    dag_run_id="run",
    night=AT.date(),
    state="sealed",
    reason="",
    opened_at=AT,
    sealed_at=AT,
    totals=TOTALS,
    repositories=(
        RepositorySummary("anna", "app", "a" * 40, "ready", 2, 0, 4, 2, 1, 3, {3: 6, 1: 1}),
    ),
    not_scanned=(
        UnfinishedScan("anna", "gone", "ruff", "not_run", "remote_gone", "[red]not markup[/red]"),
    ),
    tampering=(
        TamperingNote("anna", "app", "symlink_escape", "links/[b]x[/b]", "to /etc/passwd"),
        TamperingNote("anna", "app", "inline_suppression", "a.py", "noqa on line 1"),
        TamperingNote("anna", "app", "inline_suppression", "b.py", "noqa on line 2"),
    ),
    shards=(
        ShardSummary(
            *("s001", "scan", "anna", 2, "n1", "n2", "pod", "Completed", 9.0, 4.25),
            predicted=0.8,
            start_seconds=3.0,
        ),
    ),
    placement=PlacementOutcome(
        "soft", "soft: 200 nodes", 1, 0, predicted_rate=0.8, actual_rate=0.0
    ),
)


def report(summary: BatchSummary) -> str:
    console = Console(file=io.StringIO(), width=160)
    print_report(console, summary)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_report_says_what_was_scanned_what_was_not_and_where() -> None:
    text = report(SUMMARY)
    assert "batch 9, night of 2026-11-23, sealed" in text
    assert "2 succeeded: 2 ok" in text
    assert "1 not_run: 1 remote_gone" in text
    assert "5 unchanged" in text
    assert "4 new, 2 fixed, 1 reopened; open now, in all repositories: 6 high" in text
    assert "1 low" in text
    assert "anna/gone ruff" in text
    assert "links/[b]x[/b]" in text, "what strangers wrote is no markup"
    assert "[red]not markup[/red]" in text
    assert "2 files" in text, "an author's suppressions are one row a repository"
    assert "noqa on line 1" not in text
    assert "steering soft: 200 nodes" in text
    assert "0 of 1 pods met their planned node: 0%, predicted were 80%" in text
    (shard,) = [line.split() for line in text.splitlines() if line.strip().startswith("s001")]
    assert shard == ["s001", "anna", "2", "n1", "80%", "n2", "3", "s", "4.2", "Completed"]


def test_empty_lists_are_not_shown() -> None:
    text = report(replace(SUMMARY, not_scanned=(), tampering=(), shards=()))
    assert "not scanned" not in text
    assert "attempts to escape" not in text
    assert "pods:" not in text


@pytest.mark.parametrize(
    ("summary", "faults"),
    [
        pytest.param(
            SUMMARY, ["anna/gone ruff: not_run (remote_gone)"], id="a scan that says nothing"
        ),
        pytest.param(replace(SUMMARY, not_scanned=()), [], id="all well"),
        pytest.param(
            replace(SUMMARY, not_scanned=(), state="running"),
            ["batch 9 is running, not sealed"],
            id="not sealed",
        ),
        pytest.param(
            replace(SUMMARY, not_scanned=(), totals=replace(TOTALS, scans=0, unchanged=0)),
            ["nothing was scanned"],
            id="nothing",
        ),
    ],
)
def test_a_night_on_ones_own_repositories_is_judged(
    summary: BatchSummary, faults: list[str]
) -> None:
    assert judge_own(summary) == faults


def test_a_look_shows_steps_outcomes_and_pods() -> None:
    look = Look(
        "running",
        {"clone": {"success": 2, "running": 1}, "scan": {"waiting": 3}},
        BatchProgress(9, "running", {}, {"planned": 3, "succeeded": 1}, 4, 0, 0),
        (
            PodOnNode("a", "n1", "Running", "c003"),
            PodOnNode("b", "n1", "Succeeded", "c001"),
        ),
    )
    line = describe(look)
    assert line == "clone 2/3  3 planned, 1 succeeded; findings: 4 new, 0 fixed"
    console = Console(file=io.StringIO(), width=120)
    console.print(draw(look, ("n1", "n2")))
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert "2/3" in drawn
    assert "c003" in drawn
    assert "c001" not in drawn, "it has ended"
    assert "n2" in drawn
    assert not look.is_over
    assert replace(look, state="failed").is_over
