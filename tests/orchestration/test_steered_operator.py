"""Real KubernetesPodOperators with our callbacks, sync and deferrable, at the firm levels."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nightshift.domain.placement.steering import SteeringChoice
from nightshift.settings import PREFIX, Settings, describe_settings
from tests.orchestration.conftest import World
from tests.orchestration.steering_support import (
    PRIORITY_CLASS,
    labelled,
    make_priority_class,
    plan_night,
    stored_shards,
)

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("steered_run.py")


@pytest.fixture
def node_options() -> list[str]:
    return [f"n{number}=4,8Gi" for number in range(5)]


def environment(settings: Settings, home: Path) -> dict[str, str]:
    values = {
        f"{PREFIX}{one.name.upper()}": value
        if isinstance(value := getattr(settings, one.name), str)
        else one.kind.show(value)
        for one in describe_settings()
    }
    return {
        **values,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'include'}:{ROOT}",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONWARNINGS": "ignore",
    }


@pytest.mark.parametrize("mode", ["sync", "deferrable"])
@pytest.mark.parametrize("choice", [SteeringChoice.NOMINATE, SteeringChoice.POOL])
def test_pods_of_the_operator_meet_their_nodes(
    make_world: Callable[..., World], tmp_path: Path, mode: str, choice: SteeringChoice
) -> None:
    world = make_world(
        NIGHTSHIFT_PRIORITY_CLASS=PRIORITY_CLASS,
        NIGHTSHIFT_STARTUP_CHECK_SECONDS="1",
        NIGHTSHIFT_POLL_SECONDS="1",
    )
    make_priority_class(world)
    world.write_registry({"anna": ["one"], "ben": ["one"]})
    batch, items = plan_night(world, choice)
    path = tmp_path / "items.json"
    path.write_text(json.dumps(items))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(path), mode],
        env=environment(world.settings, tmp_path),
        capture_output=True,
        text=True,
        timeout=110,
    )
    lines = done.stdout.splitlines()
    results = [json.loads(line[7:]) for line in lines if line.startswith("RESULT ")]
    assert [one["error"] for one in results] == [None] * len(items), done.stdout + done.stderr
    outcome = world.summary(batch).placement
    assert (outcome.measured, outcome.hits, outcome.actual_rate) == (len(items), len(items), 1.0)
    for plan in stored_shards(world, batch).values():
        assert plan.plan["outcome"]["steering"] == choice.value
        assert plan.plan["outcome"]["note"] == ""
        assert plan.plan["outcome"]["wait_seconds"] >= 0
    assert bool(labelled(world)) == (choice is SteeringChoice.POOL)
