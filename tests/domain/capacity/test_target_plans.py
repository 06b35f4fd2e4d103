"""What a policy's tiers mean for the objects that there are."""

from dataclasses import replace

import pytest

from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.planner import plan_scale_down
from nightshift.domain.capacity.plans import CapacityPlan, Check, lease_of
from nightshift.domain.capacity.policies import Protection
from nightshift.domain.capacity.policies_rules import OnConflict, RestoreRules
from nightshift.domain.capacity.policies_targets import TargetKind, TargetRef
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.snapshots import Role
from nightshift.domain.capacity.targets import (
    FieldManager,
    FieldName,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Owner,
    TargetId,
)
from nightshift.domain.leases.annotations import HOLD, KEEP_ALIVE, write_lease
from nightshift.domain.leases.records import Lease, LeaseState
from tests.domain.capacity.capacity_support import (
    NOW,
    WINDOW,
    airflow_pool,
    autoscaler,
    cron_job,
    deployment,
    live,
    pod,
    policy,
    scaled,
    slots,
    snapshot,
    stateful_set,
    suspended,
    tier,
    workload,
)

API = tier("api", workload(TargetKind.DEPLOYMENT, "api", 1))


def checks(plan: CapacityPlan) -> dict[str, Check]:
    return {skip.ref: skip.check for skip in plan.skips}


def applied(plan: CapacityPlan) -> dict[str, dict[FieldName, object]]:
    return {action.target.ref: dict(action.applied) for action in plan.actions}


def test_every_kind_is_lowered_in_the_policys_order() -> None:
    found = plan_scale_down(
        policy(
            tier("batch", slots("code_scan"), suspended("tier=batch")),
            tier("workers", scaled("worker", 1, 4)),
            tier(
                "rest",
                workload(TargetKind.DEPLOYMENT, "web", 2),
                workload(TargetKind.STATEFUL_SET, "store", 3),
            ),
        ),
        snapshot(
            stateful_set("store", 5),
            deployment("web", 4),
            autoscaler("worker", 3, 20),
            cron_job("report", labels={"tier": "batch"}),
            airflow_pool("code_scan", 16),
        ),
        WINDOW,
    )
    assert [action.target.ref for action in found.actions] == [
        "AirflowPool/code_scan",
        "CronJob/app/report",
        "HorizontalPodAutoscaler/app/worker",
        "Deployment/app/web",
        "StatefulSet/app/store",
    ]
    assert [action.order for action in found.actions] == [1, 2, 3, 4, 5]
    assert applied(found)["HorizontalPodAutoscaler/app/worker"] == {
        FieldName.MIN_REPLICAS: 1,
        FieldName.MAX_REPLICAS: 4,
    }
    assert found.skips == ()
    assert found.why_not_apply() == ()
    assert [action.reason for action in found.actions] == [
        "0 of its slots are in use",
        "no run starts meanwhile; it has never run",
        "3 run now, 3 of them ready",
        "4 run now, 4 of them ready",
        "5 run now, 5 of them ready",
    ]


def test_what_is_low_already_stays_and_nothing_is_raised() -> None:
    found = plan_scale_down(
        policy(tier("all", scaled("worker", 2, 9), workload(TargetKind.DEPLOYMENT, "api", 3))),
        snapshot(autoscaler("worker", 1, 20), deployment("api", 2)),
        WINDOW,
    )
    # the minimum is no higher than wanted, so only the maximum is set; both are remembered
    (action,) = found.actions
    assert dict(action.applied) == {FieldName.MAX_REPLICAS: 9}
    assert dict(action.before) == {FieldName.MIN_REPLICAS: 1, FieldName.MAX_REPLICAS: 20}
    assert checks(found) == {"Deployment/app/api": Check.ALREADY_LOW}


@pytest.mark.parametrize(
    ("target", "check"),
    [
        pytest.param(deployment("api", 3, annotations={HOLD: "true"}), Check.HELD, id="held"),
        pytest.param(
            deployment("api", 3, annotations={"nightshift/hold-until": "soon"}),
            Check.HELD,
            id="held until nobody knows when",
        ),
        pytest.param(
            deployment("api", 3, owner=Owner("Rollout", "api")), Check.OWNERSHIP, id="owned"
        ),
        pytest.param(
            deployment(
                "api",
                3,
                managers=(FieldManager("argocd-controller", frozenset({FieldName.REPLICAS})),),
            ),
            Check.OWNERSHIP,
            id="kept by Argo CD",
        ),
        pytest.param(
            deployment("api", 3, pod_labels={"tier": "never"}), Check.PROTECTED, id="protected pods"
        ),
    ],
)
def test_what_others_keep_is_left_alone(target: LiveTarget, check: Check) -> None:
    protect = Protection(pods=(parse_label_selector("tier=never"),))
    found = plan_scale_down(policy(API, protect=protect), snapshot(target), WINDOW)
    assert found.actions == ()
    assert checks(found) == {"Deployment/app/api": check}


def test_a_workload_under_an_autoscaler_is_left_to_it() -> None:
    found = plan_scale_down(
        policy(API), snapshot(deployment("api", 3), autoscaler("api", 2, 6)), WINDOW
    )
    assert checks(found) == {"Deployment/app/api": Check.DRIVEN}


def test_keda_is_lowered_in_the_stead_of_the_autoscaler_that_it_made() -> None:
    made = autoscaler("keda-hpa-worker", 3, 20, owner=Owner("ScaledObject", "worker"))
    keda = live(
        ObjectKind.SCALED_OBJECT,
        "worker",
        {FieldName.MIN_REPLICAS: 3, FieldName.MAX_REPLICAS: 20},
        scales=TargetId(ObjectKind.DEPLOYMENT, "app", "worker"),
    )
    rules = RestoreRules(
        exceptions={TargetRef(TargetKind.AUTOSCALER, "app", "keda-hpa-worker"): OnConflict.BEFORE}
    )
    asked = policy(tier("workers", scaled("keda-hpa-worker", 1, 4)), restore=rules)
    found = plan_scale_down(asked, snapshot(made, keda), WINDOW)
    (action,) = found.actions
    assert action.target.ref == "ScaledObject/app/worker"
    assert action.rules.on_conflict is OnConflict.BEFORE
    assert any("in its stead" in warning for warning in action.warnings)
    alone = plan_scale_down(asked, snapshot(made), WINDOW)
    assert checks(alone) == {made.id.ref: Check.OWNERSHIP}


def test_a_selector_sees_no_protected_namespace_and_a_name_is_told_so() -> None:
    labels = {"tier": "batch"}
    found = plan_scale_down(
        policy(
            tier("batch", suspended("tier=batch")),
            tier("dns", workload(TargetKind.DEPLOYMENT, "dns", 1, namespace="kube-system")),
        ),
        snapshot(
            cron_job("own", labels=labels),
            cron_job("certs", namespace="kube-system", labels=labels),
            deployment("dns", 2, namespace="kube-system"),
        ),
        WINDOW,
    )
    assert list(applied(found)) == ["CronJob/app/own"]
    assert checks(found) == {"Deployment/kube-system/dns": Check.PROTECTED}


def test_what_is_not_there_is_said() -> None:
    found = plan_scale_down(
        policy(tier("batch", slots("code_scan"), suspended("tier=batch")), API), snapshot(), WINDOW
    )
    assert checks(found) == {
        "AirflowPool/code_scan": Check.NOT_FOUND,
        "CronJob/*/[tier=batch]": Check.NOT_FOUND,
        "Deployment/app/api": Check.NOT_FOUND,
    }


@pytest.mark.parametrize("second", ["api", "other"], ids=["the same tier", "another tier"])
def test_an_object_is_lowered_once(second: str) -> None:
    twice = [API, tier(second, workload(TargetKind.DEPLOYMENT, "api", 0))]
    if second == "api":
        twice = [tier("api", *API.targets, workload(TargetKind.DEPLOYMENT, "api", 0))]
    found = plan_scale_down(policy(*twice), snapshot(deployment("api", 3)), WINDOW)
    assert applied(found) == {"Deployment/app/api": {FieldName.REPLICAS: 1}}
    assert checks(found) == {"Deployment/app/api": Check.DOUBLE}


def test_a_target_that_would_end_us_refuses_the_plan() -> None:
    ours = pod("scheduler-1", "n1", of="Deployment/api", roles=frozenset({Role.AIRFLOW}))
    found = plan_scale_down(policy(API), snapshot(deployment("api", 3), pods=[ours]), WINDOW)
    assert found.is_refused
    assert found.actions == ()
    assert "take it out of the policy" in found.problems[0].message
    pool_of_ours = plan_scale_down(
        policy(tier("batch", slots("weekend"))),
        snapshot(airflow_pool("weekend", 1), own_airflow_pool="weekend"),
        WINDOW,
    )
    assert pool_of_ours.is_refused


@pytest.mark.parametrize(
    ("replicas", "ready", "wanted", "check"),
    [
        pytest.param(5, 5, 3, None, id="enough"),
        pytest.param(5, 2, 3, Check.QUORUM, id="too few are ready"),
        pytest.param(5, 5, 1, Check.QUORUM, id="below the quorum"),
    ],
)
def test_a_quorum_is_never_risked(
    replicas: int, ready: int, wanted: int, check: Check | None
) -> None:
    store = stateful_set("store", replicas, status=LiveStatus(replicas, ready))
    asked = policy(tier("storage", workload(TargetKind.STATEFUL_SET, "store", wanted, quorum=2)))
    found = plan_scale_down(asked, snapshot(store), WINDOW)
    assert checks(found) == ({} if check is None else {"StatefulSet/app/store": check})


def open_lease(target: LiveTarget) -> Lease:
    plan = plan_scale_down(policy(API), snapshot(target), WINDOW)
    return replace(lease_of(plan, plan.actions[0], "test", NOW), state=LeaseState.APPLIED)


def test_an_open_lease_keeps_its_target_whatever_somebody_set_meanwhile() -> None:
    lease = open_lease(deployment("api", 3))
    raised = deployment("api", 2)
    by_store = plan_scale_down(policy(API), snapshot(raised), WINDOW, Ledger((lease,)))
    assert checks(by_store) == {"Deployment/app/api": Check.LEASED}
    marked = deployment("api", 2, annotations=write_lease(lease))
    by_annotations = plan_scale_down(policy(API), snapshot(marked), WINDOW)
    assert checks(by_annotations) == {"Deployment/app/api": Check.LEASED}


def test_what_was_given_back_in_a_window_is_not_lowered_again_in_it() -> None:
    target = deployment("api", 3)
    ledger = Ledger(closed=frozenset({open_lease(target).id}))
    again = plan_scale_down(policy(API), snapshot(target), WINDOW, ledger)
    assert checks(again) == {"Deployment/app/api": Check.RETURNED}
    later = replace(WINDOW, down=NOW)
    assert len(plan_scale_down(policy(API), snapshot(target), later, ledger).actions) == 1


def test_a_second_plan_in_a_window_goes_on_counting() -> None:
    lease = open_lease(deployment("api", 3))
    both = policy(API, tier("web", workload(TargetKind.DEPLOYMENT, "web", 1)))
    found = plan_scale_down(both, snapshot(deployment("web", 3)), WINDOW, Ledger((lease,)))
    assert [action.order for action in found.actions] == [lease.order + 1]


def test_warnings_say_what_nothing_forbids() -> None:
    target = deployment(
        "api",
        3,
        annotations={KEEP_ALIVE: "nightly export at 02:00"},
        labels={"argocd.argoproj.io/instance": "api"},
        managers=(FieldManager("kubectl", frozenset({FieldName.REPLICAS})),),
    )
    (action,) = plan_scale_down(policy(API), snapshot(target), WINDOW).actions
    assert any("nightly export at 02:00" in one for one in action.warnings)
    assert any("Argo CD deploys it" in one for one in action.warnings)


def test_a_leader_that_goes_is_said() -> None:
    members = [pod(f"store-{n}", f"n{n}", of="StatefulSet/store", leader=n == 4) for n in range(5)]
    asked = policy(tier("storage", workload(TargetKind.STATEFUL_SET, "store", 3, quorum=2)))
    found = plan_scale_down(asked, snapshot(stateful_set("store", 5), pods=members), WINDOW)
    assert "store-4 leads the set" in found.actions[0].warnings[0]


def test_a_cron_jobs_own_deadline_is_remembered_while_ours_is_there() -> None:
    kept = '{"before":200,"switched":"2027-05-10T03:30:00Z"}'
    job = cron_job("report", labels={"tier": "batch"}, annotations={"nightshift/deadline": kept})
    job = replace(job, fields={FieldName.SUSPEND: False, FieldName.STARTING_DEADLINE: 15})
    (action,) = plan_scale_down(
        policy(tier("batch", suspended("tier=batch"))), snapshot(job), WINDOW
    ).actions
    assert action.before[FieldName.STARTING_DEADLINE] == 200
