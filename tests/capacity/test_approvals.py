"""An approval is of one plan by one person; whoever lowers reads both again."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from nightshift.cluster.locks import Lock, hold_lock
from nightshift.domain.capacity.policies_rules import Approval as Rules
from nightshift.errors import Conflict, PermanentError
from nightshift.settings import Settings
from nightshift.store.capacity_records import RunKind
from nightshift.weekend.journals import StoreJournal
from nightshift.weekend.operations import (
    Approval,
    NotApproved,
    ask_due,
    lower,
    note_approval,
    prepare,
    publish,
)
from nightshift.weekend.sessions import LOCK, Session, Tools
from tests.capacity.weekend_support import WORKER, World


def no_connection(conn_id: str) -> Any:
    raise AssertionError(f"nobody asks for {conn_id}")


@pytest.fixture
def session(world: World) -> Session:
    """A session on the world; its policy asks a person the first time."""
    tools = Tools(no_connection, world.hand.clock, world.hand.sleep, "friday", {})
    settings = Settings(namespace="nightshift")
    return Session(settings, world.cluster, world.engine, world.policy, world.drivers, None, tools)


@pytest.fixture
def journal(session: Session) -> StoreJournal:
    return session.journal(session.record("friday-1", RunKind.DOWN))


@pytest.fixture
def lock(session: Session, world: World) -> Iterator[Lock]:
    with hold_lock(world.cluster, LOCK, "friday", world.hand.clock, world.hand.sleep) as held:
        yield held


def test_a_plan_that_a_person_approved_is_carried_out(
    session: Session, journal: StoreJournal, world: World
) -> None:
    published = publish(session, journal)
    assert published.approve == ("this policy has never been applied",)
    note_approval(journal, Approval(True, published.plan.hash, "alice"))
    assert lower(session, journal).failed == ""
    assert world.live(WORKER).fields == {"replicas": 1}
    again = publish(session, session.journal(session.record("friday-2", RunKind.DOWN)))
    assert again.approve == (), "the same policy has been applied before"


@pytest.mark.parametrize(
    ("approved", "by", "digest", "message"),
    [
        (False, "alice", None, "was rejected by alice"),
        (True, "", None, "nobody answered in time"),
        (True, "alice", "0" * 64, "another plan was approved"),
    ],
    ids=["rejected", "a default after the timeout", "the hash of another plan"],
)
def test_anything_else_changes_nothing(
    session: Session,
    journal: StoreJournal,
    world: World,
    approved: bool,
    by: str,
    digest: str | None,
    message: str,
) -> None:
    published = publish(session, journal)
    note_approval(journal, Approval(approved, digest or published.plan.hash, by))
    with pytest.raises(NotApproved, match=message):
        lower(session, journal)
    assert world.live(WORKER).fields == {"replicas": 4}


def test_nobody_was_asked(session: Session, journal: StoreJournal) -> None:
    publish(session, journal)
    with pytest.raises(NotApproved, match="a person must approve this plan"):
        lower(session, journal)


def test_only_those_whom_the_policy_names_may_approve(
    session: Session, journal: StoreJournal, world: World
) -> None:
    named = replace(session, policy=replace(world.policy, approval=Rules(users=("bob",))))
    published = publish(named, journal)
    note_approval(journal, Approval(True, published.plan.hash, "alice"))
    with pytest.raises(NotApproved, match="alice may not approve; the policy names bob"):
        lower(named, journal)


def test_what_changed_since_the_approval_is_dropped_and_nothing_is_added(
    session: Session, journal: StoreJournal, world: World, lock: Lock
) -> None:
    published = publish(session, journal)
    note_approval(journal, Approval(True, published.plan.hash, "alice"))
    world.edit(WORKER, {"replicas": 9})
    world.settle()
    apply = prepare(session, journal, lock)
    assert "worker" not in {one.target.name for one in apply.actions}
    assert len(apply.actions) == len(published.plan.actions) - 1
    (step,) = [one for one in journal.steps() if one.ref == WORKER.ref]
    assert "changed since the approval" in step.reason


def test_a_policy_that_changed_since_the_approval_is_planned_again(
    session: Session, journal: StoreJournal, world: World
) -> None:
    published = publish(session, journal)
    note_approval(journal, Approval(True, published.plan.hash, "alice"))
    edited = replace(session, policy=replace(world.policy, digest="digest-2"))
    with pytest.raises(PermanentError, match="the policy has changed since"):
        lower(edited, journal)


def test_a_run_keeps_the_plan_that_was_shown(
    session: Session, journal: StoreJournal, world: World
) -> None:
    first = publish(session, journal).plan
    world.edit(WORKER, {"replicas": 9})
    assert publish(session, journal).plan.hash == first.hash


def test_while_somebody_else_changes_capacity_nobody_lowers(
    session: Session, journal: StoreJournal, world: World
) -> None:
    published = publish(session, journal)
    note_approval(journal, Approval(True, published.plan.hash, "alice"))
    with (
        hold_lock(world.cluster, LOCK, "somebody", world.hand.clock, world.hand.sleep),
        pytest.raises(Conflict, match="somebody is changing capacity"),
    ):
        lower(session, journal)


def test_an_approval_that_comes_after_the_window_lowers_nothing(
    session: Session, journal: StoreJournal, world: World
) -> None:
    published = publish(session, journal)
    note_approval(journal, Approval(True, published.plan.hash, "alice"))
    world.hand.now += dt.timedelta(days=3)
    with pytest.raises(PermanentError, match="nothing is lowered"):
        lower(session, journal)
    assert "the last window ended" in ask_due(session).reason
