"""The arithmetic of autoscalers, against figures taken from the controller's own code."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from nightshift.domain.capacity.autoscaling import (
    DEFAULT,
    GUARDED,
    GUARDED_STORAGE,
    GUARDED_WORKERS,
    SYNC_PERIOD,
    Behavior,
    Bounds,
    Memory,
    desired_for_metric,
    desired_of,
    desired_workers,
    sync,
)

START = dt.datetime(2027, 5, 17, 6, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def history(
    behavior: Behavior,
    wanted: Callable[[dt.timedelta], int],
    minutes: int,
    *,
    begin: int = 3,
    bounds: Bounds = Bounds(1, 60),  # noqa: B008 - a frozen value
) -> dict[dt.timedelta, int]:
    """Replicas after each sync, by the time since the load came; ten quiet minutes lie before."""
    replicas, memory, found = begin, Memory(), {}
    for tick in range(-40, minutes * 4 + 1):
        since = tick * SYNC_PERIOD
        desired = begin if tick < 0 else wanted(since)
        scaled = sync(replicas, desired, bounds, behavior, memory, START + since)
        replicas, memory = scaled.replicas, scaled.memory
        found[since] = replicas
    return found


def test_unlimited_demand_is_there_in_a_minute_by_default() -> None:
    found = history(DEFAULT, lambda _: 1_000, 5)
    assert found[0 * MINUTE] == 7
    assert found[MINUTE] == 60


def test_unlimited_demand_is_followed_slowly_when_guarded() -> None:
    found = history(GUARDED, lambda _: 1_000, 40)
    assert found[1 * MINUTE] == 3
    assert found[2 * MINUTE] == 5
    assert found[5 * MINUTE] == 11
    assert found[29 * MINUTE] < 60
    assert found[30 * MINUTE] == 60


@pytest.mark.parametrize(("behavior", "peak"), [(DEFAULT, 60), (GUARDED, 3)])
def test_a_spike_of_a_minute_and_a_half(behavior: Behavior, peak: int) -> None:
    found = history(behavior, lambda since: 1_000 if since < 1.5 * MINUTE else 3, 10)
    assert max(found.values()) == peak


def test_storage_grows_by_one_pod_in_three_minutes() -> None:
    found = history(GUARDED_STORAGE, lambda _: 10, 15)
    assert [found[minutes * MINUTE] for minutes in (4, 5, 8, 11)] == [3, 4, 5, 6]


def test_workers_double_each_minute_after_the_first() -> None:
    found = history(GUARDED_WORKERS, lambda _: 60, 5)
    assert [found[minutes * MINUTE] for minutes in (0, 1, 2, 3)] == [3, 7, 14, 28]


def test_scaling_down_waits_and_goes_slowly() -> None:
    found = history(GUARDED, lambda _: 2, 20, begin=20)
    assert found[9 * MINUTE] == 20
    assert found[10 * MINUTE] == 19
    assert found[14 * MINUTE] == 17


def test_a_frozen_autoscaler_goes_down_but_never_up() -> None:
    frozen = GUARDED.frozen()
    assert max(history(frozen, lambda _: 1_000, 20).values()) == 3
    assert history(frozen, lambda _: 1, 30)[30 * MINUTE] < 3


@pytest.mark.parametrize(
    ("current", "bounds", "to", "said"),
    [
        pytest.param(20, Bounds(1, 6), 6, "at once", id="above the maximum"),
        pytest.param(2, Bounds(12, 40), 12, "at once", id="below the minimum"),
        pytest.param(0, Bounds(2, 9), 0, "disabled", id="zero"),
    ],
)
def test_bounds_jump_past_every_rate(current: int, bounds: Bounds, to: int, said: str) -> None:
    scaled = sync(current, current, bounds, GUARDED, Memory(), START)
    assert scaled.replicas == to
    assert said in scaled.reason


def test_a_restarted_controller_has_forgotten_what_it_did() -> None:
    grown = sync(10, 60, Bounds(1, 60), replace(GUARDED, up=DEFAULT.up), Memory(), START)
    assert grown.replicas == 20
    again = sync(20, 60, Bounds(1, 60), replace(GUARDED, up=DEFAULT.up), grown.memory, START)
    assert again.replicas == 20
    forgotten = sync(20, 60, Bounds(1, 60), replace(GUARDED, up=DEFAULT.up), Memory(), START)
    assert forgotten.replicas == 40


@pytest.mark.parametrize(
    ("current", "value", "target", "desired"),
    [(4, 60, 60, 4), (4, 66, 60, 4), (4, 66.1, 60, 5), (4, 53.9, 60, 4), (4, 30, 60, 2)],
)
def test_a_metric_asks_for_its_share(
    current: int, value: float, target: float, desired: int
) -> None:
    assert desired_for_metric(current, value, target) == desired


def test_a_metric_of_nothing_says_nothing() -> None:
    with pytest.raises(ValueError, match="says nothing"):
        desired_for_metric(3, 1, 0)
    with pytest.raises(ValueError, match="says nothing"):
        desired_for_metric(3, float("nan"), 1)


@pytest.mark.parametrize(
    ("asked", "desired"),
    [([2, 5], 5), ([2, None], 4), ([9, None], 9), ([None], 4), ([], 4)],
    ids=["the largest", "broken: not down", "broken: up", "all broken", "none"],
)
def test_the_largest_metric_wins_and_a_broken_one_stops_going_down(
    asked: list[int | None], desired: int
) -> None:
    assert desired_of(4, asked) == desired


@pytest.mark.parametrize(("queued", "running", "workers"), [(0, 0, 0), (0, 1, 1), (9, 8, 3)])
def test_workers_follow_their_queue(queued: int, running: int, workers: int) -> None:
    assert desired_workers(queued, running, 8) == workers


def test_a_behavior_is_written_as_the_api_has_it() -> None:
    assert GUARDED.to_json()["scaleUp"] == {
        "stabilizationWindowSeconds": 120,
        "selectPolicy": "Min",
        "policies": [
            {"type": "Pods", "value": 2, "periodSeconds": 60},
            {"type": "Percent", "value": 50, "periodSeconds": 60},
        ],
    }
    assert GUARDED.frozen().to_json()["scaleUp"]["selectPolicy"] == "Disabled"
