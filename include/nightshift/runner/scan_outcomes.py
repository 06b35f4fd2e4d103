"""Judges how a scan ended, from what was seen of its process and from what it wrote. No I/O."""

import dataclasses
import signal
from dataclasses import dataclass

from nightshift.domain.printable import printable_line
from nightshift.domain.sarif_values import SarifReport
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import CheckoutStatus, Phase, ScanItem, ScanStatus
from nightshift.runner.scan_process import Ended, StopCause
from nightshift.scanners.definitions import ExitMeaning, Scanner

CLOSING_SHARE = 0.9
"""Share of the expected files that must have been scanned for a finding's absence to be proof."""
_MESSAGE_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """A scan's outcome, why, and one line for people."""

    outcome: Outcome
    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True)
class ScanEvidence:
    """What is known of a scan whose process has ended.

    :param output_bytes: size of what it wrote, None if there is no such file.
    :param report: the SARIF as read, None if it was not accepted.
    :param fault: why it was not accepted.
    :param oom_killed: the kernel killed something in our container for memory meanwhile.
    """

    ended: Ended
    output_bytes: int | None
    report: SarifReport | None
    fault: str = ""
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the tree the scan looked at.

    :param scanned: as the tool counts, None if it does not.
    :param skipped: paths that it could not read or parse.
    """

    expected: int
    scanned: int | None
    skipped: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        """Tell whether absence means something."""
        scanned = self.expected - len(self.skipped) if self.scanned is None else self.scanned
        return scanned >= CLOSING_SHARE * self.expected


def end_status(started: ScanStatus, verdict: Verdict) -> ScanStatus:
    """Build the status of a scan that has ended so."""
    return dataclasses.replace(
        started,
        phase=Phase.ENDED,
        outcome=verdict.outcome,
        reason=verdict.reason,
        message=verdict.message[:_MESSAGE_CHARS],
    )


def judge(scanner: Scanner, item: ScanItem, evidence: ScanEvidence) -> Verdict:
    """Say how a scan ended; the first thing that is wrong decides.

    The process must not have been stopped because the pod ends: such a scan has no outcome.
    """
    return (
        _judge_stop(item, evidence)
        or _judge_size(item, evidence)
        or _judge_exit(scanner, evidence)
        or _judge_output(scanner, evidence)
    )


def judge_checkout(status: CheckoutStatus | None, item: ScanItem) -> Verdict | None:
    """Say why there is nothing to scan; None if there is a tree of the right commit."""
    if status is None:
        message = "there is no checkout of this repository on the volume"
        return Verdict(Outcome.NOT_RUN, Reason.CLONE_FAILED, message)
    if status.reason is Reason.EMPTY_REPOSITORY or (status.state == "ready" and not status.files):
        return Verdict(Outcome.NOT_APPLICABLE, Reason.EMPTY_REPOSITORY)
    if status.state != "ready":
        return Verdict(Outcome.NOT_RUN, status.reason, status.message)
    if (status.repository, status.commit) != (item.repository, item.commit):
        message = f"the tree is of commit {status.commit}, not of {item.commit}"
        return Verdict(Outcome.NOT_RUN, Reason.CLONE_FAILED, message)
    return None


def _judge_stop(item: ScanItem, evidence: ScanEvidence) -> Verdict | None:
    match evidence.ended.stopped:
        case StopCause.DEADLINE:
            message = f"it did not end within {item.deadline_seconds} s"
            return Verdict(Outcome.TIMED_OUT, Reason.SCAN_DEADLINE, message)
        case StopCause.MEMORY:
            message = f"its processes held more than {item.memory_bytes:,} bytes of memory"
            return Verdict(Outcome.OUT_OF_MEMORY, Reason.MEMORY_WATCHED, message)
        case StopCause.ROOM:
            message = "it filled its private folder"
            return Verdict(Outcome.FAILED, Reason.OUTPUT_TOO_LARGE, message)
        case StopCause.PROCESSES:
            message = "it started too many processes"
            return Verdict(Outcome.FAILED, Reason.EXIT_CODE, message)
        case StopCause.POD | None:
            return None


def _judge_size(item: ScanItem, evidence: ScanEvidence) -> Verdict | None:
    if evidence.ended.exit_code == -signal.SIGKILL and evidence.oom_killed:
        message = "the kernel killed it for memory: the container's limit is too low"
        return Verdict(Outcome.OUT_OF_MEMORY, Reason.MEMORY_CONTAINER, message)
    at_limit = (evidence.output_bytes or 0) >= item.output_bytes
    if at_limit or evidence.ended.exit_code == -signal.SIGXFSZ:
        message = f"its output is larger than {item.output_bytes:,} bytes"
        return Verdict(Outcome.FAILED, Reason.OUTPUT_TOO_LARGE, message)
    return None


def _judge_exit(scanner: Scanner, evidence: ScanEvidence) -> Verdict | None:
    code = evidence.ended.exit_code
    meaning = scanner.command.exit_codes.get(code, ExitMeaning.ERROR)
    if meaning is not ExitMeaning.ERROR:
        return None
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return Verdict(Outcome.FAILED, Reason.EXIT_CODE, f"it {how}{last_line(evidence.ended.log)}")


def _judge_output(scanner: Scanner, evidence: ScanEvidence) -> Verdict:
    if evidence.output_bytes is None:
        message = f"it wrote no result{last_line(evidence.ended.log)}"
        return Verdict(Outcome.FAILED, Reason.NO_OUTPUT, message)
    report = evidence.report
    if report is None:
        return Verdict(Outcome.FAILED, Reason.BAD_SARIF, evidence.fault)
    if not report.ran:
        message = "its result says that it did not run to its end"
        return Verdict(Outcome.FAILED, Reason.BAD_SARIF, message)
    meaning = scanner.command.exit_codes[evidence.ended.exit_code]
    found = bool(report.results or report.unscanned or report.foreign_results or report.malformed)
    if found is (meaning is ExitMeaning.NO_FINDINGS) and meaning is not ExitMeaning.EITHER:
        said = "found something" if meaning is ExitMeaning.FINDINGS else "found nothing"
        message = f"its exit code says that it {said}, its result says otherwise"
        return Verdict(Outcome.FAILED, Reason.BAD_SARIF, message)
    return Verdict(Outcome.SUCCEEDED, Reason.OK)


def last_line(log: bytes) -> str:
    """Give the last line of a log, safe to show, after a colon; "" for an empty log."""
    lines = log.decode(errors="replace").strip().splitlines()
    return f": {printable_line(lines[-1], 300)}" if lines else ""
