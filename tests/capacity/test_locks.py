"""A lock is taken from the dead and never from the living, however wrong two clocks are."""

import datetime as dt
import itertools
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightshift.cluster.client import Cluster
from nightshift.cluster.locks import HELD_FOR, Lock, hold_lock
from nightshift.errors import Conflict
from tests.capacity.capacity_support import FRIDAY

NAMES = itertools.count()
SKEWS = st.integers(-7200, 7200).map(lambda seconds: dt.timedelta(seconds=seconds))
BEAT = dt.timedelta(seconds=60)


@dataclass
class Machines:
    """True time, the clocks of two machines, and a holder that renews until it dies.

    :param dies: the holder's last instant of true time; None is never.
    """

    theirs: dt.timedelta
    ours: dt.timedelta
    dies: dt.datetime | None
    now: dt.datetime = FRIDAY
    lock: Lock | None = None
    beat_at: dt.datetime = field(default=FRIDAY)

    @property
    def lives(self) -> bool:
        return self.dies is None or self.now < self.dies

    def their_clock(self) -> dt.datetime:
        return self.now + self.theirs

    def our_clock(self) -> dt.datetime:
        return self.now + self.ours

    def sleep(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)
        if self.lock is not None and self.lives and self.now - self.beat_at >= BEAT:
            self.lock.renew()
            self.beat_at = self.now


def try_lock(cluster: Cluster, name: str, machines: Machines) -> bool:
    try:
        with hold_lock(cluster, name, "ours", machines.our_clock, machines.sleep):
            return True
    except Conflict:
        return False


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(theirs=SKEWS, ours=SKEWS, life=st.none() | st.integers(0, 900), wait=st.integers(0, 600))
def test_whatever_the_clocks_say(
    cluster: Cluster, theirs: dt.timedelta, ours: dt.timedelta, life: int | None, wait: int
) -> None:
    name = f"lock-{next(NAMES)}"
    dies = None if life is None else FRIDAY + dt.timedelta(seconds=life)
    machines = Machines(theirs, ours, dies)
    with hold_lock(cluster, name, "theirs", machines.their_clock, machines.sleep) as machines.lock:
        for _ in range(wait // 10):
            machines.sleep(10)
        for _ in range(20):
            taken = try_lock(cluster, name, machines)
            assert not (taken and machines.lives), "it was taken from the living"
            if taken:
                break
            machines.sleep(61)
    # theirs may look fresh for as long as their clock is ahead of ours, within its duration
    ended = machines.dies is not None and machines.now - machines.dies > 3 * HELD_FOR
    assert taken or not ended


def test_the_dead_machines_clock_from_the_future_holds_nobody_up(cluster: Cluster) -> None:
    machines = Machines(dt.timedelta(days=365), dt.timedelta(0), FRIDAY)
    with hold_lock(cluster, "future", "theirs", machines.their_clock, machines.sleep):
        assert try_lock(cluster, "future", machines)
    assert machines.now - FRIDAY <= HELD_FOR + dt.timedelta(seconds=1)


def test_the_living_with_a_slow_clock_keep_it(cluster: Cluster) -> None:
    machines = Machines(-dt.timedelta(hours=1), dt.timedelta(0), None)
    with hold_lock(
        cluster, "slow", "theirs", machines.their_clock, machines.sleep
    ) as machines.lock:
        assert not try_lock(cluster, "slow", machines)
