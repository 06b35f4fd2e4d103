"""However a process ends, its scan has one outcome, with a reason that belongs to it."""

from hypothesis import given
from hypothesis import strategies as st

from nightshift.clock import utc_now
from nightshift.domain.ids import CommitSha, RepositoryName, ScanName, ScannerName
from nightshift.domain.sarif_values import SarifReport
from nightshift.domain.scans import Outcome
from nightshift.domain.worklists import Phase, ScanItem
from nightshift.runner.scan_outcomes import Coverage, ScanEvidence, end_status, judge
from nightshift.runner.scan_process import Ended, StopCause
from nightshift.runner.scan_status import start_status
from nightshift.scanners import Scanner, load_scanners

ITEM = ScanItem(
    scan=ScanName("1-a-x"),
    repository=RepositoryName("a"),
    commit=CommitSha("1" * 40),
    scanner=ScannerName("x"),
    cache_key="k",
    deadline_seconds=60,
    memory_bytes=1_000,
    output_bytes=1_000,
)
STARTED = start_status(ITEM, 1, utc_now())

ended = st.builds(
    Ended,
    exit_code=st.integers(-64, 255),
    stopped=st.sampled_from([None, *(set(StopCause) - {StopCause.POD})]),
    seconds=st.just(1.0),
    cpu_seconds=st.just(1.0),
    peak_bytes=st.just(1),
    log=st.binary(max_size=300),
    in_force=st.just(()),
    stragglers=st.integers(0, 2),
)
reports = st.builds(
    SarifReport,
    results=st.just(()),
    rules=st.just({}),
    unscanned=st.sampled_from([(), ("a",)]),
    foreign_results=st.integers(0, 1),
    ran=st.booleans(),
)
evidence = st.builds(
    ScanEvidence,
    ended=ended,
    output_bytes=st.none() | st.integers(0, 2_000),
    report=st.none() | reports,
    fault=st.text(max_size=3_000),
    oom_killed=st.booleans(),
)


@given(scanner=st.sampled_from(list(load_scanners().values())), seen=evidence)
def test_every_ending_has_an_outcome_that_the_store_takes(
    scanner: Scanner, seen: ScanEvidence
) -> None:
    status = end_status(STARTED, judge(scanner, ITEM, seen))  # refuses a pair that does not belong

    assert status.phase is Phase.ENDED
    assert len(status.message) <= 2_000
    stopped_or_silent = seen.ended.stopped is not None or seen.output_bytes is None
    assert not (stopped_or_silent and status.outcome is Outcome.SUCCEEDED)
    assert not (seen.report is None and status.outcome is Outcome.SUCCEEDED)


@given(expected=st.integers(0, 500), skipped=st.integers(0, 500))
def test_more_skipped_files_never_prove_more(expected: int, skipped: int) -> None:
    more = Coverage(expected, None, ("x",) * (skipped + 1))
    less = Coverage(expected, None, ("x",) * skipped)

    assert less.is_enough or not more.is_enough
