"""What kube-scheduler says of each attempt in its log, read while it is written.

``--vmodule=schedule_one=10,batch=10`` logs every attempt, every scored node's total and every hint
of the batching, and nothing of the rest that ``-v=10`` would say.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

VMODULE = "--vmodule=schedule_one=10,batch=10"

_TOTAL = re.compile(
    r'"Calculated node\'s final score for pod" pod="([^"]+)" node="([^"]+)" score=(-?\d+)'
)
_ATTEMPT = re.compile(r'"Attempting to schedule pod" pod="([^"]+)"')
_HINT = re.compile(r'"OpportunisticBatch provided node hint".* pod="([^"]+)".* hint="([^"]+)"')
_BOUND = re.compile(r'"Successfully bound pod to node" pod="([^"]+)" node="([^"]+)"')
_REFUSED = re.compile(r'"Unable to schedule pod; no [^"]*" pod="([^"]+)" err=("(?:[^"\\]|\\.)*")')
_ONE_PLUGIN = b'"Plugin scored node for pod"'
_POST_FILTERS = re.compile(r" (?:no new claims to deallocate, )?preemption: .*$", re.DOTALL)


@dataclass(slots=True)
class Attempt:
    """One scheduling cycle.

    :param pod: ``namespace/name``.
    :param totals: the final score of each scored node, in the order of the feasible nodes; empty
        where nothing had to be compared.
    :param hint: the node that the batching proposed.
    :param node: where the pod was bound, empty if nowhere.
    :param refusal: the words of the FailedScheduling event, without what the plugins after the
        filters add (preemption, resource claims).
    """

    pod: str
    totals: dict[str, int] = field(default_factory=dict)
    hint: str = ""
    node: str = ""
    refusal: str = ""

    @property
    def is_decided(self) -> bool:
        """Tell whether it is known how the attempt ended."""
        return bool(self.node or self.refusal)

    @property
    def answer(self) -> str:
        """Give the node, or the words of the refusal."""
        return self.node or self.refusal


class SchedulerLog:
    """The attempts so far; ``read`` takes in what has been added to the file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self._last: dict[str, Attempt] = {}
        self.attempts: list[Attempt] = []

    @property
    def decided(self) -> int:
        """Count the pods whose last attempt has ended."""
        return sum(attempt.is_decided for attempt in self._last.values())

    def read(self) -> None:
        """Read every whole line that is new."""
        for line in self._new_lines():
            if " score=" in line:
                self._read_total(line)
            elif "schedule_one.go" in line or "batch.go" in line:
                self._read_step(line)

    def _new_lines(self) -> Iterator[str]:
        """Give new lines without the many that tell a single plugin's score."""
        with self._file.open("rb") as stream:
            stream.seek(self._offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                if _ONE_PLUGIN not in line:
                    yield line.decode(errors="replace")

    def _read_total(self, line: str) -> None:
        found = _TOTAL.search(line)
        if found:
            self._last[found[1]].totals[found[2]] = int(found[3])

    def _read_step(self, line: str) -> None:
        if found := _ATTEMPT.search(line):
            attempt = Attempt(found[1])
            self._last[attempt.pod] = attempt
            self.attempts.append(attempt)
        elif found := _HINT.search(line):
            self._last[found[1]].hint = found[2]
        elif found := _BOUND.search(line):
            self._last[found[1]].node = found[2]
        elif found := _REFUSED.search(line):
            self._last[found[1]].refusal = _POST_FILTERS.sub("", json.loads(found[2]))
