"""What is written on the way down and on the way up, step by step."""

import datetime as dt
import json
from dataclasses import replace

import pytest

from nightshift.domain.capacity.policies_rules import Waves
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Patch,
)
from nightshift.domain.leases.annotations import DEADLINE, HOLD, LEASE, STAGE, WAVE
from nightshift.domain.leases.lowering import STEP_EVERY, Lowered, Refused, next_lowering
from nightshift.domain.leases.merges import decide_restore
from nightshift.domain.leases.records import Lease, LeaseState, ReturnRules
from nightshift.domain.leases.returning import (
    Pace,
    Stride,
    Wait,
    next_stride,
    plan_deadline_end,
)
from tests.domain.capacity.capacity_support import (
    autoscaler,
    cron_job,
    deployment,
    live,
    pool_facts,
)
from tests.domain.leases.lease_support import DUE, FRIDAY, lease, under

API = deployment("api", 3)
LEASE_OF_API = lease(API, {FieldName.REPLICAS: 1})
MINUTE = dt.timedelta(minutes=1)


def written(target: LiveTarget, patch: Patch) -> LiveTarget:
    """The object after a PATCH, as any API server would have it."""
    assert patch.resource_version == target.resource_version
    kept = {**target.annotations, **patch.annotations}
    annotations = {key: value for key, value in kept.items() if value is not None}
    version = str(int(target.resource_version) + 1)
    fields = {**target.fields, **patch.fields}
    return replace(target, fields=fields, annotations=annotations, resource_version=version)


def running(target: LiveTarget, replicas: int, ready: int | None = None) -> LiveTarget:
    return replace(target, status=LiveStatus(replicas, replicas if ready is None else ready))


def test_fields_and_lease_go_in_one_conditional_patch() -> None:
    step = next_lowering(LEASE_OF_API, API, FRIDAY)
    assert isinstance(step, Stride)
    assert step.last
    assert dict(step.patch.fields) == {FieldName.REPLICAS: 1}
    assert step.patch.annotations["nightshift/before"] == '{"replicas":3}'
    assert step.patch.annotations[LEASE] == LEASE_OF_API.id
    assert step.patch.resource_version == API.resource_version
    assert isinstance(next_lowering(LEASE_OF_API, written(API, step.patch), FRIDAY), Lowered)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        pytest.param(None, "gone", id="gone"),
        pytest.param(deployment("api", 3, uid="u2"), "made anew", id="made anew"),
        pytest.param(deployment("api", 2), "found replicas 2", id="changed since the plan"),
        pytest.param(deployment("api", 3, annotations={HOLD: "true"}), "held", id="held"),
        pytest.param(
            under(LEASE_OF_API, API, replicas=2), "since we lowered it", id="raised since"
        ),
        pytest.param(
            under(lease(API, {FieldName.REPLICAS: 0}, order=9), API), "under the lease", id="other"
        ),
    ],
)
def test_what_somebody_has_changed_is_not_lowered(found: LiveTarget | None, said: str) -> None:
    step = next_lowering(LEASE_OF_API, found, FRIDAY)
    assert isinstance(step, Refused)
    assert said in step.reason


def test_an_autoscalers_maximum_goes_down_in_steps_so_that_few_pods_end_at_once() -> None:
    worker = running(autoscaler("worker", 3, 40), 20)
    made = lease(worker, {FieldName.MIN_REPLICAS: 1, FieldName.MAX_REPLICAS: 4})
    now, steps = FRIDAY, []
    for _ in range(50):
        step = next_lowering(made, worker, now)
        if isinstance(step, Lowered):
            break
        if isinstance(step, Wait):
            assert step.until > now
            now = step.until
            continue
        assert isinstance(step, Stride)
        worker = written(worker, step.patch)
        most = worker.capacity(FieldName.MAX_REPLICAS)
        steps.append(most)
        worker = running(worker, min(worker.status.replicas, most))
        # a restore half way finds nothing that it would call a person's change
        assert decide_restore(made, worker, now).conflicts == ()
    assert steps == [12, 8, 6, 5, 4]
    assert now >= FRIDAY + (len(steps) - 1) * STEP_EVERY
    assert STAGE not in worker.annotations
    assert WAVE not in worker.annotations
    assert worker.capacity(FieldName.MIN_REPLICAS) == 1


def test_a_pools_maximum_follows_its_nodes() -> None:
    pool = pool_facts(least=3, most=10, nodes=6).target
    assert pool is not None
    made = lease(pool, {FieldName.MIN_NODES: 1, FieldName.MAX_NODES: 3})
    first = next_lowering(made, pool, FRIDAY)
    assert isinstance(first, Stride)
    assert not first.last
    assert dict(first.patch.fields) == {FieldName.MIN_NODES: 1, FieldName.MAX_NODES: 6}
    pool = written(pool, first.patch)
    later = FRIDAY + 2 * MINUTE
    assert isinstance(next_lowering(made, pool, later), Wait)
    drained = next_lowering(made, running(pool, 3), later)
    assert isinstance(drained, Stride)
    assert drained.last
    assert drained.patch.fields[FieldName.MAX_NODES] == 3


def test_a_maximum_that_removes_nothing_goes_below_what_runs_at_once() -> None:
    """Otherwise each node that leaves would make room for another."""
    pool = pool_facts(least=0, most=10, nodes=6).target
    assert pool is not None
    pool = replace(pool, fields={FieldName.MAX_NODES: None}, max_at_once=True)
    made = lease(pool, {FieldName.MAX_NODES: 3})
    first = next_lowering(made, pool, FRIDAY)
    assert isinstance(first, Stride)
    assert (first.patch.fields, first.last) == ({FieldName.MAX_NODES: 3}, True)
    back = up(made, under(made, pool), Pace(), DUE)
    assert isinstance(back, Stride)
    assert back.patch.fields == {FieldName.MAX_NODES: None}


def test_a_pools_size_is_never_written_lower_and_follows_its_removed_nodes() -> None:
    pool = pool_facts(fields={FieldName.TARGET_NODES: 4}, nodes=3).target  # one is on its way
    assert pool is not None
    made = lease(pool, {FieldName.TARGET_NODES: 2})
    first = next_lowering(made, pool, FRIDAY)
    assert isinstance(first, Stride)
    assert dict(first.patch.fields) == {FieldName.TARGET_NODES: 4}
    pool = written(pool, first.patch)
    one_less = replace(pool, fields={FieldName.TARGET_NODES: 3})
    assert isinstance(next_lowering(made, one_less, FRIDAY + 2 * MINUTE), Wait)
    both = replace(pool, fields={FieldName.TARGET_NODES: 2})
    assert isinstance(next_lowering(made, both, FRIDAY + 2 * MINUTE), Lowered)
    grown = replace(pool, fields={FieldName.TARGET_NODES: 5})
    assert isinstance(next_lowering(made, grown, FRIDAY + 2 * MINUTE), Refused)
    for fewer in (3, 2, 1):  # a second plan of the window may have removed more
        left = replace(pool, fields={FieldName.TARGET_NODES: fewer})
        back = decide_restore(made, left, FRIDAY + 2 * MINUTE)
        assert (back.conflicts, dict(back.goal)) == ((), {FieldName.TARGET_NODES: 4})
    assert dict(decide_restore(made, grown, FRIDAY + 2 * MINUTE).goal) == {}


def test_a_pool_that_got_its_lease_and_not_its_bounds_is_written_again() -> None:
    pool = pool_facts(least=3, most=10, nodes=2).target
    assert pool is not None
    made = replace(lease(pool, {FieldName.MAX_NODES: 4}), state=LeaseState.INTENT)
    first = next_lowering(made, pool, FRIDAY)
    assert isinstance(first, Stride)
    half = written(pool, replace(first.patch, fields={}))
    assert isinstance(next_lowering(made, half, FRIDAY), Stride)
    known = replace(made, state=LeaseState.APPLIED)  # then a person has put it back
    assert isinstance(next_lowering(known, half, FRIDAY), Refused)


def test_a_raise_between_two_steps_ends_them() -> None:
    worker = running(autoscaler("worker", 3, 40), 20)
    made = lease(worker, {FieldName.MIN_REPLICAS: 1, FieldName.MAX_REPLICAS: 4})
    first = next_lowering(made, worker, FRIDAY)
    assert isinstance(first, Stride)
    raised = written(worker, first.patch)
    raised = replace(raised, fields={**raised.fields, FieldName.MAX_REPLICAS: 25})
    assert isinstance(next_lowering(made, raised, FRIDAY + 5 * MINUTE), Refused)


def up(made: Lease, found: LiveTarget, pace: Pace, now: dt.datetime) -> Stride | Wait:
    return next_stride(made, found, decide_restore(made, found, now), pace, now)


def test_a_workload_comes_back_in_one_write_that_ends_its_lease() -> None:
    found = under(LEASE_OF_API, API)
    step = up(LEASE_OF_API, found, Pace(), DUE)
    assert isinstance(step, Stride)
    assert step.last
    back = written(found, step.patch)
    assert back.fields == API.fields
    assert back.annotations == API.annotations


WORKER = autoscaler("worker", 12, 40)
WORKER_LEASE = lease(WORKER, {FieldName.MIN_REPLICAS: 1, FieldName.MAX_REPLICAS: 4})


def test_a_minimum_comes_back_in_waves_and_the_maximum_at_once() -> None:
    found = running(under(WORKER_LEASE, WORKER), 1)
    pace, now, waves = Pace(began=DUE), DUE, []
    for _ in range(50):
        step = up(WORKER_LEASE, found, pace, now)
        if isinstance(step, Wait):
            now = step.until
            continue
        found = written(found, step.patch)
        waves.append((found.capacity(FieldName.MIN_REPLICAS), (now - DUE) // MINUTE))
        found = running(found, found.capacity(FieldName.MIN_REPLICAS))
        assert found.capacity(FieldName.MAX_REPLICAS) == 40
        if step.last:
            break
    assert waves == [(4, 0), (7, 2), (10, 4), (12, 6)]
    assert LEASE not in found.annotations
    assert STAGE not in found.annotations


def test_pods_that_run_already_do_not_need_waves() -> None:
    found = running(under(WORKER_LEASE, WORKER, maxReplicas=40), 11)
    step = up(WORKER_LEASE, found, Pace(began=DUE), DUE)
    assert isinstance(step, Stride)
    assert step.last


@pytest.mark.parametrize(
    ("pace", "ready", "said"),
    [
        pytest.param(Pace(began=DUE, pending=20), 4, "20 pods are Pending", id="pending"),
        pytest.param(Pace(began=DUE), 2, "2 of 4 ready", id="not ready"),
        pytest.param(
            Pace(Waves(wait_ready=False), pending=19, began=DUE), 2, None, id="not waited for"
        ),
    ],
)
def test_the_next_wave_waits_but_not_for_ever(pace: Pace, ready: int, said: str | None) -> None:
    found = running(under(WORKER_LEASE, WORKER), 1)
    first = up(WORKER_LEASE, found, Pace(began=DUE), DUE)
    assert isinstance(first, Stride)
    found = running(written(found, first.patch), 4, ready)
    later = DUE + 3 * MINUTE
    step = up(WORKER_LEASE, found, pace, later)
    if said is None:
        assert isinstance(step, Stride)
    else:
        assert isinstance(step, Wait)
        assert said in step.reason
    assert isinstance(up(WORKER_LEASE, found, pace, DUE + 20 * MINUTE), Stride)


JOB = cron_job("report")


def suspended(skip_missed: bool, deadline: int | None = None) -> tuple[Lease, LiveTarget]:
    job = replace(JOB, fields={**JOB.fields, FieldName.STARTING_DEADLINE: deadline})
    rules = ReturnRules(skip_missed=skip_missed)
    made = lease(job, {FieldName.SUSPEND: True}, rules=rules)
    return made, under(made, job)


def test_a_missed_run_is_dropped_by_a_short_deadline_until_the_next_run_has_begun() -> None:
    made, found = suspended(skip_missed=True, deadline=600)
    step = up(made, found, Pace(began=DUE), DUE)
    assert isinstance(step, Stride)
    assert step.last
    resumed = written(found, step.patch)
    assert resumed.fields == {FieldName.SUSPEND: False, FieldName.STARTING_DEADLINE: 15}
    assert LEASE not in resumed.annotations
    assert json.loads(resumed.annotations[DEADLINE])["before"] == 600
    assert plan_deadline_end(resumed) is None
    before = replace(resumed, status=LiveStatus(last_schedule_at=DUE - MINUTE))
    assert plan_deadline_end(before) is None
    after = replace(resumed, status=LiveStatus(last_schedule_at=DUE + MINUTE))
    ending = plan_deadline_end(after)
    assert ending is not None
    done = written(after, ending)
    assert done.fields[FieldName.STARTING_DEADLINE] == 600
    assert DEADLINE not in done.annotations


def test_a_deadline_that_somebody_has_set_since_stays() -> None:
    made, found = suspended(skip_missed=True)
    step = up(made, found, Pace(), DUE)
    assert isinstance(step, Stride)
    resumed = written(found, step.patch)
    theirs = replace(resumed, fields={**resumed.fields, FieldName.STARTING_DEADLINE: 60})
    ending = plan_deadline_end(theirs)
    assert ending is not None
    assert dict(ending.fields) == {}


def test_a_cron_job_with_a_shorter_deadline_of_its_own_needs_none_of_ours() -> None:
    made, found = suspended(skip_missed=True, deadline=10)
    step = up(made, found, Pace(), DUE)
    assert isinstance(step, Stride)
    assert dict(step.patch.fields) == {FieldName.SUSPEND: False}


def test_cron_jobs_that_run_what_they_missed_take_turns() -> None:
    made, found = suspended(skip_missed=False)
    third = Pace(began=DUE, place=2)
    step = up(made, found, third, DUE + dt.timedelta(seconds=59))
    assert isinstance(step, Wait)
    assert step.until == DUE + MINUTE
    assert isinstance(up(made, found, third, DUE + MINUTE), Stride)


@pytest.mark.parametrize("text", ["{", "[]", '{"before":"x","switched":"y"}', '{"before":1}'])
def test_a_spoilt_deadline_is_named_and_keeps_no_job_suspended(text: str) -> None:
    made, found = suspended(skip_missed=True)
    spoilt = replace(found, annotations={**found.annotations, DEADLINE: text})
    with pytest.raises(ValueError, match=r"CronJob/app/report: nightshift/deadline"):
        plan_deadline_end(spoilt)
    assert isinstance(up(made, spoilt, Pace(), DUE), Stride)


def test_unlimited_slots_come_back_as_unlimited() -> None:
    fields: Fields = {FieldName.SLOTS: -1}
    pool = live(ObjectKind.AIRFLOW_POOL, "code_scan", fields, namespace="", uid="")
    made = lease(pool, {FieldName.SLOTS: 0})
    step = up(made, under(made, pool), Pace(), DUE)
    assert isinstance(step, Stride)
    assert dict(step.patch.fields) == {FieldName.SLOTS: -1}
