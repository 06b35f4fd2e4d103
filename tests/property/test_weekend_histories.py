"""Any weekend ends with everything back: people, crashes, a lost store, a late Monday."""

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nightshift.domain.capacity.plans import Action, CapacityPlan
from nightshift.domain.capacity.policies_pools import Limits
from nightshift.domain.capacity.policies_targets import TargetKind
from nightshift.domain.capacity.targets import (
    FieldName,
    LiveTarget,
    ObjectKind,
    capacity_of,
)
from nightshift.domain.leases.annotations import HOLD, lease_on
from tests.domain.capacity.capacity_support import (
    MONDAY,
    NOW,
    WINDOW,
    airflow_pool,
    autoscaler,
    cron_job,
    deployment,
    node,
    policy,
    pool,
    pool_facts,
    scaled,
    slots,
    stateful_set,
    suspended,
    tier,
    workload,
)
from tests.property.weekend_model import Kill, Killed, Weekend

COUNTS = st.integers(0, 8)
KILLS = st.sampled_from([Kill.NEVER, Kill.NEVER, Kill.AFTER_INTENT, Kill.AFTER_PATCH])
REFS = (
    "AirflowPool/code_scan",
    "CronJob/app/report",
    "HorizontalPodAutoscaler/app/worker",
    "Deployment/app/api",
    "StatefulSet/app/store",
    "NodePool/general",
    "Node/n1",
    "Node/n2",
    "Node/n3",
)


@dataclass(frozen=True)
class Monday:
    """How the restore goes.

    :param kill_after: it dies after so many writes, and another one goes on; None is never.
    :param slow: nothing ever gets ready.
    """

    late: dt.timedelta = dt.timedelta(0)
    kill_after: int | None = None
    slow: bool = False


MONDAYS = st.builds(
    Monday,
    st.sampled_from([dt.timedelta(0), dt.timedelta(minutes=2), dt.timedelta(days=3)]),
    st.none() | st.integers(0, 12),
    st.booleans(),
)


class WeekendHistory(RuleBasedStateMachine):
    """Friday's runs, people and misfortune in any order, then a Monday."""

    def __init__(self) -> None:
        super().__init__()
        self.weekend = Weekend(WINDOW, NOW, {})
        self.plan: CapacityPlan | None = None
        self.left: list[Action] = []
        self.policy = policy()
        self.exempt: set[str] = set()
        self.store_lost = False
        self.monday = Monday()

    @initialize(
        counts=st.tuples(*[st.integers(1, 12)] * 4),
        wanted=st.tuples(*[st.integers(0, 4)] * 4),
        count=st.integers(1, 9),
        kill=KILLS,
        monday=MONDAYS,
    )
    def begin(
        self,
        counts: tuple[int, ...],
        wanted: tuple[int, ...],
        count: int,
        kill: Kill,
        monday: Monday,
    ) -> None:
        """Make the cluster and the policy; the first run does some of its plan."""
        self.monday = monday
        nodes = {name: node(name) for name in ("n1", "n2", "n3", "n4")}
        facts = pool_facts(nodes=4).target
        assert facts is not None
        made: list[LiveTarget] = [
            airflow_pool("code_scan", counts[0]),
            cron_job("report", labels={"tier": "batch"}),
            autoscaler("worker", counts[1], counts[1] + counts[0], replicas=counts[1] + 3),
            deployment("api", counts[2]),
            stateful_set("store", counts[3]),
            facts,
            *(one.target for one in nodes.values()),
        ]
        self.weekend = Weekend(WINDOW, NOW, {one.id.ref: one for one in made}, nodes)
        self.set_policy(wanted)
        self.make_a_plan()
        self._carry_out(Kill.NEVER, count - 1)
        self._carry_out(kill, 1)

    def set_policy(self, wanted: tuple[int, ...]) -> None:
        self.policy = policy(
            tier("batch", slots("code_scan", wanted[0]), suspended("tier=batch")),
            tier("workers", scaled("worker", wanted[1], wanted[1] + wanted[2])),
            tier("api", workload(TargetKind.DEPLOYMENT, "api", wanted[2])),
            tier("storage", workload(TargetKind.STATEFUL_SET, "store", wanted[3])),
            pools=[pool(target=2)],
            limits=Limits(min_ready_nodes=1, headroom_pct=0),
            digest=str(wanted),
        )

    # -- Friday

    @rule()
    def make_a_plan(self) -> None:
        self.plan = self.weekend.plan(self.policy)
        self.left = [] if self.plan.is_refused else list(self.plan.actions)

    @precondition(lambda self: self.left)
    @rule(kill=KILLS, count=st.integers(1, 9))
    def carry_out(self, kill: Kill, count: int) -> None:
        self._carry_out(kill, count)

    def _carry_out(self, kill: Kill, count: int) -> None:
        assert self.plan is not None
        for _ in range(min(count, len(self.left))):
            try:
                self.weekend.lower(self.plan, self.left.pop(0), kill)
            except Killed:
                self.left = []
                return

    @rule()
    def go_on_with_steps(self) -> None:
        self.weekend.step_on()

    @rule()
    def reconcile(self) -> None:
        self.weekend.recover()

    @rule(minutes=st.integers(1, 600))
    def time_passes(self, minutes: int) -> None:
        later = self.weekend.now + dt.timedelta(minutes=minutes)
        self.weekend.now = min(later, MONDAY - dt.timedelta(minutes=1))

    @rule(kill_after=st.none() | st.integers(0, 5))
    def a_friday_is_undone(self, kill_after: int | None) -> None:
        self.left = []
        with suppress(Killed):
            self.weekend.restore(kill_after, everything=True)
        self.weekend.restore(everything=True)
        self.weekend.check_restored(self.exempt)
        self.weekend.forget_restored()

    # -- people

    @rule(ref=st.sampled_from(REFS), value=COUNTS, other=COUNTS)
    def somebody_edits(self, ref: str, value: int, other: int) -> None:
        live = self.weekend.read(ref)
        if live is None:
            return
        for name, new in self.edits(live, value, other).items():
            if capacity_of(live.id.kind, name, new) > live.capacity(name):
                self.weekend.raised_by_people.add(ref)
            self.weekend.edit(ref, name, new)

    @staticmethod
    def edits(live: LiveTarget, value: int, other: int) -> dict[FieldName, int | bool]:
        match live.id.kind:
            case ObjectKind.AUTOSCALER:
                return {FieldName.MIN_REPLICAS: value, FieldName.MAX_REPLICAS: value + other}
            case ObjectKind.NODE_POOL:
                return {FieldName.MIN_NODES: value, FieldName.MAX_NODES: value + other}
            case ObjectKind.NODE:
                return {FieldName.UNSCHEDULABLE: value > 4}
            case ObjectKind.CRON_JOB:
                return {FieldName.SUSPEND: value > 4}
            case ObjectKind.AIRFLOW_POOL:
                return {FieldName.SLOTS: value - 1}
            case _:
                return {FieldName.REPLICAS: value}

    @rule(ref=st.sampled_from(REFS), on=st.booleans())
    def somebody_holds(self, ref: str, on: bool) -> None:
        live = self.weekend.read(ref)
        if live is not None:
            kept = {key: value for key, value in live.annotations.items() if key != HOLD}
            self.weekend.put(replace(live, annotations={**kept, **({HOLD: "true"} if on else {})}))

    @rule(ref=st.sampled_from(REFS[1:5]), value=COUNTS, other=COUNTS)
    def somebody_makes_it_anew(self, ref: str, value: int, other: int) -> None:
        live = self.weekend.read(ref)
        if live is None:
            return
        if self.store_lost:  # then nobody knows what it was
            self.exempt.add(ref)
        fields = {**live.fields, **self.edits(live, value, other)}
        self.weekend.make_anew(ref, fields)

    @rule(ref=st.sampled_from(REFS[1:]))
    def somebody_deletes(self, ref: str) -> None:
        if ref != "NodePool/general":
            self.weekend.targets.pop(ref, None)

    @rule(wanted=st.tuples(*[st.integers(0, 6)] * 4))
    def somebody_edits_the_policy(self, wanted: tuple[int, ...]) -> None:
        self.set_policy(wanted)

    # -- misfortune

    @rule()
    def the_store_is_lost(self) -> None:
        self.store_lost = True
        self.left = []
        for ref in self.weekend.truth:
            live = self.weekend.read(ref)
            if live is None or lease_on(live) is None:
                self.exempt.add(ref)  # it was made anew: neither side knows
        self.weekend.rows.clear()
        self.weekend.remembered.clear()

    # -- Monday

    @invariant()
    def nothing_is_lowered_twice_in_a_window(self) -> None:
        if not self.store_lost:
            lowered = self.weekend.lowered
            assert len(set(lowered)) == len(lowered)

    def teardown(self) -> None:
        """Bring everything back: killed once on the way, then to the end, then once more."""
        weekend, monday = self.weekend, self.monday
        weekend.now = MONDAY + monday.late
        weekend.slow = monday.slow
        with suppress(Killed):
            weekend.restore(monday.kill_after)
        weekend.restore()
        weekend.check_restored(self.exempt)
        before = dict(weekend.targets)
        weekend.restore()
        assert weekend.targets == before, "a second restore writes"


def test_any_history_of_a_weekend_ends_with_everything_back() -> None:
    run_state_machine_as_test(
        WeekendHistory,
        settings=settings(settings.default, max_examples=500, stateful_step_count=20),
    )
