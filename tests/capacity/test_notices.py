"""Who is told of what: over HTTP to a receiver of our own, once, and at no weekend's cost."""

import datetime as dt
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nightshift.domain.capacity.messages import Message, failed_message
from nightshift.domain.capacity.policies_rules import Approval as Rules
from nightshift.domain.capacity.policies_rules import Notification, NotifyOn, Required
from nightshift.domain.leases.records import StepState
from nightshift.errors import ConfigError, RemoteUnavailable
from nightshift.settings import Settings
from nightshift.store.capacity_events import find_broken_event, list_events
from nightshift.store.capacity_records import RunKind, StepRecord
from nightshift.store.engines import transaction
from nightshift.weekend.connections import ConnectionFacts, connections_from
from nightshift.weekend.journals import StoreJournal
from nightshift.weekend.notices import NOT_TOLD, Notices, send, service_urls
from nightshift.weekend.operations import Approval, lower, note_approval, publish
from nightshift.weekend.sessions import Session, Tools
from nightshift.weekend.telling import Links, tell_blocked, tell_plan
from tests.capacity.weekend_support import WORKER, World

SECRET = "hunter2-hunter2"
LINKS = Links("https://airflow.example/run", "https://airflow.example/form")


@dataclass
class Receiver:
    """A service that takes Apprise's JSON.

    :param hold: answers wait for it.
    """

    port: int = 0
    status: int = 200
    bodies: list[dict[str, Any]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    def url(self) -> str:
        return f"json://robot:{SECRET}@127.0.0.1:{self.port}/team"

    def environ(self) -> dict[str, str]:
        made = {"conn_type": "apprise", "extra": {"config": {"path": self.url()}}}
        return {"AIRFLOW_CONN_CHAT": json.dumps(made)}

    def told(self) -> list[tuple[str, str]]:
        return [(one["title"], one["message"]) for one in self.bodies]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            made.hold.wait(20)
            self.send_response(made.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    made.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def session(world: World, receiver: Receiver) -> Session:
    world.policy = replace(
        world.policy,
        notify=(Notification("chat", frozenset(NotifyOn)),),
        approval=Rules(required=Required.ALWAYS, timeout=dt.timedelta(minutes=45)),
    )
    connections = connections_from(receiver.environ())
    tools = Tools(connections, world.hand.clock, world.hand.sleep, "friday", {})
    settings = Settings(namespace="nightshift")
    return Session(settings, world.cluster, world.engine, world.policy, world.drivers, None, tools)


def journal_of(session: Session, run: str) -> StoreJournal:
    return session.journal(session.record(run, RunKind.DOWN))


def test_a_plan_and_its_approval_are_told_once_however_often_it_is_asked(
    session: Session, receiver: Receiver
) -> None:
    for run in ("friday-1", "friday-1", "friday-2"):
        journal = journal_of(session, run)
        published = publish(session, journal)
        tell_plan(session, journal, published, LINKS, asks=True)
    (plan, text), (ask, asked) = receiver.told()
    assert plan.startswith("Weekend plan of weekend on test: ")
    assert "Deployment/app/worker" in text
    assert text.endswith(LINKS.run)
    assert ask == "Approve the weekend plan of weekend on test?"
    assert "45min" in asked or "45 min" in asked or "45m" in asked
    assert published.plan.hash[:12] in asked
    assert asked.endswith(LINKS.form)


def test_another_plan_is_told_again(session: Session, receiver: Receiver, world: World) -> None:
    for run, replicas in (("friday-1", 4), ("friday-2", 7)):
        world.edit(WORKER, {"replicas": replicas})
        world.settle()
        journal = journal_of(session, run)
        tell_plan(session, journal, publish(session, journal), LINKS, asks=False)
    assert len(receiver.told()) == 2


def test_a_receiver_that_fails_is_in_the_report_and_is_tried_again(
    session: Session, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.status = 500
    journal = journal_of(session, "friday-1")
    published = publish(session, journal)
    tell_plan(session, journal, published, LINKS, asks=False)
    note_approval(journal, Approval(True, published.plan.hash, "alice"))
    assert lower(session, journal).failed == "", "the weekend goes on"
    (line,) = session.notices(journal.run).not_told()
    assert line == "chat was not told of plan: a service did not take the message"
    assert line in caplog.text

    receiver.status = 200
    tell_plan(session, journal, published, LINKS, asks=False)
    tell_plan(session, journal, published, LINKS, asks=False)
    assert len(receiver.told()) == 2, "once refused, once taken, and not again"
    assert SECRET not in caplog.text
    with transaction(session.the_engine()) as connection:
        events = list_events(connection)
        assert SECRET not in str(events)
        assert find_broken_event(connection) is None


def test_a_receiver_that_does_not_answer_is_given_up(receiver: Receiver) -> None:
    receiver.hold.clear()
    facts = connections_from(receiver.environ())("chat")
    with pytest.raises(RemoteUnavailable, match=r"no answer within 0\.2 s"):
        send(facts, Message(NotifyOn.PLAN, "t", "b", "k"), patience=0.2)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"config": "{"},
        {"config": {"path": ""}},
        {"config": [{"path": "json://a"}, "json://b"]},
        {"config": [{"path": "json://a"}] * 21},
    ],
    ids=["none", "no JSON", "empty", "no mapping", "too many"],
)
def test_a_connection_without_services_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"must be|no JSON"):
        service_urls(ConnectionFacts("apprise", extra=extra))


def test_an_unknown_service_is_refused_and_its_url_is_said_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    facts = ConnectionFacts("apprise", extra={"config": {"path": f"nothing://{SECRET}"}})
    with pytest.raises(ConfigError) as caught:
        send(facts, Message(NotifyOn.PLAN, "t", "b", "k"))
    assert SECRET not in str(caught.value) + caplog.text


def test_a_connection_that_is_not_there_fails_nothing(session: Session) -> None:
    lost = replace(session, tools=replace(session.tools, connections=connections_from({})))
    journal = journal_of(lost, "friday-1")
    tell_plan(lost, journal, publish(lost, journal), LINKS, asks=False)
    (line,) = lost.notices(journal.run).not_told()
    assert "AIRFLOW_CONN_CHAT: is not set" in line


def test_only_what_was_asked_for_is_told(session: Session, receiver: Receiver) -> None:
    policy = replace(
        session.the_policy(), notify=(Notification("chat", frozenset({NotifyOn.FAILED})),)
    )
    few = replace(session, policy=policy)
    journal = journal_of(few, "friday-1")
    tell_plan(few, journal, publish(few, journal), LINKS, asks=True)
    assert receiver.told() == []
    few.notices().tell(failed_message("weekend", "apply", "no"))
    assert [title for title, _ in receiver.told()] == ["Weekend of weekend: apply failed"]


def test_what_is_blocked_is_told_with_pod_and_budget(session: Session, receiver: Receiver) -> None:
    journal = journal_of(session, "friday-1")
    plan = publish(session, journal).plan
    steps = [
        StepRecord(9, "rest_node", "Node/n2", StepState.BLOCKED, reason="app/x pdb (app/x-budget)"),
        StepRecord(8, "rest_node", "Node/n1", StepState.VERIFIED, reason="rests"),
    ]
    for _ in range(2):
        tell_blocked(session, journal, plan, steps, LINKS)
    ((title, text),) = receiver.told()
    assert title == "1 node could not rest on test"
    assert "Node/n2: app/x pdb (app/x-budget)" in text
    assert "n1" not in text


def test_the_same_failure_is_told_once_a_day(
    session: Session, receiver: Receiver, world: World
) -> None:
    def fail(seconds: int) -> None:
        reason = f"postgresql://me:{SECRET}@db/x did not answer for {seconds} s"
        session.notices().tell(failed_message("weekend", "capacity_reconcile.guard", reason))

    fail(3)
    fail(40)
    assert len(receiver.told()) == 1
    world.hand.now += dt.timedelta(days=1, minutes=1)
    fail(5)
    assert len(receiver.told()) == 2
    assert SECRET not in str(receiver.told())


def test_without_a_store_people_are_told_all_the_same(session: Session, receiver: Receiver) -> None:
    tools = session.tools
    notices = Notices(session.the_policy(), tools.connections, None, tools.clock, "friday")
    assert notices.tell(failed_message("weekend", "up", "the store is down")) == []
    assert len(receiver.told()) == 1
    assert notices.not_told() == []


def test_a_receiver_that_was_told_is_not_told_again_because_another_failed(
    session: Session, receiver: Receiver
) -> None:
    both = (*session.the_policy().notify, Notification("pager", frozenset(NotifyOn)))
    two = replace(session, policy=replace(session.the_policy(), notify=both))
    for _ in range(2):
        (line,) = two.notices().tell(failed_message("weekend", "up", "no"))
        assert line.startswith("pager was not told of failed")
    assert len(receiver.told()) == 1
    with transaction(two.the_engine()) as connection:
        assert [one["event"] for one in list_events(connection)].count(NOT_TOLD) == 2
