"""What a controller wants done, as values: plans are pure, and applied in one place.

Applying is idempotent: what is gone already, or was replaced by a namesake, is left alone.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from nightshift.clock import Clock
from nightshift.embedded.kube.admission import admit
from nightshift.embedded.kube.deletions import grace_seconds
from nightshift.embedded.kube.interfaces import EventRecorder, Object, ObjectStore, StatusError
from nightshift.embedded.kube.storage import timestamp
from nightshift.embedded.kube.strategies import note_gates

Key = tuple[str, str]
"""Namespace and name of the object that a controller looks at."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make an object, through admission.

    :param owner: gets an event when it worked, and when it did not.
    """

    kind: str
    obj: Object
    owner: Object | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Edit an object, as long as it is the same one (by uid)."""

    kind: str
    obj: Object
    change: Callable[[Object], None]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object; pods get their grace period.

    :param owner: gets an event.
    :param at_once: give a pod no time.
    :param release: a finalizer of ours that is removed first.
    """

    kind: str
    obj: Object
    owner: Object | None = None
    at_once: bool = False
    release: str = ""


@dataclass(frozen=True, slots=True)
class Tell:
    """Record an event."""

    about: Object
    reason: str
    message: str
    type_: str = "Normal"


Change = Create | Update | Delete | Tell


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and when to look again.

    :param again_at: look again at this instant although nothing has changed by then.
    """

    changes: Sequence[Change] = ()
    again_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies changes in the name of one controller."""

    store: ObjectStore
    events: EventRecorder
    now: Clock
    source: str

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply changes in order.

        :raises StatusError: when an object cannot be created; what comes after it is not applied.
        """
        for change in changes:
            match change:
                case Create():
                    self._create(change)
                case Update():
                    self._update(change)
                case Delete():
                    self._delete(change)
                case Tell():
                    self.events.record(
                        change.about,
                        change.reason,
                        change.message,
                        type_=change.type_,
                        source=self.source,
                    )

    def _create(self, change: Create) -> None:
        word = change.obj.get("kind", change.kind).lower()
        try:
            admitted = admit(self.store, "CREATE", change.kind, change.obj, None)
            note_gates(change.kind, admitted, timestamp(self.now))
            made = self.store.create(change.kind, admitted)
        except StatusError as error:
            if error.code == HTTPStatus.CONFLICT and change.obj["metadata"].get("name"):
                return  # it is there, which is what was wanted
            self._say(change.owner, "FailedCreate", f"Error creating: {error.message}", "Warning")
            raise
        self._say(change.owner, "SuccessfulCreate", f"Created {word}: {made['metadata']['name']}")

    def _update(self, change: Update) -> None:
        if self._is_current(change.kind, change.obj):
            self.store.mutate(change.kind, *place(change.obj), change.change)

    def _delete(self, change: Delete) -> None:
        if not self._is_current(change.kind, change.obj):
            return
        where = place(change.obj)
        if change.release:
            self.store.mutate(change.kind, *where, without_finalizer(change.release))
        found = self.store.find(change.kind, *where)
        if found is None:
            return
        grace = 0
        if change.kind == "pods" and not change.at_once:
            grace = grace_seconds(found, None)
        if grace:
            self.store.mutate(change.kind, *where, self._mark(grace))
        else:
            self.store.delete(change.kind, *where)
        word = change.obj.get("kind", change.kind).lower()
        self._say(change.owner, "SuccessfulDelete", f"Deleted {word}: {where[0]}")

    def _mark(self, grace: int) -> Callable[[Object], None]:
        due = self.now() + dt.timedelta(seconds=grace)

        def change(obj: Object) -> None:
            if "deletionTimestamp" not in obj["metadata"]:
                obj["metadata"]["deletionTimestamp"] = timestamp(lambda: due)
                obj["metadata"]["deletionGracePeriodSeconds"] = grace

        return change

    def _is_current(self, kind: str, obj: Object) -> bool:
        found = self.store.find(kind, *place(obj))
        return found is not None and found["metadata"]["uid"] == obj["metadata"]["uid"]

    def _say(self, owner: Object | None, reason: str, message: str, type_: str = "Normal") -> None:
        if owner is not None:
            self.events.record(owner, reason, message, type_=type_, source=self.source)


def place(obj: Object) -> tuple[str, str]:
    """Give an object's name and namespace, in the order in which the store takes them."""
    return obj["metadata"]["name"], obj["metadata"].get("namespace", "")


def key_of(obj: Object) -> Key:
    """Give the key of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def without_finalizer(name: str) -> Callable[[Object], None]:
    """Make a change that removes a finalizer."""

    def change(obj: Object) -> None:
        kept = [f for f in obj["metadata"].get("finalizers", []) if f != name]
        obj["metadata"].pop("finalizers", None)
        if kept:
            obj["metadata"]["finalizers"] = kept

    return change


def with_status(status: Object) -> Callable[[Object], None]:
    """Make a change that replaces an object's status."""

    def change(obj: Object) -> None:
        obj["status"] = status

    return change


def set_status(kind: str, obj: Object, status: Object) -> list[Change]:
    """Plan a new status, nothing when it is the old one."""
    return [] if obj.get("status") == status else [Update(kind, obj, with_status(status))]
