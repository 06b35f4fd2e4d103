import dataclasses

import pytest

from nightshift.domain.ids import CommitSha, RepositoryName, ScanName, ScannerName
from nightshift.domain.sarif_values import Level, SarifReport, SarifResult, Severity
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import ScanItem
from nightshift.runner.scan_outcomes import Coverage, ScanEvidence, judge, last_line
from nightshift.runner.scan_process import Ended, StopCause
from nightshift.scanners import get_scanner, load_scanners

ITEM = ScanItem(
    scan=ScanName("1-a-ruff"),
    repository=RepositoryName("a"),
    commit=CommitSha("1" * 40),
    scanner=ScannerName("ruff"),
    cache_key="k",
    deadline_seconds=60,
    memory_bytes=1_000,
    output_bytes=1_000,
)
ENDED = Ended(0, None, 1.0, 1.0, 1, b"first\nlast \x1b[31m\n", (), 0)
NOTHING = SarifReport((), {})
RESULT = SarifResult("a.py", 1, 1, "S602", "text", Level.ERROR, Severity.HIGH)
FOUND = dataclasses.replace(NOTHING, results=(RESULT,))
GOOD = ScanEvidence(ENDED, 10, NOTHING)


def ended(code: int, stopped: StopCause | None = None) -> Ended:
    return dataclasses.replace(ENDED, exit_code=code, stopped=stopped)


@pytest.mark.parametrize(
    ("scanner", "evidence", "expected"),
    [
        pytest.param("ruff", GOOD, (Outcome.SUCCEEDED, Reason.OK), id="clean"),
        pytest.param(
            "ruff",
            ScanEvidence(ended(1), 10, FOUND),
            (Outcome.SUCCEEDED, Reason.OK),
            id="findings",
        ),
        pytest.param(
            "ruff",
            ScanEvidence(ended(1), 10, dataclasses.replace(NOTHING, unscanned=("b.py",))),
            (Outcome.SUCCEEDED, Reason.OK),
            id="only parse errors, which ruff counts as found",
        ),
        pytest.param(
            "flawfinder",
            ScanEvidence(ended(0), 10, FOUND),
            (Outcome.SUCCEEDED, Reason.OK),
            id="findings and 0 where 0 says nothing",
        ),
        pytest.param(
            "gitleaks",
            ScanEvidence(ended(1), 10, NOTHING),
            (Outcome.FAILED, Reason.EXIT_CODE),
            id="gitleaks' fatal error",
        ),
        pytest.param(
            "ruff",
            ScanEvidence(ended(0), 10, FOUND),
            (Outcome.FAILED, Reason.BAD_SARIF),
            id="code and result disagree",
        ),
        pytest.param(
            "ruff",
            ScanEvidence(ended(-9), None, None, oom_killed=True),
            (Outcome.OUT_OF_MEMORY, Reason.MEMORY_CONTAINER),
            id="killed by the kernel for memory",
        ),
        pytest.param(
            "ruff",
            ScanEvidence(ended(-9), None, None),
            (Outcome.FAILED, Reason.EXIT_CODE),
            id="killed by someone",
        ),
        pytest.param(
            "ruff",
            ScanEvidence(ended(-15, StopCause.MEMORY), None, None),
            (Outcome.OUT_OF_MEMORY, Reason.MEMORY_WATCHED),
            id="over its memory",
        ),
        pytest.param(
            "ruff",
            ScanEvidence(ended(0, StopCause.DEADLINE), 10, NOTHING),
            (Outcome.TIMED_OUT, Reason.SCAN_DEADLINE),
            id="ends well after its deadline: too late",
        ),
        pytest.param(
            "ruff",
            ScanEvidence(ended(0), 1_000, None),
            (Outcome.FAILED, Reason.OUTPUT_TOO_LARGE),
            id="a result at the limit is a cut one",
        ),
        pytest.param(
            "ruff",
            ScanEvidence(ended(0), 10, dataclasses.replace(NOTHING, ran=False)),
            (Outcome.FAILED, Reason.BAD_SARIF),
            id="its result says that it failed",
        ),
    ],
)
def test_how_a_scan_ended(
    scanner: str, evidence: ScanEvidence, expected: tuple[Outcome, Reason]
) -> None:
    verdict = judge(get_scanner(load_scanners(), scanner, ""), ITEM, evidence)

    assert (verdict.outcome, verdict.reason) == expected


def test_the_last_line_of_the_log_says_why_and_is_safe_to_show() -> None:
    verdict = judge(get_scanner(load_scanners(), "ruff", ""), ITEM, ScanEvidence(ended(2), 1, None))

    assert verdict.message == "it ended with code 2: last \\x1b[31m"
    assert last_line(b"") == ""


@pytest.mark.parametrize(
    ("coverage", "enough"),
    [
        pytest.param(Coverage(100, None, ("x",) * 10), True, id="ten of a hundred skipped"),
        pytest.param(Coverage(100, None, ("x",) * 11), False, id="eleven skipped"),
        pytest.param(Coverage(100, 89, ()), False, id="the tool counted less"),
        pytest.param(Coverage(100, 90, ("x",) * 50), True, id="the tool's own count decides"),
    ],
)
def test_coverage(coverage: Coverage, enough: bool) -> None:
    assert coverage.is_enough is enough
