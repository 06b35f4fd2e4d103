"""Nights that do not fit at once: who starts when, to the second, and the tables."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.placement import waves
from bench.placement.wavenights import run_night
from bench.placement.waves import Way, run_work
from bench.placement.workloads import Mix, Workload
from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.waves import WaveOrder
from nightshift.domain.resources import Resources
from nightshift.domain.steering.brake import PendingBrake

GIB = 1 << 30
NODE = Node(name=NodeName("n"), allocatable=Resources(4000, 16 * GIB), pod_slots=110)
BRAKE = PendingBrake()


def pods(*asked: tuple[int, float]) -> list[ShardDemand]:
    """Give pods of so many cores and seconds."""
    return [
        ShardDemand(ShardName(f"s{i}"), Resources(cores * 1000, GIB), expected_seconds=seconds)
        for i, (cores, seconds) in enumerate(asked)
    ]


@pytest.mark.parametrize("brake", [None, BRAKE])
def test_pods_start_in_order_as_soon_as_there_is_room(brake: PendingBrake | None) -> None:
    batch = pods((2, 10), (2, 10), (2, 40), (2, 10))
    assert run_night([NODE], batch, [0, 1, 2, 3], brake) == [0, 0, 10, 10]
    assert run_night([NODE], batch, [2, 0, 1, 3], brake) == [0, 10, 0, 20]


def test_a_large_pod_is_passed_by_small_ones_until_the_brake_holds_them() -> None:
    batch = pods(*[(1, 100)] * 4, (4, 50), *[(1, 100)] * 40)
    order = range(len(batch))
    at_once = run_night([NODE], batch, order, None)
    assert at_once[4] == 1100  # eleven times four small ones went before
    braked = run_night([NODE], batch, order, PendingBrake(most=3, longest_seconds=150))
    assert braked[4] == 300  # two waves passed, then it had waited for more than 150 s


def test_a_pod_that_fits_no_node_ends_the_night_with_an_error() -> None:
    with pytest.raises(ValueError, match="fits no node"):
        run_night([NODE], pods((1, 10), (5, 10)), [0, 1], BRAKE)


def test_longest_first_ends_sooner_and_shortest_first_waits_less() -> None:
    work = Workload(Mix.COMMON, 20, 2, fill=8.0)
    found = {way.order: way for way in waves.WAYS if way.known and way.braked}
    fifo, shortest, longest = run_work(work, [found[order] for order in WaveOrder])
    assert longest.makespan < 1.1 < fifo.makespan
    assert shortest.mean_wait < fifo.mean_wait < longest.mean_wait
    assert fifo.pods > 500
    assert all(one.makespan >= 1 for one in (fifo, shortest, longest))


def test_a_small_account_ends_sooner_in_turns() -> None:
    work = Workload(Mix.COMMON, 20, 2, fill=8.0)
    alone = Way(WaveOrder.FIFO, known=False)
    last, turns = run_work(work, [alone, replace(alone, accounts=2)])
    assert turns.small_end < last.small_end


def test_the_benchmark_writes_figures_and_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waves, "FILLS", (2.0,))
    assert waves.main(["--nodes", "6", "--seeds", "1", "--out", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "waves.json").read_text())
    assert len(figures) == 4 * len(waves.WAYS)
    text = (tmp_path / "waves.md").read_text()
    assert "| longest, predicted, accounts in turns |" in text
    assert text in capsys.readouterr().out
