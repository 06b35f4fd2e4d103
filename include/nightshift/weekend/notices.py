"""Send the policy's notifications by Apprise, each once; one that fails never fails a weekend.

A receiver is an Airflow connection of the type Apprise: its extra ``config`` is ``{"path": <Apprise
URL>, "tag": ...}`` or a list of those. Apprise's own log is kept apart, for it may name the URL.
"""

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nightshift.clock import Clock
from nightshift.domain.capacity.messages import Message
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.errors import ConfigError, NightshiftError, RemoteUnavailable
from nightshift.store.capacity_events import append_event, list_events, was_noted
from nightshift.store.capacity_records import EventRecord, RunId
from nightshift.store.engines import Engine, transaction
from nightshift.weekend.connections import ConnectionFacts, Connections

log = logging.getLogger(__name__)

TOLD, NOT_TOLD = "told", "not told"
"""The events of the log, one a message and receiver; the ref is the connection's id."""
PATIENCE_SECONDS = 30.0
"""How long one receiver may take; Apprise itself waits 4 s to connect and 4 s between bytes."""
_MOST_SERVICES = 20


@dataclass(frozen=True, slots=True)
class Notices:
    """Tells people, and remembers whom it has told of what.

    :param engine: where it is remembered; None forgets.
    :param run: in whose log it is written; None is nobody's.
    """

    policy: CapacityPolicy
    connections: Connections
    engine: Engine | None
    clock: Clock
    actor: str
    run: RunId | None = None

    def tell(self, message: Message) -> list[str]:
        """Tell everybody whom the policy names for this event, once.

        :returns: a line for each receiver that could not be told; nothing is raised.
        """
        found = (self._tell(one.conn_id, message) for one in self.policy.told_of(message.on))
        return [line for line in found if line]

    def not_told(self) -> list[str]:
        """List who was not told of what in this run, for its report."""
        if self.engine is None or self.run is None:
            return []
        with transaction(self.engine) as connection:
            events = list_events(connection, run_id=self.run)
        return [
            _said(one["ref"], one["detail"]["on"], one["detail"]["why"])
            for one in reversed(events)
            if one["event"] == NOT_TOLD
        ]

    def _tell(self, conn_id: str, message: Message) -> str:
        try:
            if self._was_told(conn_id, message):
                return ""
            send(self.connections(conn_id), message)
            why = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the weekend goes on
            why = _say(error)
        self._note(conn_id, message, why)
        if not why:
            return ""
        line = _said(conn_id, str(message.on), why)
        log.warning("%s", line)
        return line

    def _was_told(self, conn_id: str, message: Message) -> bool:
        if self.engine is None:
            return False
        since = self.clock() - message.again_after if message.again_after else None
        try:
            with transaction(self.engine) as connection:
                return was_noted(connection, TOLD, conn_id, message.key, since)
        except NightshiftError as error:
            log.warning("who was told cannot be read, so it is told again: %s", error)
            return False

    def _note(self, conn_id: str, message: Message, why: str) -> None:
        if self.engine is None:
            return
        detail = {"key": message.key, "on": str(message.on), **({"why": why} if why else {})}
        event = EventRecord(NOT_TOLD if why else TOLD, self.actor, conn_id, self.run, detail)
        try:
            with transaction(self.engine) as connection:
                append_event(connection, event, self.clock())
        except NightshiftError as error:
            log.warning("that %s was told cannot be written down: %s", conn_id, error)


def send(connection: ConnectionFacts, message: Message, patience: float = PATIENCE_SECONDS) -> None:
    """Send one message to the services of a connection.

    :raises ConfigError: if the connection names no service that Apprise knows.
    :raises RemoteUnavailable: if a service did not take it in time.
    """
    import apprise  # late: it loads slowly, and most runs tell nobody

    services = apprise.Apprise()
    with _apart():
        for url in service_urls(connection):
            if not services.add(url):
                raise ConfigError("config.path", "is no URL of a service that Apprise knows")
        answers: list[bool] = []
        body_format = apprise.NotifyFormat.TEXT
        work = threading.Thread(
            target=lambda: answers.append(
                bool(services.notify(message.body, message.title, body_format=body_format))
            ),
            daemon=True,  # a receiver that drips must not hold the run
        )
        work.start()
        work.join(patience)
    if not answers:
        raise RemoteUnavailable(f"no answer within {patience:g} s, or Apprise gave up")
    if not answers[0]:
        raise RemoteUnavailable("a service did not take the message")


def service_urls(connection: ConnectionFacts) -> list[str]:
    """Read the Apprise URLs of a connection.

    :raises ConfigError: if there are none, or too many; URLs are secrets and never in the text.
    """
    raw: Any = connection.extra.get("config")
    try:
        raw = json.loads(raw) if isinstance(raw, str) else raw
    except ValueError as error:
        raise ConfigError("config", "is no JSON") from error
    entries = raw if isinstance(raw, list) else [raw]
    urls = [one.get("path") if isinstance(one, Mapping) else None for one in entries]
    found = [url for url in urls if isinstance(url, str) and url.strip()]
    if not found or len(found) != len(urls) or len(found) > _MOST_SERVICES:
        raise ConfigError(
            "config", f'must be {{"path": "<Apprise URL>"}}, or a list of up to {_MOST_SERVICES}'
        )
    return found


@contextmanager
def _apart() -> Iterator[None]:
    """Keep Apprise's log out of ours: it may hold a receiver's URL, which is a secret."""
    theirs = logging.getLogger("apprise")
    before = theirs.propagate, theirs.handlers
    theirs.propagate, theirs.handlers = False, [logging.NullHandler()]
    try:
        yield
    finally:
        theirs.propagate, theirs.handlers = before


def _said(conn_id: str, on: str, why: str) -> str:
    return f"{conn_id} was not told of {on}: {why}"


def _say(error: Exception) -> str:
    """Say our own errors; a stranger's text may hold the URL, so only its kind is said."""
    return str(error) if isinstance(error, NightshiftError) else type(error).__name__
