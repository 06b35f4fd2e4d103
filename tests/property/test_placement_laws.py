"""Laws of resources, requests, rankings and plans."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node, has_room, why_no_room, why_not
from nightshift.domain.placement.affinity import build_affinity, check_affinity, weigh_nodes
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.plans import PlacementPlan, ShardDemand
from nightshift.domain.placement.ratio import Heaviness, compute_ratio
from nightshift.domain.placement.strategies import strategy_by_name
from nightshift.domain.requests import effective_requests
from nightshift.domain.resources import Resources, sum_resources
from nightshift.errors import CapacityImpossible
from tests.property.strategies_placement import (
    cpu_millis,
    demands,
    memory_bytes,
    nodes,
    resources,
)

strategies = st.sampled_from(list(StrategyName))


def plan(name: StrategyName, cluster: list[Node], batch: list[ShardDemand]) -> PlacementPlan | None:
    try:
        return strategy_by_name(name).plan(cluster, batch)
    except CapacityImpossible:
        assert any(
            not any(d.request.fits_in(n.allocatable) and n.pod_slots > 0 for n in cluster)
            for d in batch
        )
        return None


@given(resources, resources)
def test_taking_back_what_was_added_changes_nothing(a: Resources, b: Resources) -> None:
    left = a + b - b
    names = {name for name, _ in (*a.items(), *b.items())}
    assert all(left.get(name) == a.get(name) for name in names)


@given(resources, resources)
def test_the_larger_of_two_holds_both(a: Resources, b: Resources) -> None:
    assert a.fits_in(a.at_least(b))
    assert b.fits_in(a.at_least(b))


@given(nodes(max_size=1), resources)
def test_the_fast_and_the_worded_check_agree(cluster: list[Node], request: Resources) -> None:
    assert has_room(cluster[0], request) == (why_no_room(cluster[0], request) is None)


@given(strategies, nodes(), demands())
def test_a_ranking_is_a_permutation_of_the_nodes(
    name: StrategyName, cluster: list[Node], batch: list[ShardDemand]
) -> None:
    made = plan(name, cluster, batch)
    if made:
        assert sorted(r.name for r in made.ranking) == sorted(n.name for n in cluster)
        candidates = [r.candidate for r in made.ranking]
        assert candidates == sorted(candidates, reverse=True)
        assert all(r.reason for r in made.ranking)


@given(strategies, nodes(), demands(), st.randoms())
def test_a_plan_does_not_depend_on_the_order_of_nodes(
    name: StrategyName, cluster: list[Node], batch: list[ShardDemand], random: Any
) -> None:
    shuffled = cluster.copy()
    random.shuffle(shuffled)
    assert plan(name, cluster, batch) == plan(name, shuffled, batch)


@given(strategies, nodes(), demands())
def test_every_shard_is_answered_in_order_with_valid_terms(
    name: StrategyName, cluster: list[Node], batch: list[ShardDemand]
) -> None:
    made = plan(name, cluster, batch)
    if made:
        assert [s.shard for s in made.shards] == [d.shard for d in batch]
        assert made.demand == sum_resources(d.request for d in batch)
        for shard in made.shards:
            check_affinity(shard.affinity())
            assert shard.reason
        json.dumps(made.to_json(), allow_nan=False)


@given(strategies, nodes(), demands())
def test_a_shard_never_prefers_a_node_that_cannot_take_it(
    name: StrategyName, cluster: list[Node], batch: list[ShardDemand]
) -> None:
    made = plan(name, cluster, batch)
    by_name = {node.name: node for node in cluster}
    for shard, demand in zip(made.shards if made else (), batch if made else (), strict=True):
        for term in shard.terms:
            assert why_not(by_name[term.node], demand.request, demand.tolerations) is None


@given(nodes(), demands())
def test_walking_never_plans_more_than_a_node_has(
    cluster: list[Node], batch: list[ShardDemand]
) -> None:
    made = plan(StrategyName.RATIO_WALK, cluster, batch)
    left = {node.name: node for node in cluster}
    for shard, demand in zip(made.shards if made else (), batch if made else (), strict=True):
        if shard.primary:
            node = left[shard.primary]
            assert has_room(node, demand.request)
            used = node.requested + demand.request
            left[shard.primary] = replace(node, requested=used, pods=node.pods + 1)


@given(st.integers(0, 300))
def test_weights_are_valid_for_any_number_of_nodes(count: int) -> None:
    terms = weigh_nodes([NodeName(f"n{i}") for i in range(count)])
    check_affinity(build_affinity(terms))
    weights = [term.weight for term in terms]
    assert len(weights) == min(count, 16)
    assert all(1 <= weight <= 100 for weight in weights)
    assert weights == sorted(set(weights), reverse=True)


@given(cpu_millis, memory_bytes, st.integers(2, 50))
def test_the_ratio_does_not_depend_on_the_number_of_equal_pods(
    cpu: int, memory: int, count: int
) -> None:
    one = Resources(cpu, memory)
    assert compute_ratio(sum_resources([one] * count)) == compute_ratio(one)


@given(cpu_millis, st.integers(1, 2**40), st.integers(1, 1000))
def test_more_memory_never_makes_a_batch_heavier_in_cpu(cpu: int, memory: int, more: int) -> None:
    before, after = (
        compute_ratio(Resources(cpu, memory)),
        compute_ratio(Resources(cpu, memory + more)),
    )
    assert before.value is not None
    assert after.value is not None
    assert after.value <= before.value
    assert not (before.heaviness is Heaviness.MEMORY and after.heaviness is Heaviness.CPU)


amounts = st.fixed_dictionaries(
    {}, optional={"cpu": st.integers(0, 4000).map("{}m".format), "memory": st.integers(0, 4000)}
)
containers = st.lists(
    st.builds(
        lambda requests, sidecar: {
            "name": "c",
            "resources": {"requests": requests},
            **({"restartPolicy": "Always"} if sidecar else {}),
        },
        amounts,
        st.booleans(),
    ),
    max_size=4,
)


def need(main: list[Any], inits: list[Any], overhead: dict[str, Any]) -> Resources:
    spec = {"containers": main, "initContainers": inits, "overhead": overhead}
    return effective_requests({"spec": spec}).need


@given(containers, containers, amounts, containers, containers)
def test_adding_containers_never_lowers_a_pods_need(
    main: list[Any], inits: list[Any], overhead: dict[str, Any], more: list[Any], late: list[Any]
) -> None:
    less = need(main, inits, overhead)
    assert less.fits_in(need(main + more, inits, overhead))
    assert less.fits_in(need(main, inits + late, overhead))
    assert less.fits_in(need(main, late + inits, overhead))


@given(containers, containers, amounts)
def test_a_pod_needs_at_least_its_containers_and_at_most_everything(
    main: list[Any], inits: list[Any], overhead: dict[str, Any]
) -> None:
    found = need(main, inits, overhead)
    assert need(main, [], overhead).fits_in(found)
    assert found.fits_in(need(main + inits, [], overhead))


@given(containers, containers, amounts)
def test_scoring_never_counts_less_than_the_need(
    main: list[Any], inits: list[Any], overhead: dict[str, Any]
) -> None:
    spec = {"containers": main, "initContainers": inits, "overhead": overhead}
    found = effective_requests({"spec": spec})
    assert found.need.fits_in(found.scoring)
    assert found.scoring == found.scoring_placed
