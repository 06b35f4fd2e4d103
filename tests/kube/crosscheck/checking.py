"""One comparison from end to end."""

from tests.kube.clusters import Cluster
from tests.kube.crosscheck.comparing import Comparison
from tests.kube.crosscheck.players import Played, play
from tests.kube.crosscheck.records import Entry, make_entry
from tests.kube.crosscheck.runs import Mode
from tests.kube.crosscheck.worlds import Case


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
