"""What goes wrong between plan and pod: nodes change, rights are missing, steps die half-way."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nightshift.clock import utc_now
from nightshift.domain.placement.steering import SteeringChoice
from nightshift.domain.placement.waves import AGED_SECONDS
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.steering.scanpods import GATE, NOMINATED
from nightshift.orchestration.callbacks import PodSteerer
from nightshift.orchestration.steps.leftovers import apply_cleaning, plan_cleaning
from nightshift.orchestration.steps.reporting import describe, report_night
from nightshift.orchestration.steps.watching import Look, Memory, look
from nightshift.orchestration.steps.workspaces import clean
from nightshift.store.batches import abort_batch, finish_open_scans, seal_batch
from nightshift.store.engines import transaction
from nightshift.store.records import BatchId, Ending
from nightshift.store.scans import list_scans
from tests.orchestration.conftest import World
from tests.orchestration.steering_support import (
    PRIORITY_CLASS,
    as_v1_pod,
    build_pod,
    cluster_of,
    finish_creation,
    labelled,
    make_pods,
    make_priority_class,
    night_of,
    plan_night,
    pod_object,
    post_pod,
    record_end,
    set_environment,
    stored_placement,
    stored_shards,
    wait_until_bound,
)

NODES = [f"n{number}" for number in range(6)]
LATER = dt.timedelta(seconds=90)


@pytest.fixture
def node_options() -> list[str]:
    return [f"{name}=4,8Gi" for name in NODES]


@pytest.fixture
def world(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    made = make_world(
        NIGHTSHIFT_PRIORITY_CLASS=PRIORITY_CLASS,
        NIGHTSHIFT_SHARD_TARGET_SECONDS="30",
        NIGHTSHIFT_MAX_PODS="200",
    )
    make_priority_class(made)
    set_environment(monkeypatch, made.settings)
    made.write_registry({"anna": ["one", "two"], "ben": ["one"]})
    return made


def cordon(world: World, *names: str) -> None:
    with cluster_of(world) as cluster:
        for name in names:
            cluster.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})


def fill(world: World, *names: str, cpu: str = "4", name: str = "other") -> None:
    """Let somebody else's pod take a whole node, or some of it."""
    for node in names:
        container = {
            "name": "c",
            "image": "i:1",
            "resources": {"requests": {"cpu": cpu, "memory": "1Mi"}},
        }
        spec = {"nodeName": node, "containers": [container]}
        meta = {"name": f"{name}-{node}", "namespace": "default"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        with cluster_of(world) as cluster:
            cluster.create("/api/v1/namespaces/default/pods", pod)


def look_later(world: World, batch: int, memory: Memory | None = None) -> Look:
    return look(world.settings, batch, memory or Memory(), lambda: utc_now() + LATER)


def requests_of(item: Mapping[str, Any]) -> str:
    return str(item["container_resources"]["requests"]["cpu"])


@pytest.mark.parametrize(
    ("choice", "strategy"),
    [
        (SteeringChoice.NOMINATE, "spread"),
        (SteeringChoice.POOL, "spread"),
        (SteeringChoice.POOL_NOMINATE, "pack"),
    ],
)
@pytest.mark.parametrize("change", [cordon, fill])
def test_no_pod_is_stuck_when_its_node_is_lost_between_plan_and_creation(
    world: World, choice: SteeringChoice, strategy: str, change: Callable[..., None]
) -> None:
    batch, items = plan_night(world, choice, strategy)
    planned = {plan.plan["placement"]["primary"] for plan in stored_shards(world, batch).values()}
    reserve = set(labelled(world)) - planned
    change(world, *planned, *reserve)
    names = make_pods(world, items)
    seen = look_later(world, batch)
    wait_until_bound(world, names)
    nodes = {pod_object(world, name)["spec"]["nodeName"] for name in names}
    assert nodes <= set(NODES) - planned - reserve
    if choice is SteeringChoice.NOMINATE:  # the scheduler looks elsewhere by itself
        assert (seen.late, seen.widened) == (0, 0)
        return
    assert seen.widened > 0
    assert nodes <= set(labelled(world))
    (replan,) = stored_placement(world, batch)["replans"]
    assert replan["drifted"] == len(names)


def test_pods_that_are_not_there_yet_follow_the_newest_plan(world: World) -> None:
    batch, items = plan_night(world, SteeringChoice.NOMINATE)
    before = stored_shards(world, batch)
    lost = before["s001"].plan["placement"]["primary"]
    cordon(world, lost)
    seen = look_later(world, batch)
    assert seen.replanned > 0
    plan = stored_shards(world, batch)["s001"].plan
    assert plan["placement"]["primary"] not in {lost, None}
    assert plan["replanned"] == 1
    item = next(one for one in items if one["labels"]["nightshift/shard"] == "s001")
    assert item["annotations"] == {NOMINATED: lost}, "what was mapped cannot change"
    (name,) = make_pods(world, [item])
    wait_until_bound(world, [name])
    assert pod_object(world, name)["spec"]["nodeName"] == plan["placement"]["primary"]
    with cluster_of(world) as cluster:
        record_end(cluster, name)
    outcome = world.summary(batch).placement
    assert (outcome.hits, outcome.first_hits, outcome.first_measured) == (1, 0, 1)
    lines = list(describe(world.summary(batch)))
    assert "  by the first plan: 0 of 1 pods met its node: 0%, predicted were 100%" in lines
    moved = f"first {lost} (100% predicted), meant for {plan['placement']['primary']} (100% predict"
    assert any(moved in line for line in lines)


@pytest.mark.parametrize("choice", [SteeringChoice.SOFT, SteeringChoice.NOMINATE])
def test_pods_that_are_not_there_yet_leave_a_node_whose_room_others_took(
    world: World, choice: SteeringChoice
) -> None:
    batch, items = plan_night(world, choice, "pack")
    planned = {plan.plan["placement"]["primary"] for plan in stored_shards(world, batch).values()}
    names = make_pods(world, items[:1])
    wait_until_bound(world, names)
    assert look_later(world, batch) == Look(), "our own pods are no drift"
    fill(world, *planned)
    seen = look_later(world, batch)
    assert seen.late == 0
    assert seen.replanned == len(items) - 1
    (replan,) = stored_placement(world, batch)["replans"]
    assert "others took the room" in replan["why"][0]
    names = make_pods(world, items[1:])
    wait_until_bound(world, names)
    assert look_later(world, batch) == Look(), "the new plan holds"
    assert not planned & {pod_object(world, name)["spec"]["nodeName"] for name in names}


def test_a_pod_that_is_there_but_not_written_down_is_counted_once(world: World) -> None:
    """Its node is full to the last core once all that was planned there has started."""
    batch, items = plan_night(world, SteeringChoice.SOFT, "pack")
    shards = stored_shards(world, batch)
    node = shards[items[0]["labels"]["nightshift/shard"]].plan["placement"]["primary"]
    there = [p for p in shards.values() if p.plan["placement"]["primary"] == node]
    assert len(there) > 1
    taken = sum(plan.plan["demand"]["request"]["cpu"] for plan in there)
    fill(world, node, cpu=f"{4000 - taken}m")
    assert look_later(world, batch) == Look(), "all that was promised has room"
    with cluster_of(world) as cluster:
        name = post_pod(cluster, build_pod(world.settings, items[0]))
    wait_until_bound(world, [name])
    assert look_later(world, batch) == Look()
    own = shards[items[0]["labels"]["nightshift/shard"]].plan["demand"]["request"]["cpu"]
    fill(world, node, cpu=f"{own + 50}m", name="one-more")
    assert look_later(world, batch).lines, "50 millicores are missing, even once the pod has ended"


def test_a_nomination_moves_when_its_node_is_full_and_room_is_elsewhere(world: World) -> None:
    """All nodes are full; then one gets room that the pod was not planned for."""
    batch, items = plan_night(world, SteeringChoice.POOL_NOMINATE)
    fill(world, *NODES)
    (name,) = make_pods(world, items[:1])
    was = pod_object(world, name)["status"]["nominatedNodeName"]
    look_later(world, batch)
    assert "nominatedNodeName" not in pod_object(world, name)["status"], "no node has room: cleared"
    free = next(node for node in NODES if node not in labelled(world))
    assert free != was
    with cluster_of(world) as cluster:
        cluster.delete(f"/api/v1/namespaces/default/pods/other-{free}", grace_seconds=0)
    seen = look_later(world, batch)
    assert (seen.moved, seen.widened) == (1, 1)
    wait_until_bound(world, [name])
    assert pod_object(world, name)["spec"]["nodeName"] == free


def test_a_soft_pod_that_waits_is_only_written_down(world: World) -> None:
    batch, items = plan_night(world, SteeringChoice.SOFT)
    fill(world, *NODES)
    (name,) = make_pods(world, items[:1])
    before = pod_object(world, name)["spec"]
    memory = Memory()
    seen = look_later(world, batch, memory)
    assert (seen.late, seen.moved, seen.widened) == (1, 0, 0)
    assert pod_object(world, name)["spec"] == before
    shard = items[0]["labels"]["nightshift/shard"]
    outcome = stored_shards(world, batch)[shard].plan["outcome"]
    assert outcome["late_seconds"] >= LATER.total_seconds()
    assert "Insufficient cpu" in outcome["late_reason"]
    assert memory.next_plan > 0, "the next plan waits"
    assert stored_shards(world, batch)[shard].plan.get("replanned") is None


def test_what_an_earlier_night_did_not_come_to_has_waited_longer_than_a_night(world: World) -> None:
    first, _ = plan_night(world, SteeringChoice.SOFT)
    with night_of(world) as night, transaction(night.writer) as connection:
        over = Ending(Outcome.NOT_RUN, Reason.NIGHT_OVER)
        scans = list_scans(connection, BatchId(first))
        for shard in {scan.shard for scan in scans if scan.account == "ben"}:
            finish_open_scans(connection, BatchId(first), over, utc_now(), shard=shard)
        failed = Ending(Outcome.FAILED, Reason.INTERNAL)
        finish_open_scans(connection, BatchId(first), failed, utc_now())
        seal_batch(connection, BatchId(first), utc_now())
    later = utc_now() + dt.timedelta(hours=40)
    batch, items = plan_night(world, SteeringChoice.SOFT, run="run-2", now=lambda: later)
    waited = {
        name: plan.plan["demand"]["waited_seconds"]
        for name, plan in stored_shards(world, batch).items()
    }
    accounts = {
        one["labels"]["nightshift/shard"]: one["labels"]["nightshift/account"] for one in items
    }
    assert {accounts[name] for name, seconds in waited.items() if seconds > AGED_SECONDS} == {"ben"}
    assert {accounts[name] for name, seconds in waited.items() if seconds == 0} == {"anna"}


def test_the_outcome_says_how_long_a_pod_waited_for_its_node(world: World) -> None:
    batch, items = plan_night(world, SteeringChoice.SOFT)
    (name,) = make_pods(world, items[:1])
    wait_until_bound(world, [name])
    with cluster_of(world) as cluster:
        read = cluster.get(cluster.path("pods", name))
        (bound,) = [c for c in read["status"]["conditions"] if c["type"] == "PodScheduled"]
        moment = dt.datetime.fromisoformat(bound["lastTransitionTime"])
        read["metadata"]["creationTimestamp"] = (moment - dt.timedelta(seconds=40)).isoformat()
        PodSteerer.on_pod_completion(pod=as_v1_pod(cluster, read))
    shard = items[0]["labels"]["nightshift/shard"]
    (shown,) = [one for one in world.summary(batch).shards if one.shard == shard]
    assert shown.wait_seconds == 40.0


def test_a_night_without_drift_changes_nothing(world: World) -> None:
    batch, items = plan_night(world, SteeringChoice.NOMINATE)
    before = stored_shards(world, batch)
    wait_until_bound(world, make_pods(world, items[:1]))
    assert look_later(world, batch) == Look()
    assert "replans" not in stored_placement(world, batch)
    del before[items[0]["labels"]["nightshift/shard"]]
    after = stored_shards(world, batch)
    assert {name: after[name] for name in before} == before


def test_a_gating_step_that_dies_is_freed_by_the_watcher(world: World) -> None:
    batch, items = plan_night(world, SteeringChoice.NOMINATE)
    with cluster_of(world) as cluster:
        name = post_pod(cluster, build_pod(world.settings, items[0]))
    assert pod_object(world, name)["spec"]["schedulingGates"] == [{"name": GATE}]
    assert look(world.settings, batch, Memory(), utc_now).freed == 0, "its task may be at it"
    assert look_later(world, batch).freed == 1
    wait_until_bound(world, [name])
    shard = items[0]["labels"]["nightshift/shard"]
    assert "freed by the watcher" in stored_shards(world, batch)[shard].plan["outcome"]["note"]


def test_a_gating_step_that_dies_is_freed_by_the_next_try(world: World) -> None:
    _, items = plan_night(world, SteeringChoice.NOMINATE)
    with cluster_of(world) as cluster:
        name = post_pod(cluster, build_pod(world.settings, items[0]))
        finish_creation(cluster, name)
    wait_until_bound(world, [name])
    assert pod_object(world, name)["spec"]["nodeName"] == items[0]["annotations"][NOMINATED]


def test_a_gating_step_that_dies_is_freed_by_the_janitor(world: World) -> None:
    _, items = plan_night(world, SteeringChoice.NOMINATE)
    with cluster_of(world) as cluster:
        request = build_pod(world.settings, items[0])
        request.metadata.labels["kubernetes_pod_operator"] = "True"  # the operator adds it
        name = post_pod(cluster, request)
    with night_of(world) as night:
        plan = plan_cleaning(night, utc_now() + LATER)
        assert [(removal.kind, removal.name) for removal in plan] == [("gate", name)]
        apply_cleaning(night, plan, utc_now())
    wait_until_bound(world, [name])


def test_the_pools_labels_go_after_the_night_even_if_it_failed(world: World) -> None:
    batch, items = plan_night(world, SteeringChoice.POOL)
    assert set(labelled(world).values()) <= {"open", "reserve"}
    assert labelled(world)
    clean(world.settings, batch, utc_now)
    assert labelled(world) == {}
    (name,) = make_pods(world, items[:1])  # a cleared task makes its pod anew
    wait_until_bound(world, [name])
    assert list(labelled(world)) == [pod_object(world, name)["spec"]["nodeName"]]


def test_the_pools_labels_of_a_crashed_night_go_with_the_janitor(world: World) -> None:
    batch, _ = plan_night(world, SteeringChoice.POOL)
    there = labelled(world)
    with night_of(world) as night:
        assert plan_cleaning(night, utc_now()) == [], "the night is still open"
        with transaction(night.writer) as connection:
            abort_batch(connection, BatchId(batch), "the test says so", utc_now())
        plan = [one for one in plan_cleaning(night, utc_now()) if one.kind == "label"]
        assert sorted(one.name for one in plan) == sorted(there)
        apply_cleaning(night, plan, utc_now())
    assert labelled(world) == {}


def test_a_refused_nomination_falls_back_to_preferences_with_the_reason_in_the_plan(
    world: World,
) -> None:
    batch, items = plan_night(world, SteeringChoice.NOMINATE)
    world.kube.call(lambda local: local.faults.add("PATCH", "/status", 403, times=99))
    names = make_pods(world, items)
    wait_until_bound(world, names)
    with cluster_of(world) as cluster:
        for name in names:
            record_end(cluster, name)
    outcomes = [plan.plan["outcome"] for plan in stored_shards(world, batch).values()]
    assert {one["steering"] for one in outcomes} == {"soft"}
    assert all("refused" in one["note"] and "forbids PATCH" in one["note"] for one in outcomes)


def test_a_right_that_is_missing_at_the_start_gives_a_weaker_level_and_says_so(
    world: World,
) -> None:
    world.kube.call(
        lambda local: local.faults.add("POST", "selfsubjectaccessreviews", 403, times=2)
    )
    batch, items = plan_night(world, SteeringChoice.NOMINATE)
    steering = stored_placement(world, batch)["steering"]
    assert steering["level"] == "soft"
    assert "needs patch on pods/status" in steering["reason"]
    assert all("annotations" not in item for item in items)
    assert labelled(world) == {}


def test_the_report_says_what_was_predicted_and_what_came_of_it(world: World) -> None:
    batch, items = plan_night(world, SteeringChoice.NOMINATE)
    names = make_pods(world, items)
    wait_until_bound(world, names)
    with cluster_of(world) as cluster:
        for name in names:
            record_end(cluster, name)
    report_night(world.settings, batch, utc_now)
    text = "\n".join(describe(world.summary(batch)))
    assert f"{len(items)} of {len(items)} pods met their planned node: 100%, predicted" in text
    assert "idle nodes opened: " in text
    assert "steering nominate: asked for" in text
