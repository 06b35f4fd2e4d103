"""Laws of packing: rooms, doors, bounds, order, and what happens when the cluster changes."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, has_room, why_not
from nightshift.domain.placement.affinity import HOSTNAME_LABEL, check_affinity
from nightshift.domain.placement.pack import PackStrategy
from nightshift.domain.placement.pack_exact import Effort
from nightshift.domain.placement.plans import Packing, PlacementPlan, ShardDemand
from nightshift.domain.placement.ranking import is_selected
from nightshift.domain.placement.replans import replan
from nightshift.domain.placement.steering import Rights, SteeringChoice
from nightshift.domain.placement.waves import WaveOrder
from nightshift.domain.resources import Resources
from nightshift.embedded.kube.validation_affinity import check_affinity as validate_affinity
from nightshift.embedded.kube.validation_faults import Faults
from nightshift.errors import CapacityImpossible
from tests.property.strategies_placement import GIB, ZONE, demands, nodes

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
ALL_RIGHTS = Rights((1, 36), patch_pod_status=True, patch_nodes=True)
choices = st.sampled_from(list(SteeringChoice))
efforts = st.sampled_from([Effort(), Effort(cells=0)])
"""Patterns are listed, or guessed because they are too many."""


@st.composite
def clusters(draw: st.DrawFn, max_size: int = 8) -> list[Node]:
    """Draw awkward nodes, some of which are busy."""
    return [
        replace(
            node,
            busy=draw(st.booleans()),
            labels={**node.labels, HOSTNAME_LABEL: f"host-{node.name}"},
        )
        for node in draw(nodes(max_size=max_size))
    ]


@st.composite
def batches(draw: st.DrawFn) -> list[ShardDemand]:
    """Draw pods of few shapes, so that patterns repeat; some ask for a zone."""
    shapes = draw(demands(max_size=3))
    picks = draw(st.lists(st.sampled_from(shapes), max_size=20)) if shapes else []
    selectors: list[dict[str, str]] = [{}, {}, {ZONE: "a"}]
    return [
        replace(
            shape,
            shard=ShardName(f"s{i:03d}"),
            node_selector=draw(st.sampled_from(selectors)),
            account=draw(st.sampled_from(["a", "b"])),
            expected_seconds=draw(st.sampled_from([0.0, 60.0, 600.0])),
        )
        for i, shape in enumerate(picks)
    ]


def make_plan(
    cluster: Sequence[Node],
    batch: Sequence[ShardDemand],
    choice: SteeringChoice = SteeringChoice.AUTO,
    **more: Any,
) -> PlacementPlan:
    try:
        return PackStrategy(choice, ALL_RIGHTS, **more).plan(cluster, batch)
    except CapacityImpossible:
        assume(False)
        raise


def packing(plan: PlacementPlan) -> Packing:
    assert plan.packing is not None
    return plan.packing


@given(clusters(), batches(), choices, efforts)
def test_every_pod_is_placed_once_where_it_may_go_and_no_node_is_overfull(
    cluster: list[Node], batch: list[ShardDemand], choice: SteeringChoice, effort: Effort
) -> None:
    plan = make_plan(cluster, batch, choice, effort=effort)
    assert [s.shard for s in plan.shards] == [d.shard for d in batch]
    left = {node.name: node for node in cluster}
    for shard, demand in zip(plan.shards, batch, strict=True):
        assert (shard.primary is None) == shard.waits
        if shard.primary is None:
            continue
        node = left[shard.primary]
        assert why_not(node, demand.request, demand.tolerations) is None
        assert demand.node_selector.items() <= node.labels.items()
        left[node.name] = replace(
            node, requested=node.requested + demand.request, pods=node.pods + 1
        )
    assert packing(plan).unplaced == sum(shard.waits for shard in plan.shards)


@given(clusters(), batches(), choices)
def test_the_summary_says_what_the_placements_say(
    cluster: list[Node], batch: list[ShardDemand], choice: SteeringChoice
) -> None:
    plan = make_plan(cluster, batch, choice)
    made, busy = packing(plan), {node.name for node in cluster if node.busy}
    used = {shard.primary for shard in plan.shards} - {None}
    assert set(made.opened) == used - busy
    assert made.used_busy == len(used & busy)
    assert not used & set(made.reserve)
    if made.bound is not None:
        assert made.unplaced == 0
        assert 0 <= made.bound <= len(made.opened)
        assert made.gap is not None
        assert 0 <= made.gap <= 1


@given(clusters(), batches(), choices)
def test_a_pod_waits_only_if_it_fits_nowhere_beside_the_others(
    cluster: list[Node], batch: list[ShardDemand], choice: SteeringChoice
) -> None:
    plan = make_plan(cluster, batch, choice)
    left = {node.name: node for node in cluster}
    for shard, demand in zip(plan.shards, batch, strict=True):
        if shard.primary is not None:
            node = left[shard.primary]
            used = node.requested + demand.request
            left[node.name] = replace(node, requested=used, pods=node.pods + 1)
    for shard, demand in zip(plan.shards, batch, strict=True):
        assert not shard.waits or not any(
            why_not(node, demand.request, demand.tolerations) is None
            and demand.node_selector.items() <= node.labels.items()
            for node in left.values()
        )


@given(clusters(), batches(), choices, st.randoms())
def test_neither_the_order_of_nodes_nor_that_of_pods_changes_how_nodes_are_used(
    cluster: list[Node], batch: list[ShardDemand], choice: SteeringChoice, random: Any
) -> None:
    plan = make_plan(cluster, batch, choice)
    random.shuffle(cluster)
    assert make_plan(cluster, batch, choice) == plan
    if packing(plan).unplaced == 0:
        random.shuffle(batch)
        assert make_plan(cluster, batch, choice).packing == plan.packing


@given(clusters(), batches(), choices)
def test_affinity_is_accepted_by_us_and_by_the_api(
    cluster: list[Node], batch: list[ShardDemand], choice: SteeringChoice
) -> None:
    plan = make_plan(cluster, batch, choice)
    level = packing(plan).steering.level
    for shard in plan.shards:
        affinity = shard.affinity()
        check_affinity(affinity)
        accept(affinity)
        assert (shard.nominated == shard.primary) if level.nominates else shard.nominated is None
        assert bool(shard.pool) == (level.pools and not shard.waits)
    labelled = packing(plan).pool_labels
    planned = {shard.primary for shard in plan.shards} - {None}
    assert planned <= set(labelled) if level.pools else not labelled


@given(clusters(), batches(), st.integers(2, 8))
def test_a_list_of_hosts_is_long_and_every_one_takes_the_pod(
    cluster: list[Node], batch: list[ShardDemand], copies: int
) -> None:
    many = [
        replace(node, name=NodeName(name), labels={**node.labels, HOSTNAME_LABEL: f"host-{name}"})
        for node in cluster
        for name in (f"{node.name}-{copy}" for copy in range(copies))
    ]
    by_host = {node.labels[HOSTNAME_LABEL]: node for node in many}
    plan = make_plan(many, batch, SteeringChoice.NAMES)
    for shard, demand in zip(plan.shards, batch, strict=True):
        if not shard.spare:
            continue
        required = shard.affinity()["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
        listed = required[0]["matchExpressions"][0]["values"]
        assert listed[0] == f"host-{shard.primary}"
        assert 16 <= len(set(listed)) == len(listed) <= 64
        for host in listed:
            assert why_not(by_host[host], demand.request, demand.tolerations) is None
            assert is_selected(by_host[host], demand)


def accept(affinity: dict[str, Any]) -> None:
    faults = Faults()
    validate_affinity(faults, "spec.affinity", affinity)
    assert not list(faults)


small_shapes = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 5)), min_size=1, max_size=3
)
rooms = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), min_size=1, max_size=5
)


def tiny(
    shapes: list[tuple[int, int, int]], given_rooms: list[tuple[int, int, bool]]
) -> tuple[list[Node], list[ShardDemand]]:
    cluster = [
        Node(NodeName(f"n{i}"), Resources(cpu * 1000, memory * GIB), busy=busy, pod_slots=4)
        for i, (cpu, memory, busy) in enumerate(given_rooms)
    ]
    sizes = [(cpu, memory) for cpu, memory, count in shapes for _ in range(count)]
    batch = [
        ShardDemand(ShardName(f"s{i:03d}"), Resources(cpu * 1000, memory * GIB))
        for i, (cpu, memory) in enumerate(sizes)
    ]
    return cluster, batch


def fewest_opened(cluster: list[Node], batch: list[ShardDemand]) -> int | None:
    """Try sets of idle nodes, the smallest first, and every way to fill them; None if none fits."""
    idle = [node for node in cluster if not node.busy]
    busy = [node for node in cluster if node.busy]
    pods = sorted((d.request for d in batch), key=lambda r: (-r.memory_bytes, -r.cpu_millis))
    for count in range(len(idle) + 1):
        for chosen in itertools.combinations(idle, count):
            if any(True for _ in fillings([*busy, *chosen], pods)):
                return count
    return None


def fillings(rooms: list[Node], pods: list[Resources]) -> Iterator[None]:
    if not pods:
        yield None
        return
    tried = set()
    for i, node in enumerate(rooms):
        state = (node.free.cpu_millis, node.free.memory_bytes, node.free_slots)
        if state in tried or not has_room(node, pods[0]):
            continue
        tried.add(state)
        taken = replace(node, requested=node.requested + pods[0], pods=node.pods + 1)
        yield from fillings([*rooms[:i], taken, *rooms[i + 1 :]], pods[1:])


@settings(max_examples=150, deadline=None)
@given(small_shapes, rooms, efforts)
def test_on_tiny_clusters_the_plan_and_its_bound_stand_up_to_trying_everything(
    shapes: list[tuple[int, int, int]],
    given_rooms: list[tuple[int, int, bool]],
    effort: Effort,
) -> None:
    cluster, batch = tiny(shapes, given_rooms)
    assume(len(batch) <= 9)
    plan = make_plan(cluster, batch, effort=effort)
    best = fewest_opened(cluster, batch)
    made = packing(plan)
    if made.bound is None:
        return  # not everything was placed; whether it could be is no promise of a heuristic
    assert best is not None
    assert made.bound <= best <= len(made.opened)
    assert len(made.opened) <= best + 1
    if made.bound == len(made.opened):
        assert len(made.opened) == best


@given(small_shapes, st.integers(2, 5), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_busy_nodes_are_filled_before_idle_ones_are_opened(
    shapes: list[tuple[int, int, int]], count: int, room: tuple[int, int]
) -> None:
    """What fits on the busy nodes alone opens nothing."""
    cluster, batch = tiny(shapes, [(*room, i % 2 == 0) for i in range(count)])
    busy = [node for node in cluster if node.busy]
    alone = make_plan(busy, batch)
    assume(packing(alone).unplaced == 0)
    assert packing(make_plan(cluster, batch)).opened == ()


@given(clusters(), batches(), st.sampled_from([5, 20]))
def test_headroom_is_left_alone(
    cluster: list[Node], batch: list[ShardDemand], percent: int
) -> None:
    plan = make_plan(cluster, batch, headroom_percent=percent)
    taken: Counter[NodeName] = Counter()
    for shard, demand in zip(plan.shards, batch, strict=True):
        if shard.primary is not None:
            taken[shard.primary] += demand.request.cpu_millis
    for node in cluster:
        if taken[node.name]:
            kept = node.allocatable.cpu_millis * percent // 100
            assert taken[node.name] <= node.free.cpu_millis - kept


@given(clusters(), batches(), st.randoms(), st.sampled_from(list(WaveOrder)))
def test_after_any_change_every_pod_has_a_node_with_room_or_waits_for_a_reason(
    cluster: list[Node], batch: list[ShardDemand], random: Any, order: WaveOrder
) -> None:
    before = make_plan(cluster, batch, order=order)
    placements = {shard.shard: shard for shard in before.shards}
    bound = {s.shard: s.primary for s in before.shards if s.primary and random.random() < 0.4}
    fresh = []
    for node in cluster:
        mine = [d.request for d in batch if bound.get(d.shard) == node.name]
        used = sum(mine, node.requested)
        lost = Resources(random.randrange(8000), random.randrange(16) * GIB)
        taken = used + lost if random.random() < 0.4 else used
        fresh.append(replace(node, requested=taken, pods=node.pods + len(mine)))
    unbound = [demand for demand in batch if demand.shard not in bound]
    ours = frozenset(bound.values())
    new = replan(PackStrategy(order=order), placements, unbound, fresh, ours)
    assert [shard.shard for shard in new.plan.shards] == [d.shard for d in unbound]
    left = {node.name: node for node in fresh}
    for shard, demand in zip(new.plan.shards, unbound, strict=True):
        was = placements[shard.shard].primary
        assert (shard.shard in new.moved) == (shard.primary is None or shard.primary != was)
        if shard.primary is not None:
            node = left[shard.primary]
            assert why_not(node, demand.request, demand.tolerations) is None
            used = node.requested + demand.request
            left[node.name] = replace(node, requested=used, pods=node.pods + 1)
    assert all(new.moved.values())
    for shard, demand in zip(new.plan.shards, unbound, strict=True):
        assert not shard.waits or not any(
            why_not(node, demand.request, demand.tolerations) is None
            and demand.node_selector.items() <= node.labels.items()
            for node in left.values()
        )


@given(clusters(), batches())
def test_nothing_moves_when_nothing_has_changed(
    cluster: list[Node], batch: list[ShardDemand]
) -> None:
    plan = make_plan(cluster, batch)
    assume(packing(plan).unplaced == 0)
    placements = {shard.shard: shard for shard in plan.shards}
    assert not replan(PackStrategy(), placements, batch, cluster).moved
