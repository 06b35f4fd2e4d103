"""The model against what kube-scheduler 1.36.2 itself decided, pod by pod and word by word.

How the record was made: docs/decisions/placement-recorded-decisions.md.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from nightshift.domain.placement.scheduler_model import SchedulerModel
from nightshift.domain.placement.scores import ScoringStrategy
from nightshift.domain.pods import parse_node, parse_pod
from tests.domain.placement.scenarios import SCENARIOS, Scenario

RECORD = json.loads((Path(__file__).parent / "recorded_decisions.json").read_text())


def decide(built: dict[str, Any]) -> list[str]:
    """Give each pod's node, or the text of the event when there is none."""
    nodes = [parse_node(node) for node in built["nodes"]]
    model = SchedulerModel(nodes, scoring=ScoringStrategy(built["scoring"]))
    for pod in (*built["placed"], *built["waiting"]):
        model.add_pod(parse_pod(pod))
    decisions = [model.schedule(parse_pod(pod)) for pod in built["pods"]]
    return [decision.node or decision.reason for decision in decisions]


@pytest.mark.parametrize(
    ("scenario", "recorded"),
    [
        pytest.param(scenario, recorded, id=f"{scenario.nodes} nodes, {scenario.scoring}")
        for scenario, recorded in zip(SCENARIOS, RECORD, strict=True)
    ],
)
def test_every_pod_goes_where_kube_scheduler_put_it(
    scenario: Scenario, recorded: list[str]
) -> None:
    assert decide(scenario.build()) == recorded


def test_the_record_is_worth_comparing_with() -> None:
    answers = [answer for recorded in RECORD for answer in recorded]
    refusals = [answer for answer in answers if answer.startswith("0/")]
    assert len(answers) == sum(scenario.pods for scenario in SCENARIOS)
    assert len(set(answers)) > 250
    assert len(refusals) > 50
    for word in ("Insufficient", "Too many pods", "free ports", "taint", "affinity", "satisfy"):
        assert any(word in refusal for refusal in refusals), word
