"""The weekend's tables: intent first, leases that only go forward, a log that tells of forgery."""

import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, text

from nightshift.domain.capacity.targets import FieldName, ObjectKind, TargetId
from nightshift.domain.leases.records import Lease, LeaseState, ReturnRules, StepState, lease_id
from nightshift.errors import Conflict, NotFound, PermanentError
from nightshift.store import transaction
from nightshift.store.capacity_events import append_event, find_broken_event, list_events
from nightshift.store.capacity_leases import (
    adopt_lease,
    list_ended_ids,
    list_open_leases,
    move_lease,
    write_intent,
)
from nightshift.store.capacity_records import (
    EventRecord,
    NodeSeen,
    RunKind,
    RunRecord,
    RunState,
    StepRecord,
)
from nightshift.store.capacity_runs import (
    begin_run,
    end_run,
    find_step,
    last_applied_digest,
    list_reports,
    list_runs,
    list_steps,
    save_plan,
    save_report,
    save_step,
)
from nightshift.store.node_intervals import list_node_spans, observe_nodes

NOW = dt.datetime(2027, 5, 14, 18, 5, tzinfo=dt.UTC)
WINDOW = "weekend/20270514T180000Z"
TARGET = TargetId(ObjectKind.DEPLOYMENT, "app", "web", "uid-1")
LEASE = Lease(
    id=lease_id(WINDOW, 1, TARGET),
    target=TARGET,
    before={FieldName.REPLICAS: 3},
    applied={FieldName.REPLICAS: 1},
    due=NOW + dt.timedelta(days=2),
    order=1,
    window=WINDOW,
    tier="workers",
    rules=ReturnRules(skip_missed=False, stagger=dt.timedelta(seconds=7)),
    resource_version="12",
    policy_digest="p",
    plan_hash="h",
    by="alice",
    at=NOW,
)
RUN = RunRecord("manual__1", RunKind.DOWN, "weekend", "digest-1", WINDOW, "alice")


def test_a_lease_is_read_back_as_it_was_written(connection: Connection) -> None:
    write_intent(connection, LEASE, NOW)
    write_intent(connection, LEASE, NOW)
    assert list_open_leases(connection, "weekend") == [LEASE]
    assert list_open_leases(connection, "other") == []


def test_a_lease_only_goes_forward_and_says_whether_it_moved(connection: Connection) -> None:
    write_intent(connection, LEASE, NOW)
    assert move_lease(connection, LEASE.id, LeaseState.APPLIED, "", NOW)
    assert not move_lease(connection, LEASE.id, LeaseState.APPLIED, "", NOW)
    with pytest.raises(Conflict, match="is applied already"):
        write_intent(connection, LEASE, NOW)
    move_lease(connection, LEASE.id, LeaseState.CLOSED, "back to replicas 3", NOW)
    with pytest.raises(Conflict, match="cannot become applied"):
        move_lease(connection, LEASE.id, LeaseState.APPLIED, "", NOW)
    assert list_open_leases(connection) == []
    assert list_ended_ids(connection, LeaseState.CLOSED, NOW) == {LEASE.id}
    assert list_ended_ids(connection, LeaseState.DROPPED, NOW) == frozenset()


def test_a_target_has_one_open_lease(engine: Engine) -> None:
    other = replace(LEASE, id=lease_id("other/20270514T180000Z", 1, TARGET))
    with transaction(engine) as connection:
        write_intent(connection, LEASE, NOW)
    with pytest.raises(Conflict), transaction(engine) as connection:
        write_intent(connection, other, NOW)


def test_what_was_before_never_changes_while_a_lease_is_open(connection: Connection) -> None:
    write_intent(connection, LEASE, NOW)
    with pytest.raises(Conflict, match="other values"):
        write_intent(connection, replace(LEASE, before={FieldName.REPLICAS: 1}), NOW)
    assert list_open_leases(connection) == [LEASE]


def test_a_dropped_lease_is_taken_up_with_what_the_target_is_now(connection: Connection) -> None:
    write_intent(connection, LEASE, NOW)
    move_lease(connection, LEASE.id, LeaseState.DROPPED, "never lowered", NOW)
    again = replace(LEASE, before={FieldName.REPLICAS: 5})
    write_intent(connection, again, NOW)
    assert list_open_leases(connection) == [again]


def test_a_lease_that_was_found_on_its_object_is_adopted_once(connection: Connection) -> None:
    found = replace(LEASE, state=LeaseState.APPLIED, at=None, tier="")
    assert adopt_lease(connection, found, NOW)
    assert not adopt_lease(connection, found, NOW)
    assert list_open_leases(connection) == [found]
    with pytest.raises(NotFound):
        move_lease(connection, lease_id(WINDOW, 2, TARGET), LeaseState.CLOSED, "", NOW)


def test_a_run_is_taken_up_by_its_name_and_keeps_its_plan(connection: Connection) -> None:
    run = begin_run(connection, RUN, NOW)
    assert begin_run(connection, RUN, NOW) == run
    save_plan(connection, run, "hash-1", {"actions": 3})
    save_plan(connection, run, "hash-1", {"actions": 3})
    with pytest.raises(Conflict, match="has the plan hash-1"):
        save_plan(connection, run, "hash-2", {})
    with pytest.raises(Conflict, match="another purpose"):
        begin_run(connection, replace(RUN, kind=RunKind.UP), NOW)
    end_run(connection, run, RunState.DONE, "", NOW)
    (row,) = list_runs(connection, "weekend")
    assert (row.state, row.plan, row.record) == (RunState.DONE, {"actions": 3}, RUN)


def test_steps_tell_what_became_of_actions_and_whether_the_policy_was_ever_applied(
    connection: Connection,
) -> None:
    run = begin_run(connection, RUN, NOW)
    step = StepRecord(1, "lower", TARGET.ref, StepState.INTENT, "workers", LEASE.id)
    save_step(connection, run, step, NOW)
    assert last_applied_digest(connection, "weekend") is None
    done = replace(step, state=StepState.VERIFIED, reason="replicas 3 to 1")
    save_step(connection, run, done, NOW)
    assert list_steps(connection, run) == [done]
    assert last_applied_digest(connection, "weekend") == "digest-1"
    found = find_step(connection, LEASE.id)
    assert found is not None
    assert found[1] == done


def test_a_changed_or_missing_event_breaks_the_chain(engine: Engine) -> None:
    with transaction(engine) as connection:
        for number in range(4):
            event = EventRecord("lowered", "alice", TARGET.ref, detail={"n": number, "r": 0.5})
            append_event(connection, event, NOW)
        assert find_broken_event(connection) is None
        assert [one["detail"]["n"] for one in list_events(connection, ref=TARGET.ref)] == [
            3, 2, 1, 0
        ]  # fmt: skip
    with pytest.raises(PermanentError, match="append only"), transaction(engine) as connection:
        connection.execute(text("DELETE FROM capacity_event WHERE id = 2"))
    with transaction(engine) as connection:
        connection.execute(text("ALTER TABLE capacity_event DISABLE TRIGGER append_only"))
        connection.execute(text("UPDATE capacity_event SET actor = 'bob' WHERE id = 3"))
        assert find_broken_event(connection) == 3
        connection.execute(text("DELETE FROM capacity_event WHERE id = 2"))
        assert find_broken_event(connection) == 3
        connection.execute(text("ALTER TABLE capacity_event ENABLE TRIGGER append_only"))


def test_node_hours_are_counted_from_what_was_seen(connection: Connection) -> None:
    hour = dt.timedelta(hours=1)
    one = NodeSeen("u1", "n1", "general", "m5.large", NOW - hour)
    two = NodeSeen("u2", "n2", "general", "m5.large", NOW - hour)
    observe_nodes(connection, "prod", [one, two], NOW)
    observe_nodes(connection, "prod", [one], NOW + hour)
    observe_nodes(connection, "prod", [one, two], NOW + 2 * hour)
    spans = list_node_spans(connection, "prod", NOW, NOW + 3 * hour)
    assert [(s.node, s.started_at, s.ended_at) for s in spans] == [
        ("n1", NOW - hour, None),
        ("n2", NOW - hour, None),
    ]
    observe_nodes(connection, "prod", [one], NOW + 3 * hour)
    assert list_node_spans(connection, "other", NOW, NOW + 3 * hour) == []
    ended = list_node_spans(connection, "prod", NOW, NOW + 4 * hour)[1]
    assert ended.ended_at == NOW + 3 * hour


def test_reports_are_kept_a_window(connection: Connection) -> None:
    save_report(connection, "weekend", "weekend/2", {"net": 2}, NOW)
    save_report(connection, "weekend", "weekend/1", {"net": 9}, NOW)
    save_report(connection, "weekend", "weekend/1", {"net": 1}, NOW)
    assert list_reports(connection, "weekend") == [{"net": 1}, {"net": 2}]
