"""Prediction against outcome, the brake, and what pods say of themselves."""

import datetime as dt
from typing import Any

import pytest

from nightshift.domain.steering.brake import PendingBrake
from nightshift.domain.steering.outcomes import ShardOutcome, describe_outcome, sum_up
from nightshift.domain.steering.scanpods import (
    GATE,
    NOMINATED,
    parse_scan_pod,
    requires_pool,
)

PLACEMENT = {
    "steering": {"level": "soft", "hit_rate": 0.5, "reason": "soft: 200 nodes"},
    "packing": {"bound": 1, "gap": 0.5},
    "nodes": [
        {"node": "n1", "busy": False},
        {"node": "n2", "busy": False},
        {"node": "b", "busy": True},
    ],
    "replans": [{"moved": 1}, {"moved": 0, "replanned": 0, "widened": 0}],
}


def test_hits_count_only_where_something_was_predicted_and_ran() -> None:
    shards = [
        ShardOutcome("s1", "n1", "n1", predicted=0.5, start_seconds=2.0),
        ShardOutcome("s2", "n1", "n2", predicted=0.5, start_seconds=4.0),
        ShardOutcome("s3", "n1", "b", predicted=None, start_seconds=9.0),
        ShardOutcome("s4", "n1", "", predicted=0.5),
        ShardOutcome("s5", "", "n2"),
    ]
    outcome = sum_up(PLACEMENT, shards)
    assert (outcome.measured, outcome.hits, outcome.actual_rate) == (2, 1, 0.5)
    assert outcome.predicted_rate == 0.5
    assert (outcome.idle_planned, outcome.idle_actual) == (1, 2)
    assert (outcome.start_p50_seconds, outcome.start_max_seconds) == (4.0, 9.0)
    assert outcome.replans == 1, "one changed nothing"
    assert describe_outcome(outcome) == [
        "steering soft: 200 nodes",
        "1 of 2 pods met their planned node: 50%, predicted were 50%",
        "idle nodes opened: 2, planned were 1; no placement opens fewer than 1, gap 50%",
        "from a pod's creation to its start: 4.0 s (median), 9.0 s at most",
        "planned anew 1 times, because the cluster had changed",
    ]


def test_a_batch_without_a_plan_has_nothing_to_compare() -> None:
    outcome = sum_up({}, [])
    assert outcome.actual_rate is None
    assert outcome.predicted_rate is None
    assert outcome.level == ""


@pytest.mark.parametrize(
    ("ages", "engages"),
    [([0.0] * 19, False), ([0.0] * 20, True), ([299.0], False), ([300.0, 1.0], True), ([], False)],
)
def test_the_brake_engages(ages: list[float], engages: bool) -> None:
    assert PendingBrake(20, 300.0).engages(ages) == engages


@pytest.mark.parametrize(
    ("pending", "engaged_at", "holds"),
    [(20, 20, True), (11, 20, True), (10, 20, False), (1, 1, True), (0, 1, False)],
)
def test_the_brake_holds_until_half_are_gone(pending: int, engaged_at: int, holds: bool) -> None:
    assert PendingBrake().holds([1.0] * pending, engaged_at) == holds


def test_a_pod_is_read_with_its_gate_and_whose_nomination_it_has() -> None:
    obj: dict[str, Any] = {
        "metadata": {
            "name": "p",
            "labels": {"nightshift/shard": "s007"},
            "annotations": {NOMINATED: "n2,n1"},
            "creationTimestamp": "2026-11-27T02:00:00Z",
            "resourceVersion": "42",
        },
        "spec": {"schedulingGates": [{"name": "other"}, {"name": GATE}]},
        "status": {
            "phase": "Pending",
            "nominatedNodeName": "n1",
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "a\n b"}],
        },
    }
    pod = parse_scan_pod(obj)
    assert (pod.shard, pod.version, pod.message) == ("s007", "42", "a b")
    assert pod.is_gated
    assert pod.is_unbound
    assert pod.has_our_nomination
    assert pod.created_at == dt.datetime(2026, 11, 27, 2, tzinfo=dt.UTC)
    assert pod.scheduled_at is None
    (told,) = obj["status"]["conditions"]
    told.update(status="True", lastTransitionTime="2026-11-27T02:00:40Z")
    assert parse_scan_pod(obj).waited_seconds(pod.created_at + dt.timedelta(hours=1)) == 40.0


def test_a_pod_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="schedulingGates"):
        parse_scan_pod({
            "metadata": {"creationTimestamp": "2026-11-27T02:00:00Z"},
            "spec": {"schedulingGates": "x"},
        })


def test_who_requires_the_pool_is_seen_in_the_affinity() -> None:
    term = {"matchExpressions": [{"key": "nightshift/pool", "operator": "In", "values": ["open"]}]}
    hard = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    assert requires_pool({"nodeAffinity": hard})
    assert not requires_pool({"nodeAffinity": {}})
    assert not requires_pool({})
