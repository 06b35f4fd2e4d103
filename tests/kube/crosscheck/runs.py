"""Which comparisons are made, and how one is made from end to end."""

from tests.kube.clusters import Cluster
from tests.kube.crosscheck.comparing import Comparison
from tests.kube.crosscheck.players import Mode, Played, play
from tests.kube.crosscheck.records import Entry, make_entry
from tests.kube.crosscheck.worlds import CASES, Case, Mix

Run = tuple[Case, Mode]

ONE_THREAD: tuple[Run, ...] = tuple((case, Mode.ONE_THREAD) for case in CASES)
NOMINATING: tuple[Run, ...] = tuple(
    (case, Mode.NOMINATING) for case in CASES if case.nodes == 90 or case.mix is Mix.BIMODAL
)
AS_SHIPPED: tuple[Run, ...] = tuple((case, Mode.AS_SHIPPED) for case in CASES)
REUSING_SCORES: tuple[Run, ...] = tuple(
    (case, Mode.REUSING_SCORES) for case in CASES if case.mix is Mix.ONE_PER_NODE
)
ALL = (*ONE_THREAD, *NOMINATING, *AS_SHIPPED, *REUSING_SCORES)

TESTED = tuple(
    (case, mode)
    for case, mode in ALL
    if (mode is Mode.ONE_THREAD and case.mix is not Mix.ONE_PER_NODE)
    or (case.mix is Mix.BIMODAL and case.nodes < 500)
    or (mode is Mode.REUSING_SCORES and case.nodes < 500)
)
"""What ``make test-kube`` repeats: the four mixes with one thread, a little of the rest."""
TESTED_PODS = sum(case.pods for case, _ in TESTED)


def cross_check(cluster: Cluster, case: Case, mode: Mode) -> Entry:
    """Play a case on the real scheduler and compare.

    :raises HarnessError: if it cannot be played.
    """
    played = play(cluster, case, mode)
    return make_entry(case, mode, compare(played, mode).agreement, played.attempts)


def compare(played: Played, mode: Mode) -> Comparison:
    """Compare each attempt; one thread without gates must also keep the order of the queue."""
    nominating = mode is Mode.NOMINATING
    comparison = Comparison(played.nodes, played.pods, gated_count=nominating)
    if mode is Mode.ONE_THREAD:
        comparison.check_queue(played.attempts)
    for attempt in played.attempts:
        if mode.is_exact:
            comparison.check_exact(attempt)
        else:
            comparison.check_plausible(attempt)
    return comparison
