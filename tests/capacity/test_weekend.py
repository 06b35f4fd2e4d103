"""A whole weekend over HTTP and a real store: Friday, what people do meanwhile, Monday."""

import datetime as dt
import re
from dataclasses import replace

import pytest

from nightshift.domain.capacity.diffs import diff_lines, diff_plan
from nightshift.domain.capacity.plans import lease_of
from nightshift.domain.capacity.policies_pools import NodePool, PoolBounds, PoolDriver
from nightshift.domain.capacity.policies_targets import Measure
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.targets import FieldName
from nightshift.domain.leases.annotations import LEASE_KEYS
from nightshift.domain.leases.records import LeaseState, StepState
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.embedded.machines import GROUP, definitions, machine_deployment, run_machines
from nightshift.errors import ClusterUnavailable
from nightshift.nodepools.cluster_api import ClusterApiPool
from nightshift.store.capacity_events import find_broken_event
from nightshift.store.capacity_leases import list_open_leases, read_lease_row
from nightshift.store.capacity_records import RunKind, StepRecord
from nightshift.store.engines import transaction
from nightshift.weekend.applying import apply_plan
from nightshift.weekend.restoring import Given
from nightshift.weekend.verifying import verify_raised
from tests.capacity.capacity_support import FRIDAY, MONDAY
from tests.capacity.weekend_support import EVERY, STORE, WORKER, World

NODE = NodeSpec("any", "4", "16Gi")
BEFORE = {
    "worker": {"replicas": 4},
    "store": {"replicas": 3},
    "api": {"minReplicas": 3, "maxReplicas": 9},
    "report": {"suspend": False, "startingDeadlineSeconds": None},
}
LOWERED = {
    "worker": {"replicas": 1},
    "store": {"replicas": 2},
    "api": {"minReplicas": 2, "maxReplicas": 6},
    "report": {"suspend": True, "startingDeadlineSeconds": None},
}


def test_friday_lowers_what_the_plan_says_and_monday_brings_it_back(world: World) -> None:
    assert world.fields() == BEFORE
    plan = world.plan()
    assert plan.problems == ()
    applied = world.apply(plan)
    assert applied.failed == ""
    assert {step.state for step in applied.steps} == {StepState.VERIFIED}
    assert [step.tier for step in applied.steps] == [
        "batch", "workers", "api", "storage", "nodes"
    ]  # fmt: skip
    assert world.fields() == LOWERED
    assert len(world.cordoned()) == 1

    world.hand.now = MONDAY + dt.timedelta(minutes=1)
    restored = world.restore()
    assert restored.complete
    assert {one.given for one in restored.outcomes} == {Given.BACK}
    after = world.fields()
    assert after["report"] == {"suspend": False, "startingDeadlineSeconds": 15}
    assert {**after, "report": 0} == {**BEFORE, "report": 0}
    assert world.cordoned() == set()
    for target in EVERY:
        left = {k for k in world.live(target).annotations if k.startswith("nightshift/")}
        assert left <= {"nightshift/deadline"}
    with transaction(world.engine) as connection:
        assert list_open_leases(connection) == []
        assert find_broken_event(connection) is None


def test_nothing_comes_back_while_the_window_is_open(world: World) -> None:
    world.apply()
    world.hand.now = MONDAY - dt.timedelta(minutes=1)
    assert world.restore().outcomes == ()
    assert world.fields() == LOWERED


def test_late_wakeup_runs(world: World) -> None:
    """Whatever Airflow was down for, the first run after it brings everything back."""
    world.apply()
    world.hand.now = MONDAY + dt.timedelta(days=3)
    assert world.restore().complete
    assert world.fields()["worker"] == BEFORE["worker"]


def test_restore_keeps_human_raise(world: World) -> None:
    world.apply()
    world.edit(WORKER, {"replicas": 7})
    world.hand.now = MONDAY
    assert world.restore().complete
    assert world.fields()["worker"] == {"replicas": 7}


def test_restore_after_oncall_wakes(world: World) -> None:
    """Somebody raises it a little; a second run must not take that for what it was before."""
    world.apply()
    world.edit(WORKER, {"replicas": 2})
    again = world.plan()
    assert "worker" not in {action.target.name for action in again.actions}
    world.apply(again, run="run-1b")
    world.hand.now = MONDAY
    assert world.restore().complete
    assert world.fields()["worker"] == {"replicas": 4}


def test_restore_after_policy_edit(world: World) -> None:
    world.apply()
    world.policy = type(world.policy)(**{
        **{name: getattr(world.policy, name) for name in world.policy.__slots__},
        "tiers": world.policy.tiers[:1],
        "digest": "digest-2",
    })
    world.hand.now = MONDAY
    assert world.restore().complete
    assert world.fields()["worker"] == BEFORE["worker"]


def test_never_raises_on_friday(world: World) -> None:
    world.edit(WORKER, {"replicas": 0})
    world.settle()
    world.apply()
    assert world.fields()["worker"] == {"replicas": 0}
    world.hand.now = MONDAY
    world.restore()
    assert world.fields()["worker"] == {"replicas": 0}


def test_modified_then_skipped(world: World) -> None:
    """An object that is changed under every write of ours still comes back, and keeps its lease."""
    world.apply()
    path = r"PATCH", r"/deployments/worker"
    world.server.call(lambda local: local.faults.add(*path, 409, times=4))
    world.hand.now = MONDAY
    assert world.restore().complete
    assert world.fields()["worker"] == BEFORE["worker"]


def test_what_is_held_stays_until_the_hold_is_over(world: World) -> None:
    world.apply()
    until = (MONDAY + dt.timedelta(hours=2)).isoformat()
    world.annotate(STORE, **{"nightshift/hold-until": until})
    world.hand.now = MONDAY
    held = world.restore().of(Given.HELD)
    assert [one.lease.target.name for one in held] == ["store"]
    assert world.fields()["store"] == LOWERED["store"]
    world.hand.now = MONDAY + dt.timedelta(hours=3)
    assert world.restore(run="run-3").complete
    assert world.fields()["store"] == BEFORE["store"]


def test_a_failed_friday_is_undone_in_reverse(world: World) -> None:
    world.server.call(lambda local: local.faults.add("PATCH", "/statefulsets/store", 422, times=9))
    applied = world.apply()
    assert "422" in applied.failed
    states = {step.ref: step.state for step in applied.steps}
    assert applied.undone is not None
    world.server.call(lambda local: local.faults.clear())
    assert states[STORE.ref] is StepState.FAILED
    journal = world.journal()
    states = {step.ref: step.state for step in journal.steps()}
    assert states[WORKER.ref] is StepState.COMPENSATED
    after = world.fields()
    assert (after["worker"], after["api"]) == (BEFORE["worker"], BEFORE["api"])
    assert after["report"]["suspend"] is False
    assert world.cordoned() == set()


@pytest.mark.parametrize("good", [True, False], ids=["it holds", "it does not"])
def test_what_a_tier_must_keep_is_waited_for_or_the_friday_is_undone(
    world: World, good: bool
) -> None:
    measure = Measure("error_ratio", below=0.01, hold=dt.timedelta(minutes=5))
    tiers = world.policy.tiers
    world.policy = replace(
        world.policy, tiers=(*tiers[:2], replace(tiers[2], verify=(measure,)), *tiers[3:])
    )
    asked: list[dt.datetime] = []

    def holds(one: Measure) -> bool:
        asked.append(world.hand.now)
        return one.holds(0.001 if good else 0.5)

    applied = apply_plan(replace(world.apply_of(world.plan()), holds=holds))
    if good:
        assert asked[-1] - asked[0] == dt.timedelta(minutes=5)
        assert (applied.failed, world.fields()["store"]) == ("", LOWERED["store"])
    else:
        assert "error_ratio is out of bounds" in applied.failed
        assert world.fields()["worker"] == BEFORE["worker"]
        assert world.cordoned() == set()


def test_an_intent_that_was_never_carried_out_is_dropped_on_monday(world: World) -> None:
    plan = world.plan()
    action = next(one for one in plan.actions if one.target.name == "worker")
    lease = lease_of(plan, action, "test", FRIDAY)
    step = StepRecord(action.order, "lower", action.target.ref, StepState.INTENT, lease=lease.id)
    world.journal().intend(lease, step)
    world.hand.now = MONDAY
    world.restore()
    with transaction(world.engine) as connection:
        assert read_lease_row(connection, lease.id).state is LeaseState.DROPPED
    assert world.fields()["worker"] == BEFORE["worker"]


def test_a_pool_that_nobody_fills_goes_and_comes_back_by_its_size(world: World) -> None:
    """The policy's maximum is above the pool's size, and no autoscaler would bring a node back."""
    for one in definitions():
        world.cluster.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", one)
    path = f"/apis/{GROUP}/v1beta2/namespaces/default/machinedeployments"
    world.cluster.create(path, machine_deployment("extra", "default", 3))

    def nodes() -> None:
        world.server.call(lambda local: run_machines(local, NODE))

    nodes()
    for number in (1, 2, 3):
        world.cluster.patch(
            f"/api/v1/nodes/extra-{number}", {"metadata": {"labels": {"pool": "extra"}}}
        )
    world.hand.others.append(nodes)
    bounds, labels = PoolBounds(1, 9, 2), parse_label_selector("pool=extra")
    params = {"namespace": "default", "machine_deployment": "extra"}
    extra = NodePool("extra", PoolDriver.CLUSTER_API, bounds, labels, params)
    world.policy = replace(world.policy, tiers=(), node_pools=(extra,))
    driver = ClusterApiPool("extra", world.cluster, "default", "extra")
    world.drivers = {"extra": driver}

    applied = world.apply()
    assert applied.failed == ""
    assert [step.state for step in applied.steps] == [StepState.VERIFIED] * 2
    nodes()
    low = driver.get_state()
    assert low is not None
    assert (low.fields, low.status.replicas) == ({FieldName.TARGET_NODES: 2}, 2)

    world.hand.now = MONDAY + dt.timedelta(minutes=1)
    restored = world.restore()
    assert restored.complete
    assert not any(one.flagged for one in restored.outcomes)
    nodes()
    back = driver.get_state()
    assert back is not None
    assert (back.fields, back.status.replicas) == ({FieldName.TARGET_NODES: 3}, 3)
    assert not {key for key in back.annotations if key in LEASE_KEYS}


def test_one_of_something_is_said_as_one(world: World) -> None:
    plan = world.plan()
    said = "\n".join(diff_lines(diff_plan(plan)))
    assert "1 of 3 nodes rests with" in said
    assert not re.search(r"\b1 (pods|nodes|targets|evictions)\b", said)


@pytest.mark.parametrize(
    ("value", "told"), [(0.001, False), (0.5, True), (None, True)], ids=["well", "unwell", "silent"]
)
def test_a_measure_on_monday_is_told_and_lowers_nothing(
    world: World, value: float | None, told: bool
) -> None:
    measure = Measure("error_ratio", below=0.01, hold=dt.timedelta(minutes=5))
    tiers = world.policy.tiers
    world.apply()
    world.hand.now = MONDAY
    assert world.restore().complete
    before = world.fields()
    assert before["worker"] == BEFORE["worker"]
    well = replace(tiers[1], verify=(Measure("queue", below=9),))
    policy = replace(
        world.policy, tiers=(tiers[0], well, replace(tiers[2], verify=(measure,)), tiers[3])
    )
    asked: list[str] = []

    def holds(one: Measure) -> bool:
        asked.append(one.query)
        if one is measure and value is None:
            raise ClusterUnavailable("Prometheus is gone")
        return one.holds(value if one is measure and value is not None else 0.0)

    faults = verify_raised(policy, holds, world.hands("run-2", RunKind.UP))
    assert bool(faults) == told
    assert all("after the tier api came back, error_ratio" in one for one in faults)
    assert asked[-1] == "queue", "the others are asked all the same"
    assert world.fields() == before
