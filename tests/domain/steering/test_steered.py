"""What a level adds to a plan, and what is predicted of it."""

import json

import pytest

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.affinity import HOSTNAME_LABEL, PoolValue, check_affinity
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.steering import Rights, SteeringChoice, SteeringLevel
from nightshift.domain.resources import Resources
from nightshift.domain.steering.choosing import Granted
from nightshift.domain.steering.steered import SteeredPlan, make_plan, plan_rest
from nightshift.domain.steering.stored import demand_to_json, parse_demand, parse_placement

ALL = Granted(Rights((1, 36), patch_pod_status=True, patch_nodes=True))
ROOM, POD = Resources(4000, 8 * 2**30), Resources(1000, 2**30)
NODES = [Node(NodeName(f"n{number}"), ROOM) for number in range(6)]
DEMANDS = [ShardDemand(ShardName(f"s{number:03d}"), POD, account="anna") for number in range(3)]


def plan(choice: SteeringChoice, strategy: str = "spread") -> SteeredPlan:
    return make_plan(strategy, choice, ALL, NODES, DEMANDS)


@pytest.mark.parametrize("strategy", ["spread", "ratio-walk", "pack"])
@pytest.mark.parametrize("wanted", list(SteeringLevel))
def test_each_level_adds_what_it_needs_and_no_more(wanted: SteeringLevel, strategy: str) -> None:
    steered = plan(SteeringChoice(wanted.value), strategy)
    level = SteeringLevel.SOFT if wanted.confines and strategy != "pack" else wanted
    assert steered.steering.level is level
    assert bool(steered.pool_labels) == level.pools
    for shard in steered.plan.shards:
        check_affinity(shard.affinity())
        assert shard.primary is not None
        assert shard.nominated == (shard.primary if level.nominates else None)
        assert bool(shard.pool) == level.pools
        if level.pools:
            assert steered.pool_labels[shard.primary] is PoolValue.OPEN


def test_names_is_for_plans_of_every_pod_and_read_back_as_it_was_stored() -> None:
    names = [NodeName(f"n{number:03d}") for number in range(120)]
    many = [Node(name, ROOM, labels={HOSTNAME_LABEL: name}) for name in names]
    nothing = Granted(Rights((1, 31)))
    packed = make_plan("pack", SteeringChoice.AUTO, nothing, many, DEMANDS)
    assert packed.steering.level is SteeringLevel.NAMES
    assert packed.predicted == dict.fromkeys((one.shard for one in DEMANDS), 1.0)
    for shard in packed.plan.shards:
        assert shard.spare
        assert parse_placement(json.loads(json.dumps(shard.to_json()))) == shard
    ranked = make_plan("spread", SteeringChoice.AUTO, nothing, many, DEMANDS)
    assert ranked.steering.level is SteeringLevel.SOFT
    assert all(not shard.spare for shard in ranked.plan.shards)
    again = plan_rest("pack", SteeringLevel.NAMES, {}, many, DEMANDS, frozenset())
    assert all(shard.spare for shard in again.plan.shards)


def test_a_pod_without_a_list_is_promised_no_more_than_its_preference_is_worth() -> None:
    """Of 200 nodes the scheduler scores 100; the first three have no hostname label."""
    names = [NodeName(f"n{number:03d}") for number in range(200)]
    labels = [{HOSTNAME_LABEL: name} if i > 2 else {} for i, name in enumerate(names)]
    many = [Node(name, ROOM, labels=own) for name, own in zip(names, labels, strict=True)]
    pods = [ShardDemand(ShardName(f"s{number:03d}"), ROOM) for number in range(4)]
    steered = make_plan("pack", SteeringChoice.AUTO, Granted(Rights()), many, pods)
    certain = {one.shard: 1.0 if one.spare else 0.5 for one in steered.plan.shards}
    assert sorted(certain.values()) == [0.5, 0.5, 0.5, 1.0]
    assert steered.predicted == certain
    assert steered.steering.hit_rate == pytest.approx(0.625)


def test_some_of_the_next_best_nodes_are_kept_in_reserve() -> None:
    labels = plan(SteeringChoice.POOL).pool_labels
    assert sorted(labels.values()) == ["open", "open", "open", "reserve"]


def test_a_strategy_without_preferences_is_not_steered() -> None:
    steered = plan(SteeringChoice.POOL_NOMINATE, "none")
    assert not steered.pool_labels
    assert all(not one.pool and one.nominated is None for one in steered.plan.shards)
    assert not steered.predicted


def test_a_shard_that_waits_is_not_kept_in_the_pool() -> None:
    full = [Node(NodeName("n0"), ROOM, requested=Resources(3500, 0))]
    steered = make_plan("spread", SteeringChoice.POOL_NOMINATE, ALL, full, DEMANDS)
    assert all(not one.pool and one.nominated is None for one in steered.plan.shards)


def test_nothing_is_predicted_of_pods_whose_node_is_full_of_those_before() -> None:
    many = [ShardDemand(ShardName(f"s{number:03d}"), POD) for number in range(10)]
    steered = make_plan("ratio", SteeringChoice.NOMINATE, ALL, NODES, many)
    assert {one.primary for one in steered.plan.shards} == {"n0"}, "ratio fills one node"
    assert list(steered.predicted) == [f"s{number:03d}" for number in range(4)]
    assert set(steered.predicted.values()) == {1.0}


@pytest.mark.parametrize("strategy", ["spread", "pack"])
def test_the_rest_is_planned_around_what_is_lost(strategy: str) -> None:
    before = plan(SteeringChoice.NOMINATE, strategy)
    placements = {one.shard: one for one in before.plan.shards}
    lost = before.plan.shards[0].primary
    left = [node for node in NODES if node.name != lost]
    rest = plan_rest(
        strategy, SteeringLevel.NOMINATE, placements, left, DEMANDS, frozenset({NodeName("n5")})
    )
    assert rest.steering.level is SteeringLevel.NOMINATE
    assert all(one.primary not in {lost, None} for one in rest.plan.shards)


@pytest.mark.parametrize("strategy", ["spread", "pack", "none"])
@pytest.mark.parametrize("level", list(SteeringLevel))
def test_a_stored_placement_reads_back_equal(level: SteeringLevel, strategy: str) -> None:
    for shard in plan(SteeringChoice(level.value), strategy).plan.shards:
        assert parse_placement(shard.to_json()) == shard


def test_a_stored_demand_reads_back_equal() -> None:
    demand = ShardDemand(
        ShardName("s001"),
        Resources(5, 7, {"nvidia.com/gpu": 1}),
        account="a",
        expected_seconds=3.5,
        waited_seconds=90.5,
    )
    assert parse_demand(demand.shard, demand_to_json(demand)) == demand


@pytest.mark.parametrize(
    "raw",
    [
        {"terms": [{"node": "n1", "weight": "100"}]},
        {"terms": "n1"},
        {"pool": ["closed"]},
        {"tiers": [{"hosts": "h", "weight": 1}]},
    ],
)
def test_a_stored_placement_that_makes_no_sense_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_placement(raw)
