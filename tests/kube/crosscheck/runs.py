"""Which comparisons are made: batches, and how the scheduler runs that places them."""

from enum import StrEnum

from tests.kube.crosscheck.worlds import CASES, Case, Mix


class Mode(StrEnum):
    """How the scheduler runs.

    * ``ONE_THREAD`` leaves nothing to chance: filters run one after the other, no scores are
      reused, and the informers start from a LIST, which is in the order of names. (A WatchList, the
      default, passes through a Go map and comes in any order.)
    * ``NOMINATING``: likewise, but every pod is created gated, then nominated if it is to be, then
      ungated, all while the scheduler runs: the steering level ``nominate``.
    * ``AS_SHIPPED`` changes nothing. It never reuses scores: no pod counts as equal to another
      while the profile has default spreading, which it has unless told otherwise.
    * ``REUSING_SCORES`` tells it otherwise.
    """

    ONE_THREAD = "one thread"
    NOMINATING = "nominated while it runs"
    AS_SHIPPED = "as shipped"
    REUSING_SCORES = "reusing scores"

    @property
    def is_exact(self) -> bool:
        """Tell whether there is only one right answer."""
        return self in {Mode.ONE_THREAD, Mode.NOMINATING}


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
