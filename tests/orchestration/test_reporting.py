"""What a pod's end says of the scans that it left open."""

import pytest

from nightshift.domain.scans import Outcome, Reason
from nightshift.orchestration.steps.reporting import explain
from nightshift.store.summaries import ShardSummary


def shard(pod: str = "p", reason: str = "") -> ShardSummary:
    return ShardSummary("s001", "scan", "anna", 3, "n1", "n2", pod, reason, 10.0, None)


@pytest.mark.parametrize(
    ("reason", "outcome", "why"),
    [
        ("OOMKilled", Outcome.OUT_OF_MEMORY, Reason.MEMORY_CONTAINER),
        ("DeadlineExceeded", Outcome.TIMED_OUT, Reason.POD_DEADLINE),
        ("Evicted", Outcome.FAILED, Reason.EVICTED),
        ("NodeLost", Outcome.FAILED, Reason.NODE_LOST),
        ("Error", Outcome.FAILED, Reason.INTERNAL),
        ("", Outcome.FAILED, Reason.INTERNAL),
    ],
)
def test_the_last_pods_end_decides(reason: str, outcome: Outcome, why: Reason) -> None:
    ending = explain(shard(reason=reason))
    assert (ending.outcome, ending.reason) == (outcome, why)
    assert "pod p on n2 ended" in ending.message


def test_a_shard_without_a_pod_never_started() -> None:
    ending = explain(shard(pod=""))
    assert (ending.outcome, ending.reason) == (Outcome.NOT_RUN, Reason.NIGHT_OVER)
