"""What a target comes back to, row by row of the design's table."""

import datetime as dt
from dataclasses import replace

import pytest

from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import (
    OUR_MANAGER,
    FieldManager,
    FieldName,
    FieldValue,
    ObjectKind,
)
from nightshift.domain.leases.annotations import HOLD, HOLD_UNTIL, STAGE
from nightshift.domain.leases.merges import RestoreAct, decide_restore
from tests.domain.capacity.capacity_support import autoscaler, cron_job, deployment, live
from tests.domain.leases.lease_support import DUE, lease, under

API = deployment("api", 3)
LEASE = lease(API, {FieldName.REPLICAS: 1})
HPA = autoscaler("worker", 3, 20)
HPA_LEASE = lease(HPA, {FieldName.MIN_REPLICAS: 1, FieldName.MAX_REPLICAS: 4})


@pytest.mark.parametrize(
    ("found", "rule", "goal", "flagged"),
    [
        pytest.param(1, OnConflict.MAX, 3, False, id="as we left it"),
        pytest.param(3, OnConflict.MAX, None, False, id="back already"),
        pytest.param(2, OnConflict.MAX, 3, False, id="raised a little"),
        pytest.param(7, OnConflict.MAX, None, False, id="raised above"),
        pytest.param(0, OnConflict.MAX, 3, True, id="stopped by hand"),
        pytest.param(7, OnConflict.BEFORE, 3, False, id="raised above, rule before"),
        pytest.param(2, OnConflict.KEEP_LIVE, None, False, id="raised, rule keep_live"),
        pytest.param(0, OnConflict.KEEP_LIVE, None, True, id="stopped, rule keep_live"),
        pytest.param(1, OnConflict.KEEP_LIVE, 3, False, id="as we left it, rule keep_live"),
        pytest.param(1, OnConflict.MANUAL, 3, False, id="as we left it, rule manual"),
    ],
)
def test_replicas_come_back(found: int, rule: OnConflict, goal: int | None, flagged: bool) -> None:
    made = lease(API, {FieldName.REPLICAS: 1}, rule=rule)
    decision = decide_restore(made, under(made, API, replicas=found), DUE)
    assert dict(decision.goal) == ({} if goal is None else {FieldName.REPLICAS: goal})
    assert decision.act is (RestoreAct.CLOSE if goal is None else RestoreAct.SET)
    assert decision.flagged is flagged
    assert decision.reason


def test_a_conflict_under_the_rule_manual_stays_open_and_flagged() -> None:
    made = lease(API, {FieldName.REPLICAS: 1}, rule=OnConflict.MANUAL)
    decision = decide_restore(made, under(made, API, replicas=2), DUE)
    assert decision.act is RestoreAct.MANUAL
    assert decision.flagged


def test_a_conflict_names_who_was_last() -> None:
    at = dt.datetime(2027, 5, 15, 9, tzinfo=dt.UTC)
    fields = frozenset({FieldName.REPLICAS})
    managers = (
        FieldManager(OUR_MANAGER, fields, DUE - dt.timedelta(days=3)),
        FieldManager("kubectl-scale", fields, at),
    )
    found = replace(under(LEASE, API, replicas=2), managers=managers)
    (conflict,) = decide_restore(LEASE, found, DUE).conflicts
    assert str(conflict) == (
        "replicas was 3, we set 1, found 2 by kubectl-scale at 2027-05-15 09:00Z"
    )
    alone = replace(under(LEASE, API, replicas=2), managers=managers[:1])
    assert decide_restore(LEASE, alone, DUE).conflicts[0].who == ""


@pytest.mark.parametrize(
    ("annotations", "act"),
    [
        pytest.param({HOLD: "true"}, RestoreAct.HOLD, id="hold"),
        pytest.param({HOLD: "false"}, RestoreAct.SET, id="hold that is off"),
        pytest.param({HOLD_UNTIL: "2027-05-18T00:00Z"}, RestoreAct.HOLD, id="until tomorrow"),
        pytest.param({HOLD_UNTIL: "2027-05-16T00:00Z"}, RestoreAct.SET, id="until yesterday"),
        pytest.param({HOLD_UNTIL: "tuesday"}, RestoreAct.SET, id="nobody knows until when"),
    ],
)
def test_a_hold_keeps_what_a_person_asked_to_keep(
    annotations: dict[str, str], act: RestoreAct
) -> None:
    found = under(LEASE, API)
    found = replace(found, annotations={**found.annotations, **annotations})
    assert decide_restore(LEASE, found, DUE).act is act


def test_what_is_gone_is_closed() -> None:
    decision = decide_restore(LEASE, None, DUE)
    assert decision.act is RestoreAct.CLOSE
    assert "gone" in decision.reason


def test_what_was_made_anew_gets_our_fields_back_and_a_flag() -> None:
    anew = replace(API, id=replace(API.id, uid="u2"), fields={FieldName.REPLICAS: 1})
    decision = decide_restore(LEASE, anew, DUE)
    assert dict(decision.goal) == {FieldName.REPLICAS: 3}
    assert decision.flagged
    assert "made anew" in decision.reason


@pytest.mark.parametrize(
    ("least", "most", "goal"),
    [
        pytest.param(1, 4, {"minReplicas": 3, "maxReplicas": 20}, id="as we left it"),
        pytest.param(1, 30, {"minReplicas": 3}, id="the maximum raised"),
        pytest.param(5, 20, {}, id="both raised"),
        pytest.param(None, 4, {"minReplicas": 3, "maxReplicas": 20}, id="absent is the default 1"),
    ],
)
def test_an_autoscaler_comes_back_field_by_field(
    least: FieldValue, most: int, goal: dict[str, int]
) -> None:
    found = under(HPA_LEASE, HPA, minReplicas=least, maxReplicas=most)
    decision = decide_restore(HPA_LEASE, found, DUE)
    assert {str(name): value for name, value in decision.goal.items()} == goal


def test_a_minimum_never_passes_a_maximum_that_the_rule_keeps() -> None:
    made = lease(HPA, HPA_LEASE.applied, rule=OnConflict.KEEP_LIVE)
    decision = decide_restore(made, under(made, HPA, maxReplicas=2), DUE)
    assert dict(decision.goal) == {FieldName.MIN_REPLICAS: 2}
    assert decision.flagged
    assert "kept at the live maximum" in decision.reason


def test_a_step_of_ours_is_no_conflict() -> None:
    found = under(HPA_LEASE, HPA, maxReplicas=12)
    staged = {**found.annotations, STAGE: '{"maxReplicas":12,"minReplicas":1}'}
    assert decide_restore(HPA_LEASE, replace(found, annotations=staged), DUE).conflicts == ()
    assert len(decide_restore(HPA_LEASE, found, DUE).conflicts) == 1


def test_a_field_that_we_did_not_set_comes_back_to_at_least_what_it_was() -> None:
    """A pool's nodes were removed one by one; its wanted number must follow the bounds."""
    fields = {FieldName.MIN_NODES: 3, FieldName.MAX_NODES: 10, FieldName.TARGET_NODES: 6}
    pool = live(ObjectKind.NODE_POOL, "general", fields, namespace="", uid="")
    made = lease(pool, {FieldName.MIN_NODES: 1, FieldName.MAX_NODES: 3})
    found = replace(under(made, pool), fields={**fields, **made.applied, FieldName.TARGET_NODES: 2})
    assert dict(decide_restore(made, found, DUE).goal) == fields
    grown = replace(found, fields={**found.fields, FieldName.TARGET_NODES: 8})
    assert FieldName.TARGET_NODES not in decide_restore(made, grown, DUE).goal


def test_a_cron_job_comes_back_without_its_deadline_being_touched() -> None:
    job = cron_job("report")
    made = lease(job, {FieldName.SUSPEND: True})
    assert dict(decide_restore(made, under(made, job), DUE).goal) == {FieldName.SUSPEND: False}


def test_a_new_node_of_an_old_name_is_not_uncordoned() -> None:
    node = live(ObjectKind.NODE, "n1", {FieldName.UNSCHEDULABLE: False}, namespace="", uid="a")
    made = lease(node, {FieldName.UNSCHEDULABLE: True})
    anew = replace(node, id=replace(node.id, uid="b"), fields={FieldName.UNSCHEDULABLE: True})
    assert decide_restore(made, anew, DUE).act is RestoreAct.CLOSE
    ours = decide_restore(made, under(made, node), DUE)
    assert dict(ours.goal) == {FieldName.UNSCHEDULABLE: False}
