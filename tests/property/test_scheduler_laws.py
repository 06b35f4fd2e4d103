"""Laws of the scheduler model: it never over-commits, forgets when told to, is deterministic."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.nodes import Node
from nightshift.domain.placement.goheap import heap_top
from nightshift.domain.placement.scheduler_model import Decision, SchedulerModel
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources, sum_resources
from tests.property.strategies_placement import nodes, pod_requests

batches = st.lists(st.integers(), min_size=1, max_size=8).flatmap(
    lambda ids: st.tuples(*(pod_requests(f"scans/p{i}") for i in range(len(ids))))
)


def run(cluster: list[Node], pods: tuple[PodRequest, ...]) -> list[Decision]:
    model = SchedulerModel(cluster)
    return [model.schedule(pod) for pod in pods]


@given(nodes(), batches)
def test_no_node_is_over_committed(cluster: list[Node], pods: tuple[PodRequest, ...]) -> None:
    decisions = run(cluster, pods)
    for node in cluster:
        placed = [p for p, d in zip(pods, decisions, strict=True) if d.node == node.name]
        if placed:
            assert node.pods + len(placed) <= node.pod_slots
            used = node.requested + sum_resources(pod.need for pod in placed)
            asked = sum_resources(pod.need for pod in placed)
            for name, amount in asked.items():
                assert amount == 0 or used.get(name) <= node.allocatable.get(name)


@given(nodes(), batches)
def test_no_pod_goes_where_it_must_not(cluster: list[Node], pods: tuple[PodRequest, ...]) -> None:
    by_name = {node.name: node for node in cluster}
    for pod, decision in zip(pods, run(cluster, pods), strict=True):
        if decision.node is not None:
            node = by_name[decision.node]  # type: ignore[index]  # a NodeName is a str
            assert pod.may_run_on(node.name, node.labels)
            assert decision.node not in decision.refusals


@given(nodes(), batches)
def test_equal_inputs_give_equal_decisions(
    cluster: list[Node], pods: tuple[PodRequest, ...]
) -> None:
    assert run(cluster, pods) == run(cluster, pods)


@given(nodes(), batches)
def test_a_refusal_accounts_for_every_node(
    cluster: list[Node], pods: tuple[PodRequest, ...]
) -> None:
    for decision in run(cluster, pods):
        if decision.node is None:
            assert set(decision.refusals) == {node.name for node in cluster}
            assert decision.reason.startswith(f"0/{len(cluster)} nodes are available: ")


@given(nodes(), batches, st.data())
def test_adding_and_removing_leaves_no_trace(
    cluster: list[Node], pods: tuple[PodRequest, ...], data: st.DataObject
) -> None:
    probe = data.draw(pod_requests("scans/probe"))
    touched = SchedulerModel(cluster)
    for i, pod in enumerate(pods):
        touched.add_pod(replace(pod, node=f"n{i % len(cluster)}"))
    for pod in pods:
        touched.remove_pod(pod.key)
    assert touched.schedule(probe) == SchedulerModel(cluster).schedule(probe)


@given(nodes(min_size=2), st.data())
def test_the_best_total_wins(cluster: list[Node], data: st.DataObject) -> None:
    decision = SchedulerModel(cluster).schedule(data.draw(pod_requests("scans/p")))
    if decision.scored:
        assert decision.node is not None
        assert decision.totals[decision.node] == max(decision.totals.values())


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_the_heaps_top_is_a_best_one(totals: list[int]) -> None:
    assert totals[heap_top(totals)] == max(totals)


@given(nodes())
def test_a_base_load_counts_like_the_same_load_told_pod_by_pod(cluster: list[Node]) -> None:
    bare = [replace(n, requested=Resources(), pods=0) for n in cluster]
    told = SchedulerModel(bare)
    whole = SchedulerModel([replace(n, pods=1) for n in cluster])
    for node in cluster:
        load = node.requested
        told.add_pod(PodRequest(f"x/{node.name}", load, load, load, node=node.name))
    need = Resources(500, 1024**3)
    probe = PodRequest("scans/p", need, need, need)
    assert told.schedule(probe) == whole.schedule(probe)
