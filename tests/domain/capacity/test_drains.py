"""The steps of one node's drain."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import pytest

from nightshift.domain.capacity.drain_pods import (
    BlockReason,
    DrainPod,
    PodController,
    PodFate,
    PodRules,
    is_leader,
    is_scan_pod,
    judge_pod,
    parse_drain_pod,
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
    retry_wait_seconds,
)
from nightshift.domain.capacity.policies_pools import EmptyDir
from nightshift.domain.capacity.selectors import parse_label_selector

START = dt.datetime(2027, 5, 14, 18, tzinfo=dt.UTC)
LIMITS = DrainLimits(START + dt.timedelta(minutes=30))
SCAN = {"app.kubernetes.io/part-of": "nightshift"}
ACCEPTED = AnswerJudgement(NextStep.ACCEPTED)


def pod(name: str, kind: str = "ReplicaSet", owner: str = "api-1", **more: object) -> DrainPod:
    controller = PodController(kind, owner, "c1") if kind else None
    made = DrainPod("app", name, f"u-{name}", "n1", controller=controller, ready=True)
    return replace(made, **more)  # type: ignore[arg-type]  # the fields of DrainPod


@pytest.mark.parametrize(
    ("found", "rules", "fate", "block"),
    [
        pytest.param(pod("a"), PodRules(), PodFate.EVICT, None, id="a ReplicaSet's"),
        pytest.param(pod("a", "DaemonSet"), PodRules(), PodFate.SKIP, None, id="a DaemonSet's"),
        pytest.param(
            pod("a", "", annotations={"kubernetes.io/config.mirror": "x"}),
            PodRules(),
            PodFate.SKIP,
            None,
            id="static",
        ),
        pytest.param(
            pod("a", deleting=True), PodRules(), PodFate.WAIT, BlockReason.TERMINATING, id="ending"
        ),
        pytest.param(
            pod("a", "", labels=SCAN), PodRules(), PodFate.WAIT, BlockReason.SCAN_RUNNING, id="scan"
        ),
        pytest.param(
            pod("a", "", labels=SCAN),
            PodRules(force=True),
            PodFate.WAIT,
            BlockReason.SCAN_RUNNING,
            id="scan, with force",
        ),
        pytest.param(
            pod("a", "", labels=SCAN, ended=True), PodRules(), PodFate.SKIP, None, id="ended scan"
        ),
        pytest.param(
            pod("a", labels=SCAN), PodRules(), PodFate.EVICT, None, id="a service of ours"
        ),
        pytest.param(
            pod("a", labels={"app": "etl"}),
            PodRules(waited=(parse_label_selector("app=etl"),)),
            PodFate.WAIT,
            BlockReason.SCAN_RUNNING,
            id="waited for by policy",
        ),
        pytest.param(
            pod("a", annotations={"cluster.x-k8s.io/drain": "wait-completed"}),
            PodRules(),
            PodFate.WAIT,
            BlockReason.DO_NOT_EVICT,
            id="asks to be waited for",
        ),
        pytest.param(
            pod("a", namespace="kube-system"),
            PodRules(),
            PodFate.REFUSE,
            BlockReason.PROTECTED,
            id="protected",
        ),
        pytest.param(
            pod("a", annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}),
            PodRules(),
            PodFate.REFUSE,
            BlockReason.DO_NOT_EVICT,
            id="not safe to evict",
        ),
        pytest.param(
            pod("a", empty_dirs=("Memory",)), PodRules(), PodFate.EVICT, None, id="in memory"
        ),
        pytest.param(
            pod("a", empty_dirs=("Memory",)),
            PodRules(empty_dir=EmptyDir.NEVER),
            PodFate.REFUSE,
            BlockReason.EMPTY_DIR,
            id="in memory, never",
        ),
        pytest.param(
            pod("a", empty_dirs=("",)),
            PodRules(),
            PodFate.REFUSE,
            BlockReason.EMPTY_DIR,
            id="on the disk",
        ),
        pytest.param(
            pod("a", empty_dirs=("",)),
            PodRules(empty_dir=EmptyDir.ALWAYS),
            PodFate.EVICT,
            None,
            id="on the disk, always",
        ),
        pytest.param(
            pod("a", ""), PodRules(), PodFate.REFUSE, BlockReason.NO_CONTROLLER, id="bare"
        ),
        pytest.param(pod("a", ""), PodRules(force=True), PodFate.EVICT, None, id="bare, forced"),
        pytest.param(pod("a", "", ended=True), PodRules(), PodFate.EVICT, None, id="bare, ended"),
    ],
)
def test_a_pods_fate(
    found: DrainPod, rules: PodRules, fate: PodFate, block: BlockReason | None
) -> None:
    judgement = judge_pod(found, rules)
    assert (judgement.fate, judgement.block) == (fate, block)
    assert judgement.why


def test_a_job_of_ours_is_a_scan_and_a_stranger_is_none() -> None:
    assert is_scan_pod(pod("a", "Job", labels=SCAN))
    assert not is_scan_pod(pod("a", "Job"))


@pytest.mark.parametrize(
    ("labels", "leads"),
    [({"role": "primary"}, True), ({"spilo-role": "replica"}, False), ({}, False)],
)
def test_who_leads_a_set(labels: Mapping[str, str], leads: bool) -> None:
    assert is_leader(labels) is leads


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


BUDGET = (("DisruptionBudget", "app/api needs 2 healthy pods"),)
TWO = "This pod has more than one PodDisruptionBudget, which the eviction subresource"


@pytest.mark.parametrize(
    ("answer", "follows", "block"),
    [
        pytest.param(EvictionAnswer(201, "Success"), NextStep.ACCEPTED, None, id="201"),
        pytest.param(
            EvictionAnswer(201, "Failure", TWO, 500),
            NextStep.FINAL,
            BlockReason.MULTI_PDB,
            id="201 that is a failure",
        ),
        pytest.param(
            EvictionAnswer(201), NextStep.RETRY, BlockReason.API_UNAVAILABLE, id="201 of nothing"
        ),
        pytest.param(EvictionAnswer(404), NextStep.GONE, None, id="404"),
        pytest.param(
            EvictionAnswer(429, causes=BUDGET), NextStep.RETRY, BlockReason.PDB, id="budget"
        ),
        pytest.param(
            EvictionAnswer(429), NextStep.RETRY, BlockReason.API_UNAVAILABLE, id="throttled"
        ),
        pytest.param(EvictionAnswer(409), NextStep.RETRY, BlockReason.CHANGED, id="409"),
        pytest.param(
            EvictionAnswer(403, causes=(("NamespaceTerminating", ""),)),
            NextStep.RETRY,
            BlockReason.NAMESPACE_TERMINATING,
            id="namespace ends",
        ),
        pytest.param(EvictionAnswer(403), NextStep.FINAL, BlockReason.REFUSED, id="403"),
        pytest.param(EvictionAnswer(422), NextStep.FINAL, BlockReason.REFUSED, id="422"),
        pytest.param(
            EvictionAnswer(500, message=TWO),
            NextStep.FINAL,
            BlockReason.MULTI_PDB,
            id="two budgets",
        ),
        pytest.param(EvictionAnswer(503), NextStep.RETRY, BlockReason.API_UNAVAILABLE, id="503"),
        pytest.param(
            EvictionAnswer(0), NextStep.RETRY, BlockReason.API_UNAVAILABLE, id="no answer"
        ),
    ],
)
def test_what_an_answer_means(
    answer: EvictionAnswer, follows: NextStep, block: BlockReason | None
) -> None:
    judged = judge_answer(answer, 0, 0.5)
    assert (judged.next, judged.block) == (follows, block)
    assert (judged.wait_seconds > 0) is (follows is NextStep.RETRY)


def test_waits_grow_to_a_minute_and_the_servers_word_wins() -> None:
    waits = [retry_wait_seconds(tries, 0.5) for tries in range(9)]
    assert waits[:3] == [5.0, 7.5, 11.25]
    assert waits[-1] == 60.0
    assert waits == sorted(waits)
    assert retry_wait_seconds(0, 0.0) == 4.0
    assert retry_wait_seconds(3, 0.5, 10.0) == 10.0
    assert retry_wait_seconds(3, 0.5, 10_000.0) == 300.0
    assert retry_wait_seconds(0, 0.5, float("nan")) == 5.0


def test_a_budgets_own_words_are_told() -> None:
    judged = judge_answer(EvictionAnswer(429, message="Cannot evict", causes=BUDGET), 0, 0.5)
    assert judged.message == "app/api needs 2 healthy pods"


def test_a_pod_is_read_from_the_api() -> None:
    found = parse_drain_pod({
        "metadata": {
            "name": "api-1-x",
            "namespace": "app",
            "uid": "u1",
            "labels": {"pod-template-hash": "1"},
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": "api-1", "uid": "r", "controller": True}
            ],
            "deletionTimestamp": "2027-05-14T18:00:00Z",
        },
        "spec": {
            "nodeName": "n1",
            "priority": 7,
            "volumes": [{"emptyDir": {}}, {"emptyDir": {"medium": "Memory"}}, {"secret": {}}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
    assert found.workload == "app/api"
    assert found.empty_dirs == ("", "Memory")
    assert (found.priority, found.ready, found.deleting) == (7, True, True)
    with pytest.raises(ValueError, match=r"pod app/x: spec\.priority"):
        parse_drain_pod({
            "metadata": {"name": "x", "namespace": "app"},
            "spec": {"priority": "high"},
        })
