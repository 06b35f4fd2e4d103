"""What the scans of a Job's pod said: read from its log, for people only.

The log comes from a pod that ran strangers' code, so nothing here decides more than what is shown
and the command's exit code; results that are kept travel over the volume of a nightly batch.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from nightshift.domain.printable import printable_line
from nightshift.domain.scans import Outcome, Reason

_MAX_LINES = 500
_GOOD = {Outcome.SUCCEEDED, Outcome.NOT_APPLICABLE}


@dataclass(frozen=True, slots=True)
class ScanResult:
    """How one scan ended, as its runner printed it."""

    scanner: str
    outcome: Outcome
    reason: Reason
    message: str = ""

    @property
    def good(self) -> bool:
        """Tell whether it did what it was asked to do."""
        return self.outcome in _GOOD

    def __str__(self) -> str:
        """Write it on one line."""
        text = f"{self.scanner}: {self.outcome} ({self.reason})"
        return f"{text}: {self.message}" if self.message else text


def parse_results(log: str) -> list[ScanResult]:
    """Find the runner's JSON lines in a log; other lines are left alone."""
    return list(_results(log))


def _results(log: str) -> Iterator[ScanResult]:
    for line in log.splitlines()[-_MAX_LINES:]:
        if not line.startswith("{"):
            continue
        try:
            found = json.loads(line)
            yield ScanResult(
                scanner=printable_line(str(found["scanner"]), 60),
                outcome=Outcome(found["outcome"]),
                reason=Reason(found["reason"]),
                message=printable_line(str(found.get("message") or ""), 200),
            )
        except (ValueError, KeyError, RecursionError):
            continue  # not one of the runner's lines
