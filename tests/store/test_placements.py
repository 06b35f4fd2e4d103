"""Stored plans: changed by drift, added to by pods, and read back."""

import pytest
from sqlalchemy import Engine, text

from nightshift import store
from nightshift.domain.ids import ShardName
from nightshift.errors import NotFound
from nightshift.store.placements import (
    add_outcome,
    add_replan,
    change_placement,
    find_last_placed,
    read_placement,
    read_shard_plans,
    save_placement,
)
from tests.store.nights import ACCOUNT, Nights

S1, S2 = ShardName("s001"), ShardName("s002")


@pytest.fixture
def nights(engine: Engine) -> Nights:
    return Nights(engine, names=("api", "web"))


@pytest.fixture
def batch(nights: Nights) -> store.BatchId:
    batch, scans = nights.open()
    records = [
        store.ShardRecord(
            name, ACCOUNT, (scan.repository,), (scan.scan,), planned_node="n1", plan={"why": "so"}
        )
        for name, scan in zip((S1, S2), scans, strict=False)
    ]
    with store.transaction(nights.engine) as connection:
        store.save_shards(connection, batch, records)
    return batch


def test_a_changed_placement_keeps_the_rest_of_the_plan_and_is_counted(
    nights: Nights, batch: store.BatchId
) -> None:
    with store.transaction(nights.engine) as connection:
        for node in ("n2", "n3"):
            change_placement(connection, batch, S1, {"primary": node}, 0.5)
        change_placement(connection, batch, S2, {"primary": None}, None)
        plans = {plan.name: plan.plan for plan in read_shard_plans(connection, batch)}
        summary = store.read_batch_summary(connection, batch)
    assert plans[S1]["placement"] == {"primary": "n3"}
    assert (plans[S1]["why"], plans[S1]["replanned"], plans[S1]["predicted"]) == ("so", 2, 0.5)
    assert plans[S2]["predicted"] is None
    shown = {shard.shard: shard for shard in summary.shards}
    assert (shown[S1].planned_node, shown[S1].predicted, shown[S1].replanned) == ("n3", 0.5, 2)
    assert (shown[S2].planned_node, shown[S2].predicted) == ("", None)


def test_the_first_prediction_outlives_every_other(nights: Nights, batch: store.BatchId) -> None:
    with store.transaction(nights.engine) as connection:
        before = store.read_batch_summary(connection, batch).shards
        connection.execute(text("UPDATE shards SET plan = plan || '{\"predicted\": 0.25}'"))
        for node in ("n2", "n3"):
            change_placement(connection, batch, S1, {"primary": node}, 1.0)
        add_replan(connection, batch, {"replanned": 1})
        store.record_pod(connection, batch, S1, store.PodRecord("p", "n3"))
        summary = store.read_batch_summary(connection, batch)
    assert {(one.first_node, one.first_predicted) for one in before} == {("n1", None)}
    s1, s2 = summary.shards
    assert (s1.first_node, s1.first_predicted, s1.planned_node) == ("n1", 0.25, "n3")
    assert (s2.first_node, s2.first_predicted, s2.planned_node) == ("n1", 0.25, "n1")
    outcome = summary.placement
    assert (outcome.measured, outcome.hits, outcome.predicted_rate) == (1, 1, 1.0)
    assert (outcome.first_measured, outcome.first_hits) == (1, 0)
    assert outcome.first_predicted_rate == 0.25


def test_what_pods_tell_adds_up(nights: Nights, batch: store.BatchId) -> None:
    with store.transaction(nights.engine) as connection:
        add_outcome(connection, batch, S1, {"late_seconds": 40.0})
        pod = store.PodRecord("p", outcome={"steering": "soft", "start_seconds": 2.0})
        store.record_pod(connection, batch, S1, pod)
        store.record_pod(connection, batch, S1, store.PodRecord("p", "n2"))
        (plan,) = read_shard_plans(connection, batch, shard=S1)
        shown = store.read_batch_summary(connection, batch).shards[0]
    told = {"late_seconds": 40.0, "steering": "soft", "start_seconds": 2.0}
    assert plan.plan["outcome"] == told
    assert (plan.pod, plan.ended, plan.account) == ("p", False, ACCOUNT)
    assert (shown.steering, shown.start_seconds, shown.wait_seconds) == ("soft", 2.0, None)


def test_only_the_last_hundred_replans_are_kept(nights: Nights, batch: store.BatchId) -> None:
    with store.transaction(nights.engine) as connection:
        save_placement(connection, batch, {"strategy": "pack", "nodes": []})
        for number in range(103):
            add_replan(connection, batch, {"moved": number})
        placement = read_placement(connection, batch)
    assert placement["strategy"] == "pack"
    assert [one["moved"] for one in placement["replans"]] == list(range(3, 103))


def test_the_last_planned_batch_is_found(nights: Nights, batch: store.BatchId) -> None:
    with store.transaction(nights.engine) as connection:
        with pytest.raises(NotFound, match="no batch has been planned yet"):
            find_last_placed(connection)
        assert read_placement(connection, batch) == {}
        save_placement(connection, batch, {"strategy": "pack"})
        assert find_last_placed(connection) == batch
