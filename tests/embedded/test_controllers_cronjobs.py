"""CronJobs, and what happens when one is resumed."""

import datetime as dt
from typing import Any

import pytest

from nightshift.embedded.kube.controllers import cronjobs, jobs
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_schedules import latest_run, next_run
from tests.embedded.controllers_support import NS, World, job

CRON, JOBS = "cronjobs.batch", "jobs.batch"


@pytest.fixture
def world() -> World:
    return World((cronjobs.CONTROLLER, jobs.CONTROLLER))


def start(world: World, schedule: str = "0 * * * *", **spec: Any) -> None:
    template = {"jobTemplate": {"spec": job()["spec"]}}
    metadata = {"name": "sweep", "namespace": NS}
    world.create(CRON, {"metadata": metadata, "spec": {"schedule": schedule, **template, **spec}})
    world.settle()


def status(world: World) -> Object:
    found: Object = world.get(CRON, "sweep").get("status") or {}
    return found


def change(world: World, **spec: Any) -> None:
    def edit(obj: Object) -> None:
        for field, value in spec.items():
            obj["spec"].pop(field, None)
            if value is not None:
                obj["spec"][field] = value

    world.edit(CRON, "sweep", edit)
    world.settle()


def finish(world: World, phase: str = "Succeeded") -> None:
    world.run_pods()
    for one in world.pods():
        if one["status"]["phase"] == "Running":
            world.finish(one["metadata"]["name"], phase)
    world.settle()


def test_a_job_starts_at_each_due_time_and_once(world: World) -> None:
    start(world)
    assert world.names(JOBS) == []
    world.advance(3600)
    world.settle()
    assert len(world.names(JOBS)) == 1
    made = world.store.list(JOBS, NS)[0]["metadata"]
    assert made["annotations"][cronjobs.SCHEDULED] == "2027-03-05T21:00:00Z"
    assert made["name"] == f"sweep-{int(world.now.timestamp()) // 60}"
    assert status(world)["lastScheduleTime"] == "2027-03-05T21:00:00Z"
    assert status(world)["active"][0]["name"] == made["name"]
    world.advance(3600)
    assert len(world.names(JOBS)) == 2


def test_after_a_long_pause_only_the_latest_run_is_made_up_for(world: World) -> None:
    start(world)
    world.advance(5 * 3600 + 120)
    assert len(world.names(JOBS)) == 1
    assert status(world)["lastScheduleTime"] == "2027-03-06T01:00:00Z"


def test_a_resumed_cronjob_fires_its_latest_missed_run_at_once(world: World) -> None:
    start(world, suspend=True)
    world.advance(3 * 3600 + 600)
    assert world.names(JOBS) == []
    change(world, suspend=False)
    assert len(world.names(JOBS)) == 1


def test_a_starting_deadline_suppresses_the_missed_run_until_it_is_removed(world: World) -> None:
    start(world, suspend=True)
    world.advance(3 * 3600 + 600)
    change(world, suspend=False, startingDeadlineSeconds=15)
    assert world.names(JOBS) == []
    change(world, startingDeadlineSeconds=None)
    assert len(world.names(JOBS)) == 1  # it fires after all


def test_a_deadline_removed_after_the_next_run_fires_nothing_more(world: World) -> None:
    start(world, suspend=True)
    world.advance(3 * 3600 + 600)
    change(world, suspend=False, startingDeadlineSeconds=15)
    world.advance(3000)  # the regular run
    assert len(world.names(JOBS)) == 1
    change(world, startingDeadlineSeconds=None)
    assert len(world.names(JOBS)) == 1


@pytest.mark.parametrize(
    ("policy", "jobs_after", "running"),
    [("Allow", 2, 2), ("Forbid", 1, 1), ("Replace", 1, 1)],
)
def test_concurrency(world: World, policy: str, jobs_after: int, running: int) -> None:
    start(world, concurrencyPolicy=policy)
    world.advance(3600)
    world.run_pods()
    first = world.names(JOBS)[0]
    world.advance(3600)
    world.settle()
    assert len(world.names(JOBS)) == jobs_after
    assert len(status(world)["active"]) == running
    assert (first in world.names(JOBS)) == (policy != "Replace")
    assert ("JobAlreadyActive" in world.reasons()) == (policy == "Forbid")


def test_history_keeps_the_newest(world: World) -> None:
    start(world, successfulJobsHistoryLimit=2, failedJobsHistoryLimit=0)
    for _ in range(4):
        world.advance(3600)
        finish(world)
    assert len(world.names(JOBS)) == 2
    assert status(world)["lastSuccessfulTime"] == "2027-03-06T00:00:00Z"
    assert "active" not in status(world)


def test_more_than_a_hundred_missed_runs_are_told(world: World) -> None:
    start(world, "* * * * *", suspend=True)
    world.advance(3 * 3600)
    change(world, suspend=False)
    assert "TooManyMissedTimes" in world.reasons()
    assert len(world.names(JOBS)) == 1


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        ("UTC", "2027-03-05T19:00", "2027-03-05T20:00"),
        (BERLIN, "2027-03-05T18:00", "2027-03-05T19:00"),
        (BERLIN, "2027-07-02T17:00", "2027-07-02T18:00"),
    ],
    ids=["no zone", "winter", "summer"],
)
def test_friday_evening_follows_the_zone(zone: str, after: str, expected: str) -> None:
    start, due = (dt.datetime.fromisoformat(f"{t}+00:00") for t in (after, expected))
    assert next_run("0 20 * * 5", zone, start) == due
    assert latest_run("0 20 * * 5", zone, start, due) == due
    assert latest_run("0 20 * * 5", zone, due, due + dt.timedelta(hours=1)) is None
