"""The steps of a night, one after the other, as Airflow's tasks call them."""

import datetime as dt
import json
from collections.abc import Callable

import pytest

from nightshift.clock import utc_now
from nightshift.domain.placement.affinity import check_affinity
from nightshift.errors import CapacityImpossible, ClusterUnavailable, ConfigError
from nightshift.orchestration.steps.connections import connected
from nightshift.orchestration.steps.leftovers import apply_cleaning, plan_cleaning
from nightshift.orchestration.steps.opening import open_night
from nightshift.orchestration.steps.ranking import PlacementWish, plan_scans
from nightshift.orchestration.steps.reporting import report_night
from nightshift.orchestration.steps.selection import Selection
from nightshift.orchestration.steps.workspaces import clean, prepare
from nightshift.store.faults import OpenScans
from tests.orchestration.conftest import World

MakeWorld = Callable[..., World]
SCANNERS = 4
RATIO, NONE = PlacementWish("ratio"), PlacementWish("none")
GI = 2**30


def start(world: World, run: str = "run-1", selection: Selection | None = None) -> int:
    return int(open_night(world.settings, selection or Selection(), run, utc_now).batch)


def test_a_night_from_registry_to_pods(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one", "two"], "ben": ["one"]})
    batch = start(world)
    clones = prepare(world.settings, batch, utc_now)
    assert [item["labels"]["nightshift/account"] for item in clones] == ["anna", "ben"]
    assert sorted(world.names("persistentvolumeclaims")) == ["ws--anna--1", "ws--ben--1"]

    scans = plan_scans(world.settings, batch, RATIO, utc_now)
    assert {item["labels"]["nightshift/claim"] for item in scans} == {"ws--anna--1", "ws--ben--1"}
    for item in scans:
        check_affinity(item["affinity"])
        assert item["active_deadline_seconds"] > 0
        assert item["labels"]["nightshift/work"] in world.names("configmaps")
    shards = [shard for shard in world.summary(batch).shards if shard.kind == "scan"]
    assert sum(shard.scans for shard in shards) == 3 * SCANNERS
    assert {shard.planned_node for shard in shards} <= {"big", "small"}, "tiny has no room"


def test_every_step_may_be_repeated(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"]})
    assert start(world) == start(world) == 1
    assert prepare(world.settings, 1, utc_now) == prepare(world.settings, 1, utc_now)
    first = plan_scans(world.settings, 1, RATIO, utc_now)
    assert plan_scans(world.settings, 1, RATIO, utc_now) == first
    assert world.summary(1).totals.scans == SCANNERS


def test_what_has_no_commit_ends_at_once_with_its_reason(make_world: MakeWorld) -> None:
    world = make_world()
    gone = {"name": "gone", "remote": (world.folder / "nowhere.git").as_uri()}
    world.write_registry({"anna": ["one"]}, anna=[gone])
    summary = world.summary(start(world))
    assert summary.totals.outcomes == {"not_run": {"remote_gone": SCANNERS}}
    assert summary.totals.open_scans == SCANNERS


def test_pods_that_left_no_word_get_an_outcome_and_the_volume_goes(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"]})
    batch = start(world)
    prepare(world.settings, batch, utc_now)
    plan_scans(world.settings, batch, NONE, utc_now)
    assert clean(world.settings, batch, utc_now) == 0, "scans are open: the volume stays"
    totals = report_night(world.settings, batch, utc_now)
    assert totals["outcomes"] == {"not_run": {"night_over": SCANNERS}}
    assert clean(world.settings, batch, utc_now) == 1
    assert clean(world.settings, batch, utc_now) == 0
    assert world.names("configmaps") == ["kube-root-ca.crt"] or not world.names("configmaps")


def test_scans_without_a_plan_keep_the_run_red(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"]})
    batch = start(world)
    with pytest.raises(OpenScans, match=r"no pod was planned for 4 scans: read the log of rank_n"):
        report_night(world.settings, batch, utc_now)
    assert world.summary(batch).state != "sealed"


def test_the_next_run_gives_up_what_an_earlier_one_left_open(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"]})
    left = start(world, "run-1")
    batch = start(world, "run-2")
    assert world.summary(left).state == "aborted"
    assert world.summary(left).totals.outcomes == {"not_run": {"cancelled": SCANNERS}}
    assert world.summary(batch).totals.open_scans == SCANNERS


def test_a_run_may_be_about_less(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one", "two"], "ben": ["one"]})
    chosen = Selection(repositories=frozenset({"anna/two"}), scanners=frozenset({"ruff"}))
    summary = world.summary(start(world, selection=chosen))
    assert [(r.account, r.repository, r.scans) for r in summary.repositories] == [
        ("anna", "two", 1)
    ]


def test_another_ref_is_a_repository_of_its_own(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"]})
    summary = world.summary(start(world, selection=Selection(ref="main")))
    assert [r.repository for r in summary.repositories] == ["one--main"]


def test_a_ref_that_git_could_misread_is_refused(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"]})
    with pytest.raises(ConfigError, match=r"params\.ref: "):
        start(world, selection=Selection(ref="--upload-pack=x"))


@pytest.mark.parametrize(
    "selection",
    [
        pytest.param(Selection(accounts=frozenset({"carl"})), id="account"),
        pytest.param(Selection(repositories=frozenset({"anna/three"})), id="repository"),
    ],
)
def test_a_misspelt_name_is_refused_with_what_there_is(
    make_world: MakeWorld, selection: Selection
) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"]})
    with pytest.raises(ConfigError, match=r"there is no (carl|anna/three); there are: anna"):
        start(world, selection=selection)


def test_a_missing_registry_says_what_to_do(make_world: MakeWorld) -> None:
    with pytest.raises(ConfigError, match=r"repositories\.yaml: is not there: list your repos"):
        start(make_world())


def test_a_batch_file_takes_the_place_of_the_registry(make_world: MakeWorld) -> None:
    world = make_world()
    remote = world.make("x", "app")
    folder = world.settings.config_dir / "batches"
    folder.mkdir()
    job = {"name": "app", "repository": remote, "scanners": ["ruff"], "cpu": "1", "memory": "1Gi"}
    (folder / "tonight.json").write_text(json.dumps({"jobs": [job]}))
    summary = world.summary(start(world, selection=Selection(batch_file="tonight.json")))
    assert [(r.account, r.repository) for r in summary.repositories] == [("default", "app")]


def test_a_batch_file_decides_what_its_pods_ask_for(make_world: MakeWorld) -> None:
    world = make_world()
    folder = world.settings.config_dir / "batches"
    folder.mkdir()
    common = {"scanners": ["ruff"], "cpu": "1"}
    jobs = [
        {"name": "a", "repository": world.make("x", "a"), "memory": "1Gi", **common},
        {"name": "b", "repository": world.make("x", "b"), "memory": "6Gi", "priority": 9, **common},
        {"name": "c", "repository": world.make("x", "c"), "memory": "1Gi", **common}
        | {"time_limit": 60},
    ]
    (folder / "tonight.json").write_text(json.dumps({"jobs": jobs}))
    batch = start(world, selection=Selection(batch_file="tonight.json"))
    prepare(world.settings, batch, utc_now)
    urgent, others = plan_scans(world.settings, batch, RATIO, utc_now)
    assert urgent["container_resources"]["requests"] == {"cpu": "1000m", "memory": str(6 * GI)}
    assert others["container_resources"]["limits"] == {"memory": str(1 * GI)}
    items = {item["repository"]: item for item in world.work_items(others)}
    assert sorted(items) == ["a", "c"]
    assert items["c"]["deadline_seconds"] == 60 < items["a"]["deadline_seconds"]
    (heavy,) = world.work_items(urgent)
    assert 5 * GI < heavy["memory_bytes"] < 6 * GI, "the runner keeps its share"


def test_no_node_that_could_ever_fit_starts_nothing(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"]})
    batch = start(world)
    world.kube.call(
        lambda cluster: [cluster.store.delete("nodes", name) for name in ("big", "small")]
    )
    with pytest.raises(CapacityImpossible, match="s001"):
        plan_scans(world.settings, batch, RATIO, utc_now)
    assert not [name for name in world.names("configmaps") if name.startswith("work")]


def test_an_unreachable_cluster_is_one_clear_message(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"]})
    batch = start(world)
    server = world.kube.url
    world.kube.stop()
    with pytest.raises(ClusterUnavailable, match=server.removeprefix("https://")):
        prepare(world.settings, batch, utc_now)


def test_the_janitor_removes_what_no_open_batch_needs(make_world: MakeWorld) -> None:
    world = make_world()
    world.write_registry({"anna": ["one"], "ben": ["one"]})
    left = start(world, "run-1")
    prepare(world.settings, left, utc_now)
    current = start(world, "run-2")
    prepare(world.settings, current, utc_now)
    later = utc_now() + dt.timedelta(hours=2)
    with connected(world.settings) as night:
        plan = plan_cleaning(night, later)
        kinds = sorted((removal.kind, removal.name) for removal in plan)
        assert kinds == [
            ("work-list", "work--1--c001"),
            ("work-list", "work--1--c002"),
            ("workspace", "ws--anna--1"),
            ("workspace", "ws--ben--1"),
        ]
        assert plan_cleaning(night, later) == plan, "planning changes nothing"
        assert apply_cleaning(night, plan, later) == 4
        assert plan_cleaning(night, later) == []
    assert sorted(world.names("persistentvolumeclaims")) == ["ws--anna--2", "ws--ben--2"]
