"""``nightshift placement`` on a night that was planned and whose pods have run."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nightshift.clock import utc_now
from nightshift.domain.placement.steering import SteeringChoice
from nightshift.orchestration.steps.reporting import report_night
from tests.cli.cli_support import Result, call
from tests.orchestration.conftest import World
from tests.orchestration.steering_support import (
    cluster_of,
    make_pods,
    plan_night,
    record_end,
    set_environment,
    wait_until_bound,
)


@pytest.fixture
def world(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    made = make_world()
    set_environment(monkeypatch, made.settings)
    made.write_registry({"anna": ["one"], "ben": ["one"]})
    return made


def run_night(world: World) -> int:
    batch, items = plan_night(world, SteeringChoice.AUTO)
    names = make_pods(world, items)
    wait_until_bound(world, names)
    with cluster_of(world) as cluster:
        for name in names:
            record_end(cluster, name)
    return batch


def environ(world: World) -> Mapping[str, str]:
    return {"NIGHTSHIFT_DATABASE_URL": world.settings.database_url}


def show(world: World, *options: str) -> Result:
    return call("placement", *options, environ=environ(world))


def test_prediction_and_outcome_stand_side_by_side(world: World) -> None:
    batch = run_night(world)
    result = show(world)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"batch {batch}, night of ")
    assert "2 of 2 pods met their planned node: 100%, predicted were 100%" in result.out
    assert "steering soft: 3 nodes: the scheduler scores every one" in result.out
    (row,) = [line.split() for line in result.out.splitlines() if line.startswith("s001")]
    assert row[:9] == ["s001", "anna", "4", "big", "100%", "big", "100%", "big", "soft"]
    assert "▒" in next(line for line in result.out.splitlines() if line.startswith("big"))
    (bar,) = [line for line in result.out.splitlines() if line.startswith("big ")]
    assert "planned 1 pod, 1 ran; " in bar
    for night in (str(batch), "run-1"):
        assert show(world, night).out == result.out


def test_programs_get_everything(world: World) -> None:
    batch = run_night(world)
    document = json.loads(show(world, "--json").out)
    assert document["batch"] == batch
    assert document["outcome"]["actual_rate"] == 1.0
    assert document["placement"]["steering"]["level"] == "soft"
    shard = document["shards"][0]
    assert shard["plan"]["predicted"] == 1.0
    assert shard["plan"]["outcome"]["steering"] == "soft"
    assert shard["node"] == shard["planned_node"] == "big"


def test_the_plan_of_a_night_can_be_drawn(world: World, tmp_path: Path) -> None:
    batch = run_night(world)
    path = tmp_path / "night.svg"
    result = show(world, "--plot", str(path))
    assert result.err == f"{path}: written\n"
    assert f"Batch {batch}: 2 pods planned on 3 nodes" in path.read_text()
    assert "2 of 2 pods met their planned node" in path.read_text()


def test_the_report_shows_the_nodes_and_how_to_see_them_as_a_picture(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batch = run_night(world)
    with caplog.at_level("INFO", "nightshift"):
        report_night(world.settings, batch, utc_now)
    lines = [record.getMessage() for record in caplog.records]
    (big,) = [line for line in lines if line.startswith("  big ")]
    assert "▒" in big
    assert "░" in big
    assert "planned 1 pod, 1 ran; " in big
    told = next(line for line in lines if line.startswith("as a picture: nightshift placement "))
    words = told.partition("nightshift placement ")[2].split()
    words[-1] = str(tmp_path / words[-1])
    assert show(world, *words).code == 0
    assert "planned 1 pod, 1 ran" in Path(words[-1]).read_text()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "no batch has been planned yet"),
        (["7"], "there is no batch 7"),
        (["run-7"], "no batch was opened by a run 'run-7'"),
        (["9" * 30], "no batch was opened by a run"),
    ],
)
def test_what_is_not_there_is_told(world: World, options: list[str], why: str) -> None:
    result = show(world, *options)
    assert (result.code, result.out) == (1, "")
    assert why in result.err
