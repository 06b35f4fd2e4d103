"""The weekend's guide names every word that a report may show, and its diff is a real one."""

from dataclasses import replace
from pathlib import Path

import pytest

from nightshift.domain.capacity.diffs import diff_lines, diff_plan
from nightshift.domain.capacity.planner import plan_scale_down
from nightshift.domain.capacity.plans import Check
from nightshift.domain.capacity.policies import Mode
from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.leases.annotations import HOLD, HOLD_UNTIL, KEEP_ALIVE
from tests.domain.capacity.capacity_support import WINDOW, deployment
from tests.domain.capacity.test_plans import FACTS, POLICY

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "weekend.md").read_text("utf-8")


def test_the_diff_in_the_guide_is_what_the_code_writes() -> None:
    api = deployment("api", 3, annotations={KEEP_ALIVE: "exports at 02:00"})
    facts = replace(FACTS, targets=(FACTS.targets[0], api))
    plan = plan_scale_down(POLICY, facts, WINDOW)
    assert "\n".join(diff_lines(diff_plan(plan))) in PAGE


@pytest.mark.parametrize("check", Check)
def test_every_reason_is_explained(check: Check) -> None:
    assert f"| {check} | " in PAGE


@pytest.mark.parametrize("word", [*OnConflict, "extend", "down", "forbid", HOLD, HOLD_UNTIL])
def test_every_rule_is_explained(word: str) -> None:
    assert f"`{word}" in PAGE


def test_the_mode_that_changes_something_is_named() -> None:
    assert f"mode: {Mode.ENFORCE}" in PAGE
