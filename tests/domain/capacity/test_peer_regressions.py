"""What goes wrong elsewhere, and must not here: one test for each known bug of a peer.

Decided here is what values can decide; the ones of an API (paging, the 500 for two budgets, a drain
that loops) are asked of a cluster as well.
"""

import datetime as dt
from dataclasses import replace

from nightshift.domain.capacity.drain_pods import BlockReason, DrainPod, PodController, PodRules
from nightshift.domain.capacity.drains import (
    DrainLimits,
    DrainMemory,
    NodePods,
    StepKind,
    plan_step,
)
from nightshift.domain.capacity.evictions import EvictionAnswer, NextStep, judge_answer
from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.planner import plan_scale_down
from nightshift.domain.capacity.plans import Check, lease_of
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_targets import TargetKind
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.snapshots import BudgetFacts, Role
from nightshift.domain.capacity.targets import FieldName, LiveTarget
from nightshift.domain.leases.annotations import read_lease
from nightshift.domain.leases.lowering import Refused, next_lowering
from nightshift.domain.leases.merges import RestoreAct, decide_restore
from nightshift.domain.leases.records import Lease, LeaseState, is_due
from nightshift.domain.leases.recoveries import RecoverAct, decide_recovery
from nightshift.domain.leases.returning import Stride
from nightshift.domain.windows.due import Up, due_at
from nightshift.domain.windows.spans import plan_windows
from tests.domain.capacity.capacity_support import (
    FRIDAY,
    MONDAY,
    NOW,
    WINDOW,
    airflow_pool,
    autoscaler,
    cron_job,
    deployment,
    pod,
    policy,
    scaled,
    slots,
    snapshot,
    suspended,
    tier,
    workload,
)

API = deployment("api", 3)


def policy_for(replicas: int) -> CapacityPolicy:
    return policy(tier("api", workload(TargetKind.DEPLOYMENT, "api", replicas)))


def lowered(before: LiveTarget, replicas: int) -> tuple[Lease, LiveTarget]:
    """Plan, write the intent down, PATCH: the lease and the object as they are on a Saturday."""
    plan = plan_scale_down(policy_for(replicas), snapshot(before), WINDOW)
    lease = replace(lease_of(plan, plan.actions[0], "test", NOW), state=LeaseState.APPLIED)
    step = next_lowering(lease, before, NOW)
    assert isinstance(step, Stride)
    annotations = {key: value for key, value in step.patch.annotations.items() if value}
    return lease, replace(before, fields={**step.patch.fields}, annotations=annotations)


def with_replicas(live: LiveTarget, replicas: int) -> LiveTarget:
    return replace(live, fields={FieldName.REPLICAS: replicas})


def test_restore_after_policy_edit() -> None:
    lease, found = lowered(API, 0)
    edited = plan_scale_down(policy_for(1), snapshot(found), WINDOW, Ledger((lease,)))
    assert edited.actions == ()
    assert dict(decide_restore(lease, found, MONDAY).goal) == {FieldName.REPLICAS: 3}


def test_restore_after_oncall_wakes() -> None:
    lease, found = lowered(API, 0)
    woken = with_replicas(found, 1)
    next_cycle = plan_scale_down(policy_for(0), snapshot(woken), WINDOW, Ledger((lease,)))
    assert next_cycle.actions == ()
    assert isinstance(next_lowering(lease, woken, NOW), Refused)
    assert dict(decide_restore(lease, woken, MONDAY).goal) == {FieldName.REPLICAS: 3}


def test_restore_keeps_human_raise() -> None:
    lease, found = lowered(API, 1)
    decision = decide_restore(lease, with_replicas(found, 8), MONDAY)
    assert decision.act is RestoreAct.CLOSE
    assert dict(decision.goal) == {}


def test_never_raises_on_friday() -> None:
    stopped = deployment("api", 0)
    plan = plan_scale_down(policy_for(1), snapshot(stopped), WINDOW)
    assert plan.actions == ()
    assert plan.skips[0].check is Check.ALREADY_LOW


def test_crash_between_write_and_save() -> None:
    lease, found = lowered(API, 0)
    intent = replace(lease, state=LeaseState.INTENT)
    recovery = decide_recovery(intent, found, dt.timedelta(hours=40))
    assert recovery.act is RecoverAct.MARK_APPLIED
    # and with no row at all, the object itself knows what it was
    rebuilt = read_lease(found)
    assert rebuilt is not None
    assert dict(decide_restore(rebuilt, found, MONDAY).goal) == {FieldName.REPLICAS: 3}


def test_late_wakeup_runs() -> None:
    lease, _ = lowered(API, 0)
    schedule = policy_for(0).schedule
    for late in (dt.timedelta(seconds=61), dt.timedelta(hours=30)):
        due = due_at(schedule, plan_windows(schedule), "rest", MONDAY + late)
        assert isinstance(due, Up)
        assert due.late == late
        assert is_due(lease, MONDAY + late, resting=False)


def test_modified_then_skipped() -> None:
    lease, found = lowered(API, 1)
    changed = replace(with_replicas(found, 2), resource_version="77", labels={"touched": "yes"})
    decision = decide_restore(lease, changed, MONDAY)
    assert decision.act is RestoreAct.SET
    assert dict(decision.goal) == {FieldName.REPLICAS: 3}
    assert decision.conflicts[0].live == 2


def test_order_is_stable() -> None:
    asked = policy(
        tier("batch", slots("code_scan"), suspended("tier=batch")),
        tier("workers", scaled("worker", 1, 4)),
    )
    targets = [
        airflow_pool("code_scan", 8),
        autoscaler("worker", 3, 9),
        *(cron_job(f"job-{n}", labels={"tier": "batch"}) for n in range(9)),
    ]
    one = plan_scale_down(asked, snapshot(*targets), WINDOW)
    other = plan_scale_down(asked, snapshot(*reversed(targets)), WINDOW)
    assert one == other
    assert one.hash == other.hash
    refs = [action.target.ref for action in one.actions]
    assert refs == [
        "AirflowPool/code_scan",
        *(f"CronJob/app/job-{n}" for n in range(9)),
        "HorizontalPodAutoscaler/app/worker",
    ]


def test_over_500_objects() -> None:
    jobs = [cron_job(f"job-{n:04}", labels={"tier": "batch"}) for n in range(1_203)]
    plan = plan_scale_down(policy(tier("batch", suspended("tier=batch"))), snapshot(*jobs), WINDOW)
    assert len(plan.actions) == 1_203
    assert len({action.lease_id for action in plan.actions}) == 1_203


def on_a_node(name: str) -> DrainPod:
    controller = PodController("ReplicaSet", "api-1", "c1")
    return DrainPod(
        "app", name, f"u-{name}", "n1", {"app": "api"}, controller=controller, ready=True
    )


REFUSED = EvictionAnswer(
    429, "Failure", "Cannot evict pod", 429, (("DisruptionBudget", "app/api needs 2"),)
)
LIMITS = DrainLimits(FRIDAY + dt.timedelta(minutes=30))


def drain(answer: EvictionAnswer) -> tuple[StepKind, dt.datetime, int]:
    """Drain a node whose one pod's eviction always gets ``answer``; gives end, when, and tries."""
    seen, memory, now, tries = NodePods((on_a_node("api-1"),)), DrainMemory(), FRIDAY, 0
    while True:
        step = plan_step(seen, memory, PodRules(), LIMITS, now)
        if step.kind in {StepKind.STOP, StepKind.EMPTY}:
            return step.kind, now, tries
        for one in step.evict:
            tries += 1
            judged = judge_answer(answer, memory.attempt(one).tries, 0.5)
            memory = memory.with_answer(one, judged, now)
        now += dt.timedelta(seconds=5)


def test_failed_drain_keeps_nodes() -> None:
    kind, _, _ = drain(EvictionAnswer(403, "Failure", "no", 403))
    assert kind is StepKind.STOP  # only EMPTY lets a driver remove a node


def test_drain_429_ends() -> None:
    kind, ended, tries = drain(REFUSED)
    assert kind is StepKind.STOP
    assert ended == LIMITS.deadline
    assert 10 < tries < 60


def test_never_scales_itself() -> None:
    ours = pod("airflow-scheduler-0", "n1", of="Deployment/api", roles=frozenset({Role.AIRFLOW}))
    plan = plan_scale_down(policy_for(0), snapshot(API, pods=[ours]), WINDOW)
    assert plan.is_refused
    assert plan.problems[0].check is Check.SELF_PRESERVATION
    assert plan.actions == ()


def test_two_pdbs_is_blocked() -> None:
    said = "This pod has more than one PodDisruptionBudget, which the eviction subresource ..."
    judged = judge_answer(EvictionAnswer(500, "Failure", said, 500), 0, 0.5)
    assert (judged.next, judged.block) == (NextStep.FINAL, BlockReason.MULTI_PDB)
    selector = parse_label_selector("app=api")
    budgets = tuple(
        BudgetFacts("app", name, selector, disruptions_allowed=1) for name in ("one", "two")
    )
    step = plan_step(
        NodePods((on_a_node("api-1"),), budgets=budgets), DrainMemory(), PodRules(), LIMITS, FRIDAY
    )
    assert step.kind is StepKind.STOP
    assert step.blockers[0].reason is BlockReason.MULTI_PDB
    assert step.blockers[0].budgets == ("app/one", "app/two")
