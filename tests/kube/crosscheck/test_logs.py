"""Lines as kube-scheduler 1.36 writes them, read while the file grows."""

from pathlib import Path

from tests.kube.crosscheck.logs import Attempt, SchedulerLog

_AT = "I1127 06:29:24.511213   19034 "
LINES = [
    _AT + 'schedule_one.go:123] "Attempting to schedule pod" pod="scans/p0001"',
    _AT + 'schedule_one.go:985] "Plugin scored node for pod" pod="scans/p0001" '
    'plugin="TaintToleration" node="n0003" score=300',
    _AT + 'schedule_one.go:1037] "Calculated node\'s final score for pod" pod="scans/p0001" '
    'node="n0003" score=431',
    _AT + 'schedule_one.go:1037] "Calculated node\'s final score for pod" pod="scans/p0001" '
    'node="n0001" score=-2',
    _AT + 'schedule_one.go:123] "Attempting to schedule pod" pod="scans/p0002"',
    _AT + 'batch.go:89] "OpportunisticBatch provided node hint" profile="default-scheduler" '
    'pod="scans/p0002" cycleCount=7 hint="n0001" remainingNodes=3',
    _AT + 'schedule_one.go:1239] "Unable to schedule pod; no fit; waiting" pod="scans/p0002" '
    'err="0/2 nodes are available: 2 node(s) had a \\"x\\". no new claims to deallocate, '
    'preemption: not eligible due to preemptionPolicy=Never."',
    _AT + 'schedule_one.go:481] "Successfully bound pod to node" pod="scans/p0001" node="n0003" '
    "evaluatedNodes=2 feasibleNodes=2",
]
READ = [
    Attempt("scans/p0001", {"n0003": 431, "n0001": -2}, node="n0003"),
    Attempt("scans/p0002", hint="n0001", refusal='0/2 nodes are available: 2 node(s) had a "x".'),
]


def test_attempts_are_read_in_order(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("".join(f"{line}\n" for line in LINES))
    log = SchedulerLog(file)
    log.read()
    assert log.attempts == READ
    assert log.decided == 2


def test_a_log_that_grows_by_any_number_of_bytes_is_read_the_same(tmp_path: Path) -> None:
    file = tmp_path / "log"
    text = "".join(f"{line}\n" for line in LINES).encode()
    log = SchedulerLog(file)
    for end in range(0, len(text) + 97, 97):
        file.write_bytes(text[:end])
        log.read()
    assert log.attempts == READ


def test_a_pod_that_is_tried_again_is_undecided_until_that_ends(tmp_path: Path) -> None:
    file = tmp_path / "log"
    again = LINES[4]
    file.write_text("".join(f"{line}\n" for line in [*LINES, again]))
    log = SchedulerLog(file)
    log.read()
    assert [attempt.pod for attempt in log.attempts] == [
        "scans/p0001",
        "scans/p0002",
        "scans/p0002",
    ]
    assert log.decided == 1
