"""What of a file counts, and when its silence proves something."""

import json
from typing import Any

import pytest

from nightshift.domain.sarif import SarifLimits, SarifReport, Severity, SourceTree, parse_sarif
from tests.domain.test_sarif_reading import at, report, result


@pytest.mark.parametrize("kind", ["pass", "open", "informational", "notApplicable", "review"])
def test_only_failures_are_results(kind: str) -> None:
    read = report(result(kind=kind), result())
    assert (len(read.results), read.other_kinds, read.is_whole) == (1, 1, True)


def test_equal_results_are_one() -> None:
    assert len(report(result(), result(), result(ruleId="R2")).results) == 2


@pytest.mark.parametrize("broken", [{}, {"message": "text"}, None, 7, {**result(), "ruleId": None}])
def test_results_that_are_none_are_counted(broken: Any) -> None:
    read = report(broken)
    assert (read.results, read.malformed, read.is_whole) == ((), 1, False)


@pytest.mark.parametrize("results", [None, "x", {}])
def test_run_without_a_list_of_results_did_not_scan(results: Any) -> None:
    data = json.dumps({"version": "2.1.0", "runs": [{"results": results}]}).encode()
    assert not parse_sarif(data).ran


@pytest.mark.parametrize("run", [None, 7, [], "x"])
def test_run_that_is_none_did_not_scan(run: Any) -> None:
    assert not parse_sarif(json.dumps({"version": "2.1.0", "runs": [run]}).encode()).is_whole


def test_failed_invocation_proves_nothing() -> None:
    assert not report(result(), invocations=[{"executionSuccessful": False}]).is_whole


def test_the_worst_results_are_kept() -> None:
    levels = ["note", "error", "warning", "none"] * 5
    results = [result(ruleId=f"R{n}", level=level) for n, level in enumerate(levels)]
    read = report(*results, limits=SarifLimits(results=7))
    assert (read.truncated, read.is_whole) == (True, False)
    worst = sorted((r.severity for r in read.results), reverse=True)
    assert worst == [Severity.HIGH] * 5 + [Severity.MEDIUM] * 2
    assert set(read.rules) == {r.rule_id for r in read.results}


@pytest.mark.parametrize("limit", ["runs", "rules", "notifications"])
def test_every_limit_shows(limit: str) -> None:
    said = [{"message": {"text": "x"}, "level": "note"}] * 3
    run = {
        "tool": {"driver": {"rules": [{"id": f"R{n}"} for n in range(3)]}},
        "results": [],
        "invocations": [{"toolExecutionNotifications": said}],
    }
    data = json.dumps({"version": "2.1.0", "runs": [run] * (3 if limit == "runs" else 1)}).encode()
    assert parse_sarif(data).is_whole
    assert parse_sarif(data, limits=SarifLimits(**{limit: 2})).truncated


TREE = SourceTree("/w/src/api", {"a.py", "lib/b.py"})


def notified(**fields: Any) -> SarifReport:
    return report(tree=TREE, invocations=[{"toolExecutionNotifications": [fields]}])


@pytest.mark.parametrize(
    "text",
    [
        "Syntax error at line lib/b.py:3:",
        "cannot parse '/w/src/api/lib/b.py'",
        "lib/b.py:12:4: unexpected token",
    ],
)
def test_file_that_a_message_names_is_unscanned(text: str) -> None:
    read = notified(message={"text": text}, level="error")
    assert (read.unscanned, read.unplaced_errors) == (("lib/b.py",), ())


def test_file_that_a_notification_locates_is_unscanned() -> None:
    place = {"physicalLocation": {"artifactLocation": {"uri": "a.py"}}}
    read = notified(message={"text": "x"}, level="warning", locations=[place])
    assert (read.unscanned, read.is_whole) == (("a.py",), True)


def test_syntax_errors_as_results_are_unscanned_files() -> None:
    read = report({**at("a.py"), "ruleId": "invalid-syntax"}, tree=TREE)
    assert (read.unscanned, read.results) == (("a.py",), ())


def test_error_without_a_place_spoils_the_proof_but_a_warning_does_not() -> None:
    assert notified(message={"text": "rule x crashed"}, level="error").unplaced_errors
    assert not notified(message={"text": "rule x crashed"}, level="error").is_whole
    assert notified(message={"text": "slow"}, level="warning").is_whole
    assert notified(message={"text": "hello"}, level="note").is_whole


@pytest.mark.parametrize(
    ("suppressions", "ignored"),
    [
        (None, False),
        ([], False),
        ([{"kind": "inSource"}], True),
        ([{"kind": "external", "status": "accepted"}], True),
        ([{"kind": "inSource", "status": "rejected"}], False),
        ([{"status": "underReview"}, {"status": "accepted"}], True),
    ],
)
def test_suppressed_results_are_kept_and_marked(suppressions: Any, ignored: bool) -> None:
    (found,) = report(result(suppressions=suppressions)).results
    assert found.author_ignores is ignored
