"""Where a run writes down what it is about to do, and what became of it.

``StoreJournal`` commits every line before the caller goes on: what is lowered was written down
first. ``AnnotationJournal`` has only what lies on the objects: enough to bring everything back.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from nightshift.clock import Clock
from nightshift.cluster.locks import Lock
from nightshift.domain.leases.records import Lease, LeaseState
from nightshift.errors import PermanentError
from nightshift.store.capacity_events import append_event
from nightshift.store.capacity_leases import (
    adopt_lease,
    list_open_leases,
    move_lease,
    write_intent,
)
from nightshift.store.capacity_records import EventRecord, RunId, StepRecord
from nightshift.store.capacity_runs import beat_run, list_steps, save_step
from nightshift.store.engines import Engine, transaction

log = logging.getLogger(__name__)


class Journal(Protocol):
    """What a run remembers outside itself."""

    def intend(self, lease: Lease, step: StepRecord) -> None:
        """Write down that a target will be lowered, before it is.

        :raises Conflict: if it is under a lease already, or this one has gone further.
        """

    def move(self, lease: Lease, state: LeaseState, reason: str) -> None:
        """Move a lease on; the same state again is no change."""

    def save_step(self, step: StepRecord) -> None:
        """Write down what became of an action."""

    def steps(self) -> Sequence[StepRecord]:
        """List this run's steps."""

    def open_leases(self) -> Sequence[Lease]:
        """List the leases that still have to be brought back or dropped."""

    def adopt(self, lease: Lease) -> bool:
        """Write down a lease that was found on its object; False if it is known already."""

    def note(self, event: str, ref: str, **detail: Any) -> None:  # noqa: ANN401 - JSON
        """Add a line to the log."""

    def beat(self) -> None:
        """Say that the run is alive."""


@dataclass(frozen=True, slots=True)
class StoreJournal:
    """The store's tables; one transaction a line.

    :param policy: whose leases these are; "" is every policy's.
    :param actor: who does all this.
    """

    engine: Engine
    run: RunId
    policy: str
    actor: str
    clock: Clock

    def intend(self, lease: Lease, step: StepRecord) -> None:
        """Write down that a target will be lowered, before it is."""
        now = self.clock()
        with transaction(self.engine) as connection:
            write_intent(connection, lease, now)
            save_step(connection, self.run, step, now)
            self._append(connection, "intent", lease.target.ref, lease=lease.id)

    def move(self, lease: Lease, state: LeaseState, reason: str) -> None:
        """Move a lease on; the same state again is no change."""
        now = self.clock()
        with transaction(self.engine) as connection:
            if move_lease(connection, lease.id, state, reason, now):
                ref = lease.target.ref
                self._append(connection, str(state), ref, lease=lease.id, reason=reason)

    def save_step(self, step: StepRecord) -> None:
        """Write down what became of an action."""
        with transaction(self.engine) as connection:
            save_step(connection, self.run, step, self.clock())

    def steps(self) -> Sequence[StepRecord]:
        """List this run's steps."""
        with transaction(self.engine) as connection:
            return list_steps(connection, self.run)

    def open_leases(self) -> Sequence[Lease]:
        """List the leases that still have to be brought back or dropped."""
        with transaction(self.engine) as connection:
            return list_open_leases(connection, self.policy)

    def adopt(self, lease: Lease) -> bool:
        """Write down a lease that was found on its object; False if it is known already."""
        with transaction(self.engine) as connection:
            new = adopt_lease(connection, lease, self.clock())
            if new:
                self._append(connection, "adopted", lease.target.ref, lease=lease.id)
            return new

    def note(self, event: str, ref: str, **detail: Any) -> None:  # noqa: ANN401 - JSON
        """Add a line to the log."""
        with transaction(self.engine) as connection:
            self._append(connection, event, ref, **detail)

    def beat(self) -> None:
        """Say that the run is alive."""
        with transaction(self.engine) as connection:
            beat_run(connection, self.run, self.clock())

    def _append(self, connection: Any, event: str, ref: str, **detail: Any) -> None:  # noqa: ANN401
        record = EventRecord(event, self.actor, ref, self.run, detail)
        append_event(connection, record, self.clock())


@dataclass(slots=True)
class AnnotationJournal:
    """Only what lies on the objects, for a restore with nothing but a kubeconfig.

    It lowers nothing: without a store there is no intent that outlives a crash.

    :param find: reads the leases from the objects, each time anew.
    """

    find: Callable[[], Sequence[Lease]]
    ended: dict[str, str] = field(default_factory=dict)

    def intend(self, lease: Lease, step: StepRecord) -> None:
        """Refuse to lower anything."""
        raise PermanentError("without the store nothing is lowered: the intent would be lost")

    def move(self, lease: Lease, state: LeaseState, reason: str) -> None:
        """Log it, and forget a lease that has ended."""
        log.info("%s %s: %s", lease.target.ref, state, reason)
        if not replace(lease, state=state).is_open:
            self.ended[lease.id] = reason

    def save_step(self, step: StepRecord) -> None:
        """Log it."""
        log.info("%s %s: %s", step.ref, step.state, step.reason)

    def steps(self) -> Sequence[StepRecord]:
        """Nothing was lowered here."""
        return ()

    def open_leases(self) -> Sequence[Lease]:
        """Read the leases from the objects."""
        return [lease for lease in self.find() if lease.id not in self.ended]

    def adopt(self, lease: Lease) -> bool:
        """Nothing to write it down in."""
        return False

    def note(self, event: str, ref: str, **detail: Any) -> None:  # noqa: ANN401 - JSON
        """Log it."""
        log.info("%s %s %s", ref, event, detail)

    def beat(self) -> None:
        """Nobody looks."""


@dataclass(frozen=True, slots=True)
class Renewing:
    """A journal whose beats renew the cluster's lock too, so that a long run keeps it.

    A lock that somebody else has taken ends the run: its beat raises Conflict.
    """

    journal: Journal
    lock: Lock

    def intend(self, lease: Lease, step: StepRecord) -> None:
        """Write down that a target will be lowered, before it is."""
        self.journal.intend(lease, step)

    def move(self, lease: Lease, state: LeaseState, reason: str) -> None:
        """Move a lease on; the same state again is no change."""
        self.journal.move(lease, state, reason)

    def save_step(self, step: StepRecord) -> None:
        """Write down what became of an action."""
        self.journal.save_step(step)

    def steps(self) -> Sequence[StepRecord]:
        """List this run's steps."""
        return self.journal.steps()

    def open_leases(self) -> Sequence[Lease]:
        """List the leases that still have to be brought back or dropped."""
        return self.journal.open_leases()

    def adopt(self, lease: Lease) -> bool:
        """Write down a lease that was found on its object; False if it is known already."""
        return self.journal.adopt(lease)

    def note(self, event: str, ref: str, **detail: Any) -> None:  # noqa: ANN401 - JSON
        """Add a line to the log."""
        self.journal.note(event, ref, **detail)

    def beat(self) -> None:
        """Say that the run is alive, and keep the lock.

        :raises Conflict: if somebody else has taken the lock.
        """
        self.lock.renew()
        self.journal.beat()
