"""Plans as values: hash, approval, revalidation, diff, document."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nightshift.domain.capacity.diffs import Sign, diff_lines, diff_plan
from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.plan_documents import dump_plan, parse_plan
from nightshift.domain.capacity.planner import plan_scale_down
from nightshift.domain.capacity.plans import (
    CapacityPlan,
    Check,
    RiskFacts,
    revalidate,
    why_approve,
)
from nightshift.domain.capacity.policies import Mode
from nightshift.domain.capacity.policies_rules import Approval, Required
from nightshift.domain.capacity.policies_targets import TargetKind
from nightshift.domain.capacity.snapshots import HealthFacts
from nightshift.domain.capacity.targets import LiveStatus
from nightshift.domain.leases.annotations import HOLD, KEEP_ALIVE
from tests.domain.capacity.capacity_support import (
    MONDAY,
    NOW,
    WINDOW,
    autoscaler,
    deployment,
    node,
    pod,
    policy,
    pool,
    pool_facts,
    scaled,
    snapshot,
    tier,
    workload,
)

POLICY = policy(
    tier("workers", scaled("worker", 1, 4)),
    tier("api", workload(TargetKind.DEPLOYMENT, "api", 1)),
    pools=[pool(target=2)],
)
PODS = [pod("api-1", "n1"), pod("api-2", "n2"), pod("api-3", "n3")]
FACTS = snapshot(
    autoscaler("worker", 3, 20),
    deployment("api", 3, annotations={KEEP_ALIVE: "exports\u202e at 02:00"}),
    nodes=[node(f"n{n}", pods=PODS) for n in range(1, 7)],
    pods=PODS,
    pools=[pool_facts()],
)
PLAN = plan_scale_down(POLICY, FACTS, WINDOW)


def test_a_hash_covers_what_a_plan_does_and_not_how_it_says_so() -> None:
    same = plan_scale_down(POLICY, replace(FACTS, at=NOW + dt.timedelta(minutes=3)), WINDOW)
    assert same.hash == PLAN.hash
    reworded = tuple(replace(one, reason="because") for one in PLAN.actions)
    assert replace(PLAN, actions=reworded).hash == PLAN.hash
    assert replace(PLAN, actions=PLAN.actions[1:]).hash != PLAN.hash
    assert replace(PLAN, policy_digest="d2").hash != PLAN.hash
    assert replace(PLAN, up=MONDAY + dt.timedelta(days=1)).hash != PLAN.hash
    first = replace(PLAN.actions[0], applied={})
    assert replace(PLAN, actions=(first, *PLAN.actions[1:])).hash != PLAN.hash


@pytest.mark.parametrize(
    ("mode", "said"),
    [(Mode.OBSERVE, "mode is observe"), (Mode.OFF, "mode is off"), (Mode.ENFORCE, None)],
)
def test_only_a_policy_that_enforces_is_applied(mode: Mode, said: str | None) -> None:
    reasons = replace(PLAN, mode=mode).why_not_apply()
    assert reasons == () if said is None else said in reasons[0]


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (MONDAY - dt.timedelta(hours=2), "2h of the window are left"),
        (MONDAY, "not open"),
        (WINDOW.down - dt.timedelta(seconds=1), "not open"),
    ],
)
def test_a_plan_outside_its_window_or_near_its_end_is_refused(at: dt.datetime, said: str) -> None:
    found = plan_scale_down(POLICY, replace(FACTS, at=at), WINDOW)
    assert found.problems[0].check is Check.WINDOW
    assert said in found.problems[0].message


def test_a_plan_without_all_facts_is_refused() -> None:
    found = plan_scale_down(POLICY, replace(FACTS, unread=("pods: forbidden",)), WINDOW)
    assert found.is_refused
    assert "pods: forbidden" in found.problems[0].message


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (HealthFacts(pending=20), "20 pods are Pending"),
        (HealthFacts(unready_pct=31), "31 % of the pods"),
        (HealthFacts(alerts=("burning",)), "alerts fire: burning"),
        (HealthFacts(freeze="release"), "frozen: release"),
    ],
)
def test_a_bad_moment_postpones(health: HealthFacts, said: str) -> None:
    found = plan_scale_down(POLICY, replace(FACTS, health=health), WINDOW)
    assert said in found.postpone[0]
    assert said in found.why_not_apply()[0]
    assert PLAN.postpone == ()


def test_a_rollout_postpones() -> None:
    busy = replace(FACTS.targets[1], status=LiveStatus(3, 2, rolling_out=True))
    found = plan_scale_down(POLICY, replace(FACTS, targets=(FACTS.targets[0], busy)), WINDOW)
    assert found.postpone == ("rolling out: Deployment/app/api",)


RISK = RiskFacts(False, False, nodes_removed=3, ready_nodes=6, tiers=("api",))


@pytest.mark.parametrize(
    ("approval", "risk", "said"),
    [
        pytest.param(Approval(Required.NEVER), replace(RISK, first_run=True), None, id="never"),
        pytest.param(Approval(Required.ALWAYS), RISK, "every time", id="always"),
        pytest.param(Approval(), RISK, None, id="nothing special"),
        pytest.param(Approval(), replace(RISK, first_run=True), "never been applied", id="first"),
        pytest.param(Approval(), replace(RISK, policy_changed=True), "changed since", id="changed"),
        pytest.param(Approval(nodes_removed_above_pct=50), RISK, None, id="not above"),
        pytest.param(Approval(nodes_removed_above_pct=49), RISK, "3 of 6 nodes", id="above"),
        pytest.param(Approval(tiers=("api",)), RISK, "lowers the tier api", id="tier"),
        pytest.param(Approval(tiers=("storage",)), RISK, None, id="another tier"),
    ],
)
def test_who_is_asked(approval: Approval, risk: RiskFacts, said: str | None) -> None:
    reasons = why_approve(approval, risk)
    assert reasons == () if said is None else said in reasons[0]


def test_an_approved_plan_only_gets_smaller_by_waiting() -> None:
    held = deployment("api", 3, annotations={HOLD: "true"})
    fresh = plan_scale_down(POLICY, replace(FACTS, targets=(FACTS.targets[0], held)), WINDOW)
    found = revalidate(PLAN, PLAN.hash, fresh)
    assert found.refused == ()
    assert {one.target.ref for one in found.actions} < {one.target.ref for one in PLAN.actions}
    (dropped,) = [one for one in found.dropped if one.ref == "Deployment/app/api"]
    assert dropped.check is Check.HELD
    assert "since the approval" in dropped.reason
    grown = revalidate(replace(PLAN, actions=PLAN.actions[:1]), "", PLAN)
    assert grown.actions == ()


def test_the_same_plan_holds_whole() -> None:
    assert revalidate(PLAN, PLAN.hash, PLAN).actions == PLAN.actions
    stored = parse_plan(json.loads(json.dumps(dump_plan(PLAN))))
    assert revalidate(stored, PLAN.hash, PLAN).actions == PLAN.actions


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda plan: replace(plan, policy_digest="d2"), "the policy has changed"),
        (lambda plan: replace(plan, window="rest/20270521T180000Z"), "is over"),
        (lambda plan: plan_scale_down(POLICY, replace(FACTS, unread=("x",)), WINDOW), "x"),
        (lambda plan: replace(plan, postpone=("alerts fire: a",)), "alerts fire: a"),
        (lambda plan: replace(plan, mode=Mode.OBSERVE), "mode is observe"),
    ],
    ids=["policy", "window", "problem", "alert", "mode"],
)
def test_a_plan_of_another_moment_is_refused(
    spoil: Callable[[CapacityPlan], CapacityPlan], said: str
) -> None:
    found = revalidate(PLAN, PLAN.hash, spoil(PLAN))
    assert found.actions == ()
    assert said in " ".join(found.refused)


def test_another_hash_than_the_approved_one_is_refused() -> None:
    found = revalidate(PLAN, "0" * 64, PLAN)
    assert found.actions == ()
    assert "not the one that was approved" in found.refused[0]


def test_a_diff_says_what_and_why_in_the_plans_order() -> None:
    again = plan_scale_down(
        POLICY, replace(FACTS, targets=FACTS.targets[:1]), WINDOW, Ledger(first_run=False)
    )
    diff = diff_plan(again)
    assert "rest on prod-eu, mode enforce, window Fri 2027-05-14 18:00Z" in diff.title
    assert [row.sign for row in diff.rows if row.ref.startswith("H")] == [Sign.LOWER]
    (row,) = [row for row in diff.rows if row.ref == "HorizontalPodAutoscaler/app/worker"]
    assert row.change == "minReplicas 3 -> 1, maxReplicas 20 -> 4"
    assert row.reason == "3 run now, 3 of them ready"
    tiers = list(dict.fromkeys(row.tier for row in diff.rows))
    assert tiers == ["workers", "api", "nodes"]
    (kept,) = [row for row in diff.rows if row.ref == "Deployment/app/api"]
    assert kept.sign is Sign.KEEP
    assert kept.reason == "not_found: there is no such object"
    assert "2 targets lowered, 3 of 6 nodes rest" in diff.summary[0]
    assert diff.to_json()["rows"][0]["sign"] == "-"


def test_a_diff_shows_strangers_text_harmless_and_its_columns_straight() -> None:
    lines = diff_lines(diff_plan(PLAN))
    text = "\n".join(lines)
    assert "\u202e" not in text
    assert "note: its owner asks to keep it alive: exports" in text
    nodes = [line for line in lines if "Node/n" in line]
    assert len({line.index("cordon, drain, remove") for line in nodes}) == 1
    assert len(nodes) == 3


def test_a_diff_says_first_why_nothing_is_applied() -> None:
    refused = plan_scale_down(POLICY, replace(FACTS, unread=("pods: forbidden",)), WINDOW)
    lines = diff_lines(diff_plan(replace(refused, mode=Mode.OBSERVE)))
    assert lines[1].startswith("  ! unread: could not be read")
    assert "Nothing of it may be applied: the policy's mode is observe" in lines[-1]


def test_a_plan_comes_back_from_its_document() -> None:
    document = json.loads(json.dumps(dump_plan(PLAN)))
    found = parse_plan(document)
    assert found.hash == PLAN.hash
    assert found.skips == PLAN.skips
    assert found.risk == PLAN.risk
    assert [one.reason for one in found.actions] == [one.reason for one in PLAN.actions]


def broken(path: str, value: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(dump_plan(PLAN)))
    place: Any = document
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("actions.0.applied", '{"minReplicas":0}', "plan.hash"),
        ("actions.0.applied", '{"slots":0}', "actions[0].applied: 'slots' is no field"),
        ("actions.0.target.kind", "Secret", "actions[0].target.kind"),
        ("actions.0.leaseId", "x", "not a lease's id"),
        ("actions.0.rules.staggerSeconds", 10**9, "staggerSeconds"),
        ("actions.0.remove", "yes", "expected true or false"),
        ("actions", None, "plan.actions: expected a list"),
        ("actions.0.warnings.0", 1, ""),
        ("version", 2, "plan.version"),
        ("up", "tomorrow", "plan.up"),
        ("risk.readyNodes", "6", "plan.risk.readyNodes"),
        ("hash", "", "plan again"),
    ],
)
def test_a_spoilt_document_is_refused_with_its_place(path: str, value: object, said: str) -> None:
    if path == "actions.0.warnings.0":
        document = broken("actions.0.warnings", [value])
        said = "actions[0].warnings[0]: expected text"
    else:
        document = broken(path, value)
    with pytest.raises(ValueError, match=r".+") as caught:
        parse_plan(document)
    assert said in str(caught.value)
