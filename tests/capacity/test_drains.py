"""A drain over HTTP: kubectl's filters, the API's answers, deadlines, and who must never go."""

import datetime as dt
from typing import Any

import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.drain_views import evict_pod, look_at_node
from nightshift.cluster.drains import drain_node
from nightshift.domain.capacity.drain_pods import BlockReason, PodRules
from nightshift.domain.capacity.evictions import EvictionAnswer, NextStep, judge_answer
from nightshift.domain.capacity.policies_pools import EmptyDir
from nightshift.embedded.kube.background import BackgroundCluster
from tests.capacity.capacity_support import (
    FRIDAY,
    NS,
    Hand,
    add,
    add_budget,
    add_pod,
    allow,
    container,
    cordon,
    drain_task,
    meta,
    node_id,
    pod_names,
    read,
)

SCAN = {
    "app.kubernetes.io/part-of": "nightshift",
    "app.kubernetes.io/managed-by": "nightshift",
}


def test_a_node_is_emptied_and_pods_of_daemon_sets_and_static_pods_stay(
    cluster: Cluster, hand: Hand
) -> None:
    add_pod(cluster, "web-1", "n1")
    add_pod(cluster, "elsewhere", "n2")
    add_pod(cluster, "agent", "n1", owner="DaemonSet/agent")
    result = drain_node(cluster, drain_task(cordon(cluster, "n1")), hand.tempo)
    assert (result.emptied, result.evictions, result.blockers) == (True, 1, ())
    assert pod_names(cluster) == {"elsewhere", "agent"}


def test_two_pdbs_is_blocked(cluster: Cluster, hand: Hand) -> None:
    add_pod(cluster, "web-1", "n1")
    add_budget(cluster, "one", 5)
    add_budget(cluster, "two", 5)
    result = drain_node(cluster, drain_task(cordon(cluster, "n1")), hand.tempo)
    assert not result.emptied
    assert [(b.pod, b.reason, b.budgets) for b in result.blockers] == [
        ("app/web-1", BlockReason.MULTI_PDB, ("app/one", "app/two"))
    ]
    assert hand.slept == [], "it is final: no retry mends it"
    assert "web-1" in pod_names(cluster)


def test_the_servers_own_500_for_two_budgets_is_final_too(cluster: Cluster) -> None:
    """The second budget comes between the look and the eviction."""
    add_pod(cluster, "web-1", "n1")
    (pod,) = look_at_node(cluster, "n1").pods.pods
    add_budget(cluster, "one", 5)
    add_budget(cluster, "two", 5)
    answer = evict_pod(cluster, pod)
    verdict = judge_answer(answer, 0, 0.5)
    assert answer.status == 500
    assert (verdict.next, verdict.block) == (NextStep.FINAL, BlockReason.MULTI_PDB)


def test_drain_429_ends(cluster: Cluster, hand: Hand) -> None:
    add_pod(cluster, "web-1", "n1")
    add_budget(cluster, "web", 0)
    result = drain_node(cluster, drain_task(cordon(cluster, "n1"), minutes=10), hand.tempo)
    assert (result.emptied, result.timed_out) == (False, True)
    (blocker,) = result.blockers
    assert (blocker.pod, blocker.reason, blocker.budgets) == (
        "app/web-1", BlockReason.PDB, ("app/web",)
    )  # fmt: skip
    assert "needs 1 healthy pods" in blocker.message
    assert hand.now - FRIDAY == dt.timedelta(minutes=10)


def test_a_budget_that_allows_it_later_is_waited_for(cluster: Cluster, hand: Hand) -> None:
    add_pod(cluster, "web-1", "n1")
    add_budget(cluster, "web", 0)

    def somebody_scales_up() -> None:
        if hand.now >= FRIDAY + dt.timedelta(minutes=3):
            allow(cluster, "web", 1)

    hand.others.append(somebody_scales_up)
    result = drain_node(cluster, drain_task(cordon(cluster, "n1")), hand.tempo)
    assert result.emptied
    assert result.waited_seconds >= 180


def test_refusals_back_off_and_a_retry_after_is_kept(
    cluster: Cluster, server: BackgroundCluster, hand: Hand
) -> None:
    add_pod(cluster, "web-1", "n1")
    server.call(lambda local: local.faults.add("POST", "/eviction", 429, times=1, retry_after=33))
    server.call(lambda local: local.faults.add("POST", "/eviction", 503, times=2))
    server.call(lambda local: local.faults.add("POST", "/eviction", drop_reply=True))
    result = drain_node(cluster, drain_task(cordon(cluster, "n1")), hand.tempo)
    assert result.emptied
    assert result.waited_seconds >= 33 + 7.5 + 11.25


def test_a_pod_of_that_name_that_is_another_is_not_evicted(cluster: Cluster, hand: Hand) -> None:
    add_pod(cluster, "web-1", "n1")
    lease = cordon(cluster, "n1")
    add_pod(cluster, "db-0", "n2", owner="StatefulSet/db")
    (old,) = look_at_node(cluster, "n2").pods.pods
    cluster.delete(cluster.path("pods", "db-0", namespace=NS), grace_seconds=0)
    add_pod(cluster, "db-0", "n3", owner="StatefulSet/db")
    assert evict_pod(cluster, old).status == 409
    assert drain_node(cluster, drain_task(lease), hand.tempo).emptied
    assert "db-0" in pod_names(cluster)


def test_a_201_whose_body_says_failure_is_a_refusal() -> None:
    wrapped = EvictionAnswer(201, "Failure", "Cannot evict", 429)
    assert judge_answer(wrapped, 0, 0.5).next is NextStep.RETRY


def test_scans_are_waited_for_and_never_ended(cluster: Cluster, hand: Hand) -> None:
    add_pod(cluster, "scan-1", "n1", owner="", labels=SCAN)
    add_pod(cluster, "web-1", "n1")
    result = drain_node(cluster, drain_task(cordon(cluster, "n1"), minutes=5), hand.tempo)
    assert not result.emptied
    assert result.timed_out
    assert "scan_running" in str(result)
    assert pod_names(cluster) == {"scan-1", "web-1"}, "nobody paid for a node that is kept"


@pytest.mark.parametrize(
    ("owner", "spec", "reason"),
    [
        ("", {}, BlockReason.NO_CONTROLLER),
        ("ReplicaSet/x", {"volumes": [{"name": "v", "emptyDir": {}}]}, BlockReason.EMPTY_DIR),
    ],
    ids=["bare pod", "data on the node's disk"],
)
def test_a_fatal_filter_stops_before_the_first_eviction(
    cluster: Cluster, hand: Hand, owner: str, spec: dict[str, Any], reason: BlockReason
) -> None:
    add_pod(cluster, "web-1", "n1")
    add_pod(cluster, "special", "n1", owner=owner, **spec)
    result = drain_node(cluster, drain_task(cordon(cluster, "n1")), hand.tempo)
    assert [b.reason for b in result.blockers] == [reason]
    assert pod_names(cluster) == {"web-1", "special"}


def test_data_in_memory_may_be_lost_and_force_takes_bare_pods(cluster: Cluster, hand: Hand) -> None:
    add_pod(cluster, "bare", "n1", owner="")
    volume = {"name": "v", "emptyDir": {"medium": "Memory"}}
    add_pod(cluster, "cache", "n1", volumes=[volume])
    rules = PodRules(force=True, empty_dir=EmptyDir.MEMORY_ONLY)
    task = drain_task(cordon(cluster, "n1"), rules=rules)
    assert drain_node(cluster, task, hand.tempo).emptied


@pytest.mark.parametrize(
    "labels",
    [
        {"tier": "airflow", "component": "scheduler"},
        {
            "app.kubernetes.io/part-of": "nightshift",
            "app.kubernetes.io/component": "database",
        },
    ],
    ids=["Airflow", "the database"],
)
def test_never_scales_itself(cluster: Cluster, hand: Hand, labels: dict[str, str]) -> None:
    """It came to the node after the plan was made."""
    add_pod(cluster, "web-1", "n1")
    add_pod(cluster, "ours", "n1", labels=labels, owner="StatefulSet/ours")
    result = drain_node(cluster, drain_task(cordon(cluster, "n1")), hand.tempo)
    assert [(b.pod, b.reason) for b in result.blockers] == [("app/ours", BlockReason.PROTECTED)]
    assert pod_names(cluster) == {"web-1", "ours"}


def test_members_of_a_set_go_one_by_one_each_when_the_set_is_whole_again(
    cluster: Cluster, hand: Hand
) -> None:
    labels = {"app": "db"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()]}}
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": template,
        "serviceName": "db",
    }
    body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta("db"), "spec": spec}
    add(cluster, "statefulsets", body, "apis/apps/v1")
    for name in ("db-0", "db-1"):
        add_pod(cluster, name, "n1", owner="StatefulSet/db", labels=labels)
    most_missing = [0]

    def controller() -> None:
        there = pod_names(cluster)
        missing = {"db-0", "db-1"} - there
        most_missing[0] = max(most_missing[0], len(missing))
        for name in missing:
            add_pod(cluster, name, "n2", owner="StatefulSet/db", labels=labels)

    hand.others.append(controller)
    result = drain_node(cluster, drain_task(cordon(cluster, "n1")), hand.tempo)
    assert (result.emptied, result.evictions) == (True, 2)
    assert most_missing == [1]


def test_a_human_who_uncordons_the_node_ends_the_drain(cluster: Cluster, hand: Hand) -> None:
    add_pod(cluster, "web-1", "n1")
    add_budget(cluster, "web", 0)
    lease = cordon(cluster, "n1")

    def human() -> None:
        cluster.patch("/api/v1/nodes/n1", {"spec": {"unschedulable": None}})

    hand.others.append(human)
    result = drain_node(cluster, drain_task(lease), hand.tempo)
    assert [b.reason for b in result.blockers] == [BlockReason.UNCORDONED]


def test_a_node_that_somebody_else_has_cordoned_is_not_ours_to_drain(
    cluster: Cluster, hand: Hand
) -> None:
    add_pod(cluster, "web-1", "n1")
    lease = cordon(cluster, "n2")
    cluster.patch("/api/v1/nodes/n1", {"spec": {"unschedulable": True}})
    result = drain_node(cluster, drain_task(lease, "n1"), hand.tempo)
    assert [b.reason for b in result.blockers] == [BlockReason.CORDONED_BY_OTHER]
    assert read(cluster, node_id("n1")).annotations.get("nightshift/lease") is None


def test_a_drain_that_died_is_taken_up_where_it_was(cluster: Cluster, hand: Hand) -> None:
    add_pod(cluster, "web-1", "n1")
    add_pod(cluster, "web-2", "n1", ready=False)
    task = drain_task(cordon(cluster, "n1"))

    class Killed(Exception):
        pass

    def kill() -> None:
        raise Killed

    dying = Hand(others=[kill])
    with pytest.raises(Killed):
        drain_node(cluster, task, dying.tempo)
    again = drain_node(cluster, task, hand.tempo)
    assert again.emptied
    assert pod_names(cluster) == set()


def test_an_api_server_that_is_down_for_a_while_is_waited_for(
    cluster: Cluster, server: BackgroundCluster, hand: Hand
) -> None:
    add_pod(cluster, "web-1", "n1")
    lease = cordon(cluster, "n1")
    server.call(lambda local: local.faults.add("GET", "/api/v1/nodes/n1", 503, times=3))
    assert drain_node(cluster, drain_task(lease), hand.tempo).emptied


def test_a_node_that_is_gone_is_empty(cluster: Cluster, hand: Hand) -> None:
    lease = cordon(cluster, "n1")
    cluster.delete("/api/v1/nodes/n1")
    assert drain_node(cluster, drain_task(lease), hand.tempo).emptied
