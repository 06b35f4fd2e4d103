"""The steps of one node's drain."""

import datetime as dt
from dataclasses import replace

import pytest

from nightshift.domain.capacity.drain_pods import (
    BlockReason,
    DrainPod,
    PodController,
    PodRules,
)
from nightshift.domain.capacity.drains import (
    DrainLimits,
    DrainMemory,
    NodePods,
    SetState,
    StepKind,
    plan_step,
)
from nightshift.domain.capacity.evictions import (
    AnswerJudgement,
    EvictionAnswer,
    NextStep,
    judge_answer,
)

START = dt.datetime(2027, 5, 14, 18, tzinfo=dt.UTC)
LIMITS = DrainLimits(START + dt.timedelta(minutes=30))
SCAN = {"app.kubernetes.io/part-of": "nightshift"}
ACCEPTED = AnswerJudgement(NextStep.ACCEPTED)


def pod(name: str, kind: str = "ReplicaSet", owner: str = "api-1", **more: object) -> DrainPod:
    controller = PodController(kind, owner, "c1") if kind else None
    made = DrainPod("app", name, f"u-{name}", "n1", controller=controller, ready=True)
    return replace(made, **more)  # type: ignore[arg-type]  # the fields of DrainPod


def test_the_least_important_goes_first_and_one_of_a_set_at_a_time() -> None:
    db = [
        pod(f"db-{n}", "StatefulSet", "db", labels={"role": "primary"} if n == 0 else {})
        for n in range(2)
    ]
    seen = NodePods(
        (*db, pod("api-a", priority=100), pod("web-a", owner="web-1"), pod("api-b")),
        {"app/db": SetState(3, 3)},
    )
    limits = replace(LIMITS, ranks={"app/web-1": 2, "app/api-1": 1})
    step = plan_step(seen, DrainMemory(), PodRules(), limits, START)
    assert step.kind is StepKind.EVICT
    assert [one.name for one in step.evict] == ["db-1", "api-b", "web-a", "api-a"]
    memory = DrainMemory().with_answer(db[1], ACCEPTED, START)
    assert "db-0" not in [
        one.name for one in plan_step(seen, memory, PodRules(), limits, START).evict
    ]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (SetState(3, 3), StepKind.EVICT),
        (SetState(3, 2), StepKind.WAIT),
        (SetState(1, 1), StepKind.EVICT),
    ],
)
def test_a_set_that_is_not_whole_loses_nobody(state: SetState, kind: StepKind) -> None:
    seen = NodePods((pod("db-1", "StatefulSet", "db"),), {"app/db": state})
    step = plan_step(seen, DrainMemory(), PodRules(), LIMITS, START)
    assert step.kind is kind
    if kind is StepKind.WAIT:
        assert step.blockers[0].reason is BlockReason.SET_NOT_READY
        assert "2 of 3" in step.blockers[0].message


def test_a_member_that_is_not_ready_itself_may_go() -> None:
    seen = NodePods((pod("db-1", "StatefulSet", "db", ready=False),), {"app/db": SetState(3, 2)})
    assert plan_step(seen, DrainMemory(), PodRules(), LIMITS, START).kind is StepKind.EVICT


def test_a_refusal_stops_before_the_first_eviction() -> None:
    step = plan_step(NodePods((pod("a"), pod("b", ""))), DrainMemory(), PodRules(), LIMITS, START)
    assert step.kind is StepKind.STOP
    assert step.evict == ()
    assert step.blockers[0].pod == "app/b"


def test_scans_are_waited_for_before_anything_is_evicted_and_not_beyond_the_deadline() -> None:
    seen = NodePods((pod("a"), pod("scan", "", labels=SCAN)))
    assert plan_step(seen, DrainMemory(), PodRules(), LIMITS, START).kind is StepKind.WAIT
    over = plan_step(seen, DrainMemory(), PodRules(), LIMITS, LIMITS.deadline)
    assert (over.kind, over.timed_out) == (StepKind.STOP, True)
    assert {one.reason for one in over.blockers} >= {BlockReason.SCAN_RUNNING}


def test_a_node_is_empty_with_only_what_stays_anyway() -> None:
    seen = NodePods((pod("logs", "DaemonSet"), pod("scan", "", labels=SCAN, ended=True)))
    assert plan_step(seen, DrainMemory(), PodRules(), LIMITS, START).kind is StepKind.EMPTY
    assert plan_step(seen, DrainMemory(), PodRules(), LIMITS, LIMITS.deadline).kind is (
        StepKind.EMPTY
    )


def test_the_limit_of_evictions_holds() -> None:
    limits = replace(LIMITS, max_evictions=1)
    seen = NodePods((pod("a"), pod("b")))
    first = plan_step(seen, DrainMemory(), PodRules(), limits, START)
    assert [one.name for one in first.evict] == ["a"]
    memory = DrainMemory().with_answer(pod("a"), ACCEPTED, START)
    second = plan_step(seen, memory, PodRules(), limits, START)
    assert second.kind is StepKind.STOP
    assert second.blockers[0].reason is BlockReason.TOO_MANY_EVICTIONS


def test_an_empty_memory_gives_the_same_decision_after_a_crash() -> None:
    going = pod("a", deleting=True)
    seen = NodePods((going,))
    memory = DrainMemory().with_answer(pod("a"), ACCEPTED, START)
    assert plan_step(seen, memory, PodRules(), LIMITS, START) == plan_step(
        seen, DrainMemory(), PodRules(), LIMITS, START
    )


def test_a_pod_that_keeps_changing_is_reported_and_not_tried_for_ever() -> None:
    memory = DrainMemory()
    for _ in range(4):
        judged = judge_answer(EvictionAnswer(409, "Failure", "uid", 409), 0, 0.5)
        memory = memory.with_answer(pod("a"), judged, START)
    step = plan_step(NodePods((pod("a"),)), memory, PodRules(), LIMITS, START)
    assert step.kind is StepKind.STOP
    assert step.blockers[0].reason is BlockReason.CHANGED
