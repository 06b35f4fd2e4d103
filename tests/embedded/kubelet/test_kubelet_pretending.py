"""Pods that run no process, and end by the clock."""

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nightshift.embedded.kube.interfaces import LogOptions, Object
from tests.embedded.kubelet.bench import NAMESPACE, Bench, container, open_bench, pod


@dataclass
class MovedClock:
    """A clock that stands still until it is moved."""

    now: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def still(tmp_path: Path, clock: MovedClock) -> Iterator[Bench]:
    """A kubelet whose clock stands still."""
    with open_bench(tmp_path, clock=clock, mounts="rewrite") as bench:
        yield bench


def _pretend(seconds: str = "30", **fields: Any) -> Object:
    notes = {
        f"nightshift/pretend-{k.replace('_', '-')}": v for k, v in fields.pop("notes", {}).items()
    }
    annotations = {"nightshift/pretend-seconds": seconds, **notes}
    return pod(container("false", image="never:1"), annotations=annotations, **fields)


@pytest.mark.parametrize(
    ("code", "phase", "reason"), [("0", "Succeeded", "Completed"), ("3", "Failed", "Error")]
)
def test_a_pod_runs_until_its_time_has_come(
    still: Bench, clock: MovedClock, code: str, phase: str, reason: str
) -> None:
    still.create(_pretend(notes={"exit_code": code, "log": "as if"}))
    status = still.until_running()
    assert status["containerStatuses"][0]["ready"] is True
    assert still.processes() == []
    clock.move(29)
    still.run_for(0.25)
    assert still.status()["phase"] == "Running"
    clock.move(1)
    still.until_phase(phase)
    ended = still.state()["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (int(code), reason)
    assert (ended["startedAt"], ended["finishedAt"]) == (
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:30Z",
    )
    assert still.log(follow=True) == "as if\n"


def test_a_followed_log_of_a_pretender_ends_with_it(still: Bench, clock: MovedClock) -> None:
    created = still.create(_pretend("30"))
    still.until_running()

    async def follow() -> list[bytes]:
        return [c async for c in still.kubelet.logs(created, LogOptions("base", follow=True))]

    following = still.runner.get_loop().create_task(follow())
    still.run_for(0.1)
    assert not following.done()
    clock.move(30)
    still.until(following.done)
    assert following.result() == []


def test_the_deadline_holds_for_pretenders_too(still: Bench, clock: MovedClock) -> None:
    still.create(_pretend("60", activeDeadlineSeconds=10))
    still.until_running()
    clock.move(10)
    assert still.until_phase("Failed")["reason"] == "DeadlineExceeded"


def test_they_go_when_deleted(still: Bench, clock: MovedClock) -> None:
    still.create(_pretend(notes={"log": "x"}))
    still.until_running()
    still.delete(grace=30)
    still.until(lambda: still.find() is None)
    clock.move(60)
    still.run_for(0.2)
    assert list((still.folder / "kubelet" / "pods").iterdir()) == []


def test_a_service_runs_for_ever(still: Bench, clock: MovedClock) -> None:
    still.create(_pretend("1", restartPolicy="Always"))
    still.until_running()
    clock.move(3600)
    still.run_for(0.2)
    assert still.status()["phase"] == "Running"


def test_on_failure_is_tried_again(still: Bench, clock: MovedClock) -> None:
    still.create(_pretend("1", restartPolicy="OnFailure", notes={"exit_code": "2"}))
    still.until_running()
    clock.move(1)
    still.until(lambda: still.status()["containerStatuses"][0]["restartCount"] == 1)
    base = still.status()["containerStatuses"][0]
    assert base["lastState"]["terminated"]["exitCode"] == 2
    assert "running" in base["state"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"seconds": "soon"}, id="no number"),
        pytest.param({"seconds": "-1"}, id="negative"),
        pytest.param({"seconds": "inf"}, id="endless"),
        pytest.param({"notes": {"exit_code": "256"}}, id="no exit code"),
    ],
)
def test_annotations_that_make_no_sense_fail_the_pod(still: Bench, fields: Any) -> None:
    still.create(_pretend(**fields))
    status = still.until_phase("Failed")
    assert status["reason"] == "InvalidPretence"
    assert "nightshift/pretend-" in status["message"]


def test_all_pods_may_pretend_by_default(tmp_path: Path) -> None:
    with open_bench(tmp_path, pretend_seconds=0.05) as bench:
        bench.create(pod(container("false", image="never:1")))
        bench.until_phase("Succeeded")


def test_two_thousand_end_within_seconds(tmp_path: Path) -> None:
    with open_bench(tmp_path, pretend_seconds=0.2) as bench:
        began = time.monotonic()
        for number in range(2000):
            bench.create(pod(container("true"), name=f"p{number}"))
        bench.until(
            lambda: all(
                p.get("status", {}).get("phase") == "Succeeded"
                for p in bench.store.list("pods", NAMESPACE)
            ),
            seconds=60,
        )
        assert time.monotonic() - began < 30
        assert bench.processes() == []
