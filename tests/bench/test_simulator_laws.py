"""The simulator on arrays gives every pod the node that SchedulerModel gives it."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.placement.simulator import FastScheduler, heap_preorder
from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node, Taint, TaintEffect
from nightshift.domain.nodeterms import NodeTerm, Operator, PreferredTerm, Requirement
from nightshift.domain.placement.goheap import heap_top
from nightshift.domain.placement.scheduler_model import SchedulerModel
from nightshift.domain.placement.scores import ScoringStrategy
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources
from tests.property.strategies_placement import GIB, ZONE, named_term, nodes, pod_requests

POOL = "nightshift/pool"


def plain(pod: PodRequest) -> PodRequest:
    """Leave out what the simulator leaves out."""
    need = replace(pod.need, extended={})
    scored = Resources(need.cpu_millis or 100, need.memory_bytes or 200 * 1024**2)
    return replace(pod, need=need, scoring=scored, scoring_placed=scored, priority=0)


def assert_same(
    cluster: list[Node], pods: list[PodRequest], scoring: ScoringStrategy, percentage: int = 0
) -> int:
    """Schedule the pods on both; half of them are told of first, so that promises count."""
    model = SchedulerModel(cluster, scoring=scoring, percentage=percentage)
    fast = FastScheduler(cluster, scoring=scoring, percentage=percentage)
    for pod in pods[::2]:
        model.add_pod(pod)
        fast.add_pod(pod)
    for number, pod in enumerate(pods):
        assert fast.schedule(pod) == model.schedule(pod).node, pod.key
        if number % 5 == 4:  # one of the first has ended
            model.remove_pod(pods[number // 5].key)
            fast.remove_pod(pods[number // 5].key)
    return sum(fast.node_of(pod.key) is not None for pod in pods)


pod_lists = st.integers(1, 12).flatmap(
    lambda count: st.tuples(*(pod_requests(f"scans/p{i}").map(plain) for i in range(count)))
)


@given(nodes(), pod_lists, st.sampled_from(list(ScoringStrategy)))
def test_odd_pods_on_odd_nodes_go_where_the_model_sends_them(
    cluster: list[Node], pods: tuple[PodRequest, ...], scoring: ScoringStrategy
) -> None:
    bare = [replace(n, requested=replace(n.requested, extended={})) for n in cluster]
    assert_same(bare, list(pods), scoring)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([99, 100, 101, 180, 260]),
    st.sampled_from([(scoring, share) for scoring in ScoringStrategy for share in (0, 70, 100)]),
)
def test_large_clusters_are_sampled_as_the_model_samples_them(
    seed: int, size: int, profile: tuple[ScoringStrategy, int]
) -> None:
    chance = random.Random(seed)
    cluster = [large_node(i, chance) for i in range(size)]
    pods = [steered_pod(i, size, chance) for i in range(60)]
    placed = assert_same(cluster, pods, *profile)
    assert placed > 10  # else the clusters would be too full to show anything


def large_node(number: int, chance: random.Random) -> Node:
    busy = chance.random() < 0.3
    return Node(
        name=NodeName(f"n{number}"),
        allocatable=Resources(4_000, 16 * GIB),
        requested=Resources(chance.randrange(4_000), chance.randrange(16) * GIB)
        if busy
        else Resources(),
        pod_slots=chance.choice([3, 110]),
        pods=int(busy),
        labels={
            ZONE: chance.choice("abc"),
            "kubernetes.io/hostname": f"h{number}",
            POOL: chance.choice(["open", "reserve", "none"]),
        },
        taints=chance.choice([
            (),
            (),
            (Taint("x", TaintEffect.PREFER_NO_SCHEDULE),),
            (Taint("x", TaintEffect.NO_SCHEDULE),),
        ]),
        unschedulable=chance.random() < 0.1,
    )


def steered_pod(number: int, size: int, chance: random.Random) -> PodRequest:
    """Make a pod with a primary, a list of host names, pool labels, a pool or a nominee."""
    need = Resources(chance.choice([250, 900, 0]), chance.choice([1, 2]) * GIB)
    hosts = tuple(f"h{chance.randrange(size)}" for _ in range(9))
    terms = [
        named_term(f"n{chance.randrange(size)}", 100),
        PreferredTerm(25, NodeTerm((Requirement("kubernetes.io/hostname", Operator.IN, hosts),))),
        PreferredTerm(6, NodeTerm((Requirement(POOL, Operator.IN, ("open", "reserve")),))),
        PreferredTerm(2, NodeTerm((Requirement(POOL, Operator.NOT_IN, ("none",)),))),
    ]
    pool = NodeTerm((Requirement(POOL, Operator.IN, ("open",)),))
    return PodRequest(
        f"scans/p{number}",
        need,
        need,
        need,
        preferred=tuple(chance.sample(terms, chance.randrange(5))),
        required=chance.choice([None, (pool,)]),
        nominated=chance.choice(["", f"n{chance.randrange(size)}"]),
    )


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 40))
def test_pre_order_settles_ties_as_the_heap_does(totals: list[int], larger: int) -> None:
    rank = heap_preorder(len(totals) + larger)
    winner = max(range(len(totals)), key=lambda i: (totals[i], -rank[i]))
    assert winner == heap_top(totals)


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_labels_that_change_count_from_the_next_pod_on(seed: int) -> None:
    chance = random.Random(seed)
    cluster = [large_node(i, chance) for i in range(120)]
    model, fast = SchedulerModel(cluster), FastScheduler(cluster)
    for number in range(4):
        pools = {str(n.name): "open" for n in chance.sample(cluster, 40)}
        fast.set_labels(POOL, pools)
        for node in cluster:
            labels = {k: v for k, v in node.labels.items() if k != POOL}
            new = {POOL: pools[node.name]} if node.name in pools else {}
            model.update_node(replace(node, labels={**labels, **new}))
        for i in range(10):
            pod = steered_pod(10 * number + i, 120, chance)
            assert fast.schedule(pod) == model.schedule(pod).node


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"images": ("a",)}, "images", id="images"),
        pytest.param({"need": Resources(1, 1, {"gpu": 1})}, "extended", id="extended resources"),
        pytest.param(
            {"required": (named_term("n1", 1).term,)}, "required node names", id="required names"
        ),
        pytest.param({"gated": True}, "gates", id="gates"),
        pytest.param({"priority": 7}, "priorities", id="unequal priorities"),
    ],
)
def test_what_is_left_out_is_refused(changes: dict[str, object], word: str) -> None:
    need = Resources(1, 1)
    pod = PodRequest("scans/a", need, need, need)
    fast = FastScheduler([Node(NodeName("n1"), Resources(9, 9))])
    fast.add_pod(pod)
    with pytest.raises(ValueError, match=word):
        fast.schedule(replace(pod, key="scans/b", **changes))  # type: ignore[arg-type]  # by name
