"""Known bugs of peers that need a cluster, each as a test that is named after it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from nightshift.cluster.drain_views import look_at_node
from nightshift.domain.capacity.drain_pods import BlockReason
from nightshift.domain.capacity.plan_documents import dump_plan
from nightshift.domain.capacity.plans import ActionKind, CapacityPlan, lease_of
from nightshift.domain.capacity.policies_pools import PoolDriver
from nightshift.domain.capacity.targets import FieldName
from nightshift.domain.leases.records import LeaseState, StepState
from nightshift.nodepools.drain_only import DrainOnly
from nightshift.nodepools.drivers import Capabilities
from nightshift.store.capacity_leases import list_open_leases
from nightshift.store.capacity_records import StepRecord
from nightshift.store.capacity_runs import find_run, save_plan
from nightshift.store.engines import transaction
from nightshift.weekend.applying import apply_plan, lower
from nightshift.weekend.reconciling import reconcile
from tests.capacity.capacity_support import FRIDAY, MONDAY, add_budget, add_pod
from tests.capacity.history_support import Killed
from tests.capacity.weekend_support import POOL, STORE, WORKER, World, empty_store


@dataclass(frozen=True)
class Removing(DrainOnly):
    """A pool whose driver removes nodes of our choice; it writes down which."""

    removed: list[str] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return replace(DrainOnly(self.name).capabilities, victim_choice=True)

    def remove(self, nodes: Sequence[str], token: str) -> None:
        self.removed.extend(nodes)


def removing(world: World) -> Removing:
    driver = Removing("general")
    world.drivers["general"] = driver
    world.policy = replace(world.policy, node_pools=(replace(POOL, driver=PoolDriver.CLUSTER_API),))
    return driver


def victim(plan: CapacityPlan) -> str:
    return next(a.target.name for a in plan.actions if a.kind is ActionKind.REST_NODE)


def test_failed_drain_keeps_nodes(world: World) -> None:
    driver = removing(world)
    plan = world.plan()
    node = victim(plan)
    add_pod(world.cluster, "late", node)  # it came after the plan, and its budget says no
    add_budget(world.cluster, "late", 0)
    applied = world.apply(plan)
    (step,) = [one for one in applied.steps if one.ref == f"Node/{node}"]
    assert step.state is StepState.BLOCKED
    assert "app/late pdb" in step.reason
    assert driver.removed == []
    assert world.cordoned() == set()


def test_two_pdbs_keep_the_node_and_are_reported(world: World) -> None:
    driver = removing(world)
    plan = world.plan()
    node = victim(plan)
    add_pod(world.cluster, "late", node)
    for name in ("one", "two"):
        add_budget(world.cluster, name, 5)
    applied = world.apply(plan)
    (step,) = [one for one in applied.steps if one.ref == f"Node/{node}"]
    assert step.state is StepState.BLOCKED
    assert f"app/late {BlockReason.MULTI_PDB} (app/one, app/two)" in step.reason
    assert (driver.removed, world.cordoned()) == ([], set())
    assert {p.name for p in look_at_node(world.cluster, node).pods.pods} >= {"late"}


def test_an_empty_node_is_removed_and_no_other(world: World) -> None:
    driver = removing(world)
    plan = world.plan()
    world.apply(plan)
    assert driver.removed == [victim(plan)]


def test_crash_between_write_and_save(world: World) -> None:
    """The process dies right after its PATCH, before it could write anything down."""
    plan = world.plan()
    apply = world.apply_of(plan)
    moves = [0]

    class Dying:
        """Dies when the first lease would be moved to applied."""

        def __getattr__(self, name: str) -> object:
            if name == "move":
                moves[0] += 1
                raise Killed
            return getattr(apply.hands.journal, name)

    dying = replace(apply, hands=replace(apply.hands, journal=Dying()))  # type: ignore[arg-type]
    with pytest.raises(Killed):
        apply_plan(dying)
    assert moves == [1]
    with transaction(world.engine) as connection:
        (lease,) = list_open_leases(connection)
    assert lease.state is LeaseState.INTENT
    assert lease.before[FieldName.SUSPEND] is False
    world.hand.now = MONDAY
    assert world.restore().complete
    assert world.fields()["report"]["suspend"] is False


def test_order_is_stable(world: World) -> None:
    names = [[(a.order, a.target.ref) for a in world.plan().actions] for _ in range(3)]
    assert names[0] == names[1] == names[2]
    applied = world.apply()
    assert [step.ref for step in applied.steps] == [ref for _, ref in names[0]]
    world.hand.now = MONDAY
    back = [one.lease.target.ref for one in world.restore().outcomes]
    assert back == [ref for _, ref in reversed(names[0])]


def test_a_lost_store_is_rebuilt_from_annotations(world: World) -> None:
    world.apply()
    empty_store(world.engine)
    world.hand.now = FRIDAY + dt.timedelta(hours=20)
    until = world.hand.now + dt.timedelta(minutes=5)
    mended = reconcile(world.mending(), world.found(), until)
    assert sum("did not know of its lease" in line for line in mended.lines) == 5
    assert world.fields()["worker"] == {"replicas": 1}, "the window is open: nothing comes back"
    world.hand.now = MONDAY
    assert world.restore().complete
    assert world.fields()["worker"] == {"replicas": 4}
    assert world.cordoned() == set()


def test_a_half_drain_is_resumed_while_there_is_time_and_given_back_after(world: World) -> None:
    plan = world.plan()
    apply = world.apply_of(plan)
    with transaction(world.engine) as connection:
        row = find_run(connection, "run-1")
        assert row is not None
        save_plan(connection, row.id, plan.hash, dump_plan(plan))
    (action,) = apply.of(ActionKind.REST_NODE)
    lower(apply, [action], keep_open=True)  # cordoned; and then the run dies
    assert world.cordoned() == {action.target.name}
    world.hand.now += dt.timedelta(minutes=16)
    until = world.hand.now + dt.timedelta(minutes=5)
    mended = reconcile(world.mending("mend-1"), world.found(), until)
    assert any("its run is dead" in line and "is empty" in line for line in mended.lines)
    assert world.cordoned() == {action.target.name}, "it rests until Monday"


def test_a_half_drain_whose_deadline_is_over_is_uncordoned(world: World) -> None:
    apply = world.apply_of(world.plan())
    (action,) = apply.of(ActionKind.REST_NODE)
    lower(apply, [action], keep_open=True)
    world.hand.now += dt.timedelta(hours=2)
    until = world.hand.now + dt.timedelta(minutes=5)
    reconcile(world.mending("mend-1"), world.found(), until)
    assert world.cordoned() == set()


def test_a_cordon_that_a_person_made_before_us_is_never_taken_away(world: World) -> None:
    plan = world.plan()
    node = victim(plan)
    action = next(a for a in plan.actions if a.target.name == node)
    lease = lease_of(plan, action, "test", FRIDAY)
    step = StepRecord(action.order, "rest_node", action.target.ref, StepState.INTENT)
    world.journal().intend(lease, step)
    world.cluster.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
    world.hand.now = MONDAY
    world.restore()
    assert world.cordoned() == {node}


def test_a_server_that_is_down_on_monday_does_not_keep_the_others_waiting(world: World) -> None:
    world.apply()
    world.server.call(
        lambda local: local.faults.add("GET", "/deployments/worker", 503, times=10_000)
    )
    world.hand.now = MONDAY
    restored = world.restore()
    assert not restored.complete
    assert world.live(STORE).fields == {"replicas": 3}
    world.server.call(lambda local: local.faults.clear())
    assert world.restore(run="run-3").complete
    assert world.live(WORKER).fields == {"replicas": 4}
