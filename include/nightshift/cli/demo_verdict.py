"""Whether a night of the trial ended as it had to, scan by scan."""

from collections.abc import Iterator

from nightshift.domain.ids import AccountName, RepositoryName
from nightshift.domain.scans import Reason
from nightshift.embedded.sample_repositories import SampleRepositories, SampleRepository
from nightshift.store.engines import Engine, transaction
from nightshift.store.listings import MAX_PAGE, FindingFilter, list_findings
from nightshift.store.summaries import BatchSummary

_NO_TREE = frozenset({Reason.EMPTY_REPOSITORY, Reason.REMOTE_GONE})


def judge_own(summary: BatchSummary) -> list[str]:
    """List what went wrong on the user's own repositories: every scan that says nothing."""
    return [
        *_judge_batch(summary),
        *(
            f"{one.account}/{one.repository} {one.scanner}: {one.outcome} ({one.reason})"
            for one in summary.not_scanned
        ),
    ]


def judge_samples(summary: BatchSummary, samples: SampleRepositories, reader: Engine) -> list[str]:
    """List where a night on the samples differs from what their makers planted in them."""
    return [
        *_judge_batch(summary),
        *_judge_outcomes(summary, samples),
        *_judge_reports(summary, samples),
        *_judge_findings(samples, reader),
    ]


def _judge_batch(summary: BatchSummary) -> Iterator[str]:
    if summary.state != "sealed":
        yield f"batch {summary.batch} is {summary.state}, not sealed"
    if summary.totals.open_scans:
        yield f"{summary.totals.open_scans} scans have no outcome"
    if not summary.totals.scans + summary.totals.unchanged:
        yield "nothing was scanned"


def _judge_outcomes(summary: BatchSummary, samples: SampleRepositories) -> Iterator[str]:
    """Check that a scan fails to run only for the reason that its repository was made to give."""
    expected = {(s.account, s.name): s for s in samples.repositories}
    for scan in summary.not_scanned:
        sample = expected.get((scan.account, scan.repository))
        if sample is None or sample.reason not in _NO_TREE or scan.reason != sample.reason:
            name = f"{scan.account}/{scan.repository} {scan.scanner}"
            yield f"{name}: {scan.outcome} ({scan.reason}) {scan.message}"
    seen = {(one.account, one.repository): one for one in summary.repositories}
    for key, sample in expected.items():
        if sample.reason in _NO_TREE and key not in seen:
            yield f"{sample.account}/{sample.name}: not in the batch, expected {sample.reason}"


def _judge_reports(summary: BatchSummary, samples: SampleRepositories) -> Iterator[str]:
    """Check that attempts to escape or to silence are in the report of the night that saw them."""
    scanned = {(one.account, one.repository): one for one in summary.repositories}
    for sample in samples.repositories:
        one = scanned.get((sample.account, sample.name))
        if one is None:
            continue  # unchanged since an earlier night
        kinds = {n.kind for n in summary.tampering if n.repository == sample.name}
        for missing in sorted(sample.tampering - kinds):
            yield f"{sample.account}/{sample.name}: {missing} is not in the report"
        if sample.left_out and not one.left_out:
            yield f"{sample.account}/{sample.name}: nothing was left out"


def _judge_findings(samples: SampleRepositories, reader: Engine) -> Iterator[str]:
    for sample in samples.repositories:
        if sample.planted:
            found = _find(sample, reader)
            for planted in sample.planted:
                if (planted.scanner, planted.path, planted.line) not in found:
                    name = f"{sample.account}/{sample.name}"
                    yield f"{name}: {planted.scanner} missed {planted.path}:{planted.line}"


def _find(sample: SampleRepository, reader: Engine) -> set[tuple[str, str, int]]:
    wanted = FindingFilter(AccountName(sample.account), RepositoryName(sample.name))
    with transaction(reader) as connection:
        rows = list_findings(connection, wanted, limit=MAX_PAGE)
    return {(row.scanner, row.path, row.line) for row in rows}
