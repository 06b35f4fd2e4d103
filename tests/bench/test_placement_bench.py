"""The benchmark itself: workloads are what they say, arms do what they say, bounds agree."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.placement.__main__ import run_case
from bench.placement.arms import Arm, arms, run_arm
from bench.placement.exact import dual_bound
from bench.placement.leftovers import fragmented_share, opened_cores
from bench.placement.openb import read_openb
from bench.placement.results import Record, quartiles, table, worst
from bench.placement.workloads import MIXES, WEIRD, Mix, Workload, drift, make_batch, make_nodes
from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.pack import PackStrategy
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.ratio import compute_ratio
from nightshift.domain.resources import Resources, sum_resources

GIB = 1 << 30
SMALL = Workload(Mix.BIMODAL, 30, 3)


def one_arm(name: str) -> Arm:
    (found,) = [arm for arm in arms([name]) if arm.name == name]
    return found


@pytest.mark.parametrize("mix", [*MIXES, *WEIRD])
def test_a_batch_has_the_ratio_of_its_mix_and_asks_for_half_of_what_is_free(mix: Mix) -> None:
    nodes = make_nodes(replace(SMALL, mix=mix, nodes=200))
    batch = make_batch(replace(SMALL, mix=mix, nodes=200), nodes)
    asked = sum_resources(pod.request for pod in batch)
    free = sum_resources(node.free for node in nodes)
    shares = asked.cpu_millis / free.cpu_millis, asked.memory_bytes / free.memory_bytes
    assert max(shares) == pytest.approx(0.5, abs=0.02)
    value = compute_ratio(asked).value
    assert value is not None
    expected = {"ratio 0.05": 0.05, "ratio 20": 20, "memory-heavy": 0.3, "cpu-heavy": 4.5}
    assert float(value) == pytest.approx(expected.get(mix, 1.0), rel=0.8)


def test_the_same_seed_makes_the_same_workload_and_another_does_not() -> None:
    nodes = make_nodes(SMALL)
    assert make_nodes(SMALL) == nodes
    assert make_batch(SMALL, nodes) == make_batch(SMALL, nodes)
    assert make_nodes(replace(SMALL, seed=4)) != nodes
    assert sum(node.busy for node in nodes) == 9


def test_drift_takes_room_from_some_nodes_and_leaves_the_others_alone() -> None:
    before = make_nodes(SMALL)
    now = drift(before, 0.2, 1)
    changed = [new for old, new in zip(before, now, strict=True) if old != new]
    assert len(changed) == 6
    assert all(node.busy and node.free.fits_in(node.allocatable) for node in changed)


def test_pack_opens_what_its_plan_opens_and_the_default_opens_all() -> None:
    nodes = make_nodes(SMALL)
    batch = make_batch(SMALL, nodes)
    packing = PackStrategy().plan(nodes, batch).packing
    assert packing is not None
    packed = run_arm(one_arm("pack soft"), nodes, nodes, batch)
    assert (packed.opened, packed.unplaced, packed.hits) == (len(packing.opened), 0, 1.0)
    assert packed.opened == packing.bound == dual_bound(nodes, batch, 20.0)
    assert run_arm(one_arm("default"), nodes, nodes, batch).opened == 21


def test_following_up_leaves_nothing_stuck_where_labels_alone_do() -> None:
    work = replace(SMALL, mix=Mix.MEMORY, nodes=120, seed=1)
    nodes = make_nodes(work)
    now, batch = drift(nodes, 0.3, 1), make_batch(work, nodes)
    alone = run_arm(one_arm("pack pool+nominate"), nodes, now, batch)
    followed = run_arm(one_arm("pack pool+nominate, followed up"), nodes, now, batch)
    assert alone.unplaced > 0
    assert followed.unplaced == 0
    assert followed.calls > 3 * len(batch)  # nominating is three calls, and labels are more


def test_a_case_runs_every_arm_and_makes_tables(capsys: pytest.CaptureFixture[str]) -> None:
    records = run_case("drift 15%", replace(SMALL, nodes=20), 0.15)
    assert "pack pool+nominate, followed up" in capsys.readouterr().out
    text = table(records, "title", lambda record: record.work.mix)
    assert text.splitlines()[2] == "| arm | bimodal |"
    assert len(text.splitlines()) == 4 + 14
    figures = worst(records)
    assert figures["pack soft, followed up"]["stuck"] == 0
    json.dumps([record.to_json() for record in records])


def test_leftovers_are_cores_opened_and_room_that_the_next_pod_cannot_use() -> None:
    def node(name: str, busy: bool) -> Node:
        return Node(name=NodeName(name), allocatable=Resources(4000, 4 * GIB), busy=busy)

    nodes = [node("a", True), node("b", False), node("c", False)]
    batch = [
        ShardDemand(ShardName("large"), Resources(3000, GIB)),
        ShardDemand(ShardName("small"), Resources(1000, GIB)),
    ]
    where = {ShardName("large"): NodeName("a"), ShardName("small"): NodeName("b")}
    assert opened_cores(nodes, set(where.values())) == 4.0
    # The large one cannot use what is left on a: 1 of 8 cores and 3 of 10 GiB, half of the time.
    assert fragmented_share(nodes, batch, where) == pytest.approx((1 / 8 + 3 / 10) / 4)
    assert fragmented_share(nodes, batch, {}) == 0.0


def test_quartiles_of_one_and_of_many() -> None:
    assert quartiles([2.0]) == (2.0, 2.0, 2.0)
    assert quartiles([1, 2, 3, 4, 5]) == (2, 3, 4)


def test_openb_is_read_and_a_fault_is_named(tmp_path: Path) -> None:
    (tmp_path / "openb_node_list_all_node.csv").write_text(
        "sn,cpu_milli,memory_mib,gpu,model\nopenb-node-0000,64000,262144,2,P100\n"
    )
    pods = tmp_path / "openb_pod_list_default.csv"
    pods.write_text("name,cpu_milli,memory_mib,num_gpu\nopenb-pod-0000,12000,16384,1\n")
    nodes, batch = read_openb(tmp_path)
    assert nodes[0].allocatable.cpu_millis == 64000
    assert batch[0].request.memory_bytes == 16 * 1024**3
    pods.write_text("name,cpu_milli,memory_mib\na,much,1\n")
    with pytest.raises(ValueError, match=r"openb_pod_list_default.csv: line 2: .*much"):
        read_openb(tmp_path)
    pods.unlink()
    with pytest.raises(ValueError, match=r"there is no openb_pod_list_\*\.csv"):
        read_openb(tmp_path)


def test_a_cell_without_a_bound_shows_nothing() -> None:
    records = run_case("x", replace(SMALL, nodes=20), 0.0)
    unbound = [Record(r.group, r.work, r.drift, r.result, None) for r in records]
    assert "| default | - |" in table(unbound, "t", lambda record: record.work.mix)
