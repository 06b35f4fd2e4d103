"""Jobs: counts, ends, retries, and that no result is lost."""

from typing import Any

import pytest

from nightshift.embedded.kube.controllers import jobs
from nightshift.embedded.kube.controllers.jobindexes import INDEX, format_indexes, parse_indexes
from nightshift.embedded.kube.interfaces import Object
from tests.embedded.controllers_support import World, conditions, job

JOBS = "jobs.batch"


@pytest.fixture
def world() -> World:
    return World((jobs.CONTROLLER,))


def start(world: World, **spec: Any) -> None:
    world.create(JOBS, job(**spec))
    world.settle()
    world.run_pods()
    world.settle()


def status(world: World) -> Object:
    found: Object = world.get(JOBS, "scan")["status"]
    return found


def counts(world: World) -> tuple[int, int, int]:
    found = status(world)
    return found["active"], found["succeeded"], found["failed"]


def finish_all(world: World, phase: str) -> None:
    for one in world.pods():
        if one["status"]["phase"] == "Running":
            world.finish(one["metadata"]["name"], phase)
    world.settle()


def test_a_job_runs_one_pod_to_its_end(world: World) -> None:
    start(world)
    assert counts(world) == (1, 0, 0)
    assert status(world)["ready"] == 1
    finish_all(world, "Succeeded")
    assert counts(world) == (0, 1, 0)
    assert conditions(world.get(JOBS, "scan")) == {"SuccessCriteriaMet": "True", "Complete": "True"}
    assert status(world)["completionTime"] == "2027-03-05T20:00:00Z"
    assert {"SuccessfulCreate", "Completed"} <= set(world.reasons())


def test_parallelism_bounds_and_completions_end(world: World) -> None:
    start(world, completions=5, parallelism=2)
    assert counts(world) == (2, 0, 0)
    finish_all(world, "Succeeded")
    world.run_pods()
    world.settle()
    assert counts(world) == (2, 2, 0)
    finish_all(world, "Succeeded")
    world.run_pods()
    world.settle()
    assert counts(world) == (1, 4, 0)  # the last one only
    finish_all(world, "Succeeded")
    assert conditions(world.get(JOBS, "scan"))["Complete"] == "True"


def test_a_pod_is_counted_once_even_if_it_is_deleted(world: World) -> None:
    start(world, completions=2, parallelism=1)
    name = world.names()[0]
    world.finish(name, "Succeeded")
    world.store.delete("pods", name, "team")  # the finalizer keeps it until it is counted
    assert name in world.names()
    world.settle()
    assert name not in world.names()
    assert counts(world)[1] == 1
    world.settle()
    assert counts(world)[1] == 1


def test_a_pod_deleted_while_running_counts_as_failed_and_is_replaced(world: World) -> None:
    start(world)
    world.store.delete("pods", world.names()[0], "team")
    world.settle()
    assert counts(world) == (1, 0, 1)
    assert len(world.names()) == 1


def test_retries_wait_longer_and_longer_up_to_the_limit(world: World) -> None:
    start(world, backoffLimit=1)
    finish_all(world, "Failed")
    assert counts(world) == (0, 0, 1)
    world.advance(9)
    assert counts(world)[0] == 0
    world.advance(2)
    world.run_pods()
    assert counts(world)[0] == 1
    finish_all(world, "Failed")
    assert conditions(world.get(JOBS, "scan")) == {"FailureTarget": "True", "Failed": "True"}
    assert status(world)["failed"] == 2
    assert "BackoffLimitExceeded" in world.reasons()


def test_a_deadline_ends_the_job_and_its_pods(world: World) -> None:
    start(world, activeDeadlineSeconds=60)
    world.advance(61)
    assert conditions(world.get(JOBS, "scan")) == {"FailureTarget": "True"}
    assert "deletionTimestamp" in world.pods()[0]["metadata"]
    world.run_pods()
    world.settle()
    assert world.names() == []
    failed = status(world)["conditions"][-1]
    assert (failed["type"], failed["reason"]) == ("Failed", "DeadlineExceeded")


def test_suspending_takes_pods_away_and_counts_none_as_failed(world: World) -> None:
    start(world, completions=4, parallelism=2)
    world.edit(JOBS, "scan", lambda o: o["spec"].update(suspend=True))
    world.roll()
    assert world.names() == []
    assert counts(world) == (0, 0, 0)
    assert "startTime" not in status(world)
    world.edit(JOBS, "scan", lambda o: o["spec"].update(suspend=False))
    world.settle()
    assert counts(world)[0] == 2
    assert conditions(world.get(JOBS, "scan")) == {"Suspended": "False"}
    assert {"Suspended", "Resumed"} <= set(world.reasons())


def test_less_parallelism_gives_pods_up(world: World) -> None:
    start(world, completions=9, parallelism=3)
    world.edit(JOBS, "scan", lambda o: o["spec"].update(parallelism=1))
    world.roll()
    assert (len(world.names()), counts(world)) == (1, (1, 0, 0))


def test_a_finished_job_goes_after_its_time_to_live(world: World) -> None:
    start(world, ttlSecondsAfterFinished=30)
    finish_all(world, "Succeeded")
    world.advance(29)
    assert world.names(JOBS) == ["scan"]
    world.advance(1)
    assert world.names(JOBS) == []


def test_an_indexed_job_runs_each_index_once(world: World) -> None:
    start(world, completionMode="Indexed", completions=3, parallelism=2)
    first = {p["metadata"]["annotations"][INDEX]: p["metadata"]["name"] for p in world.pods()}
    assert sorted(first) == ["0", "1"]
    assert first["1"].startswith("scan-1-")
    variables = world.pods()[0]["spec"]["containers"][0]["env"]
    assert variables == [{"name": "JOB_COMPLETION_INDEX", "value": "0"}]
    world.finish(first["1"], "Succeeded")
    world.settle()
    assert status(world)["completedIndexes"] == "1"
    world.run_pods()
    finish_all(world, "Succeeded")
    assert status(world)["completedIndexes"] == "0-2"
    assert conditions(world.get(JOBS, "scan"))["Complete"] == "True"


def test_what_is_not_supported_fails_openly(world: World) -> None:
    spec = {"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1}
    start(world, **spec)
    failed = status(world)["conditions"][-1]
    assert (failed["type"], failed["reason"]) == ("Failed", "UnsupportedByEmbeddedCluster")
    assert failed["message"] == "backoffLimitPerIndex is not supported by this cluster"


def test_a_deleted_job_lets_its_pods_go(world: World) -> None:
    start(world)
    world.store.delete(JOBS, "scan", "team")
    world.settle()
    assert "finalizers" not in world.pods()[0]["metadata"]


def test_a_refused_pod_is_told_in_an_event(world: World) -> None:
    quota = {"metadata": {"name": "q", "namespace": "team"}, "spec": {"hard": {"pods": "0"}}}
    world.create("resourcequotas", quota)
    start(world)
    assert counts(world) == (0, 0, 0)
    events = [e for e in world.log.list("events") if e["reason"] == "FailedCreate"]
    assert "exceeded quota: q" in events[0]["message"]


@pytest.mark.parametrize(
    ("indexes", "text"),
    [(set(), ""), ({3}, "3"), ({0, 1, 2, 5}, "0-2,5"), ({1, 3, 5}, "1,3,5"), ({7, 8}, "7-8")],
    ids=["none", "one", "a run and one", "no run", "a run of two"],
)
def test_indexes_are_written_as_intervals(indexes: set[int], text: str) -> None:
    assert format_indexes(indexes) == text
    assert parse_indexes(text) == indexes
