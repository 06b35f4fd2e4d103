"""The cluster's state, in memory, with the history that watches need.

Memory is bounded: each kind keeps the last ``history`` changes, as Kubernetes' watch cache does;
a watch that asks for older ones gets 410 Expired and lists again.
"""

import random
import uuid
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

from nightshift.clock import Clock, utc_now
from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.resources import GENERATION_KEYS, resource_of_key
from nightshift.embedded.kube.subscriptions import Change, ChangeType, Events, Subscription

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # as apimachinery's rand.String: no vowels
_SUFFIX_LENGTH = 5
_NAME_LIMIT = 63


def copy_json(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Deep-copy JSON; several times faster than ``copy.deepcopy``."""
    kind = type(value)  # JSON has no subclasses; this is the busiest function of all
    if kind is dict:
        return {key: copy_json(item) for key, item in value.items()}
    if kind is list:
        return [copy_json(item) for item in value]
    return value


def timestamp(now: Clock) -> str:
    """Write the current time as Kubernetes does: RFC 3339, UTC, whole seconds."""
    return now().strftime("%Y-%m-%dT%H:%M:%SZ")


class MemoryStore:
    """Implements ``interfaces.ObjectStore``.

    :param history: changes kept for each kind.
    :param rng: makes uids and the ends of generated names.
    :param first_version: where resource versions start; a server that restarts empty starts above
        those that its clients may still hold.
    """

    def __init__(
        self,
        now: Clock = utc_now,
        *,
        history: int = 4096,
        rng: random.Random | None = None,
        first_version: int = 1,
    ) -> None:
        self._now = now
        self._history_limit = history
        self._rng = rng or random.SystemRandom()
        self._version = first_version
        self._objects: defaultdict[str, dict[tuple[str, str], Object]] = defaultdict(dict)
        self._history: defaultdict[str, deque[Change]] = defaultdict(deque)
        self._forgotten: defaultdict[str, int] = defaultdict(lambda: first_version)
        self._readers: defaultdict[str, weakref.WeakSet[Subscription]] = defaultdict(
            weakref.WeakSet
        )

    @property
    def resource_version(self) -> int:
        """The version of the last change."""
        return self._version

    def create(self, kind: str, obj: Object) -> Object:
        """Add an object; sets uid, creationTimestamp, resourceVersion, generateName.

        :raises StatusError: 409 AlreadyExists; 422 Invalid when it has no name at all.
        """
        prepared = self.prepare(kind, obj)
        metadata = prepared["metadata"]
        place = _place(prepared)
        if place in self._objects[kind]:
            raise statuses.already_exists(kind, metadata["name"])
        return self._commit(kind, "ADDED", place, prepared)

    def prepare(self, kind: str, obj: Object) -> Object:
        """Complete a copy of ``obj`` as ``create`` would, without storing it.

        :raises StatusError: 422 Invalid when it has no name at all.
        """
        created: Object = copy_json(obj)
        metadata = created.setdefault("metadata", {})
        _set_type(kind, created)
        if not metadata.get("name"):
            metadata["name"] = self.generate_name(kind, created)
        metadata["uid"] = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        metadata["creationTimestamp"] = timestamp(self._now)
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"):
            metadata.pop(field, None)
        if _has_generation(kind):
            metadata["generation"] = 1
        return created

    def generate_name(self, kind: str, obj: Object) -> str:
        """Make a free name from ``metadata.generateName``.

        :raises StatusError: 422 Invalid when that is missing.
        """
        metadata = obj["metadata"]
        prefix = str(metadata.get("generateName") or "")
        if not prefix:
            raise _nameless(kind, obj)
        prefix = prefix[: _NAME_LIMIT - _SUFFIX_LENGTH]
        for _ in range(8):  # as Kubernetes: collisions are retried a few times, then 409
            suffix = "".join(self._rng.choice(_SUFFIX_LETTERS) for _ in range(_SUFFIX_LENGTH))
            if (metadata.get("namespace", ""), prefix + suffix) not in self._objects[kind]:
                break
        return prefix + suffix

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        """Read one object.

        :raises StatusError: 404 NotFound.
        """
        found = self.find(kind, name, namespace)
        if found is None:
            raise statuses.not_found(kind, name)
        return found

    def find(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """Read one object, None if it is not there."""
        return self._objects[kind].get((namespace, name))

    def list(self, kind: str, namespace: str | None = None) -> Sequence[Object]:
        """List objects by namespace and name; None is every namespace."""
        objects = self._objects[kind]
        places = sorted(p for p in objects if namespace is None or p[0] == namespace)
        return [objects[place] for place in places]

    def list_at(self, kind: str, version: int) -> Sequence[Object]:
        """List all objects of a kind as they were at an earlier version.

        :raises StatusError: 410 Expired when that version is older than what is kept.
        """
        if version < self._forgotten[kind]:
            raise statuses.expired(
                "The provided continue parameter is too old to display a consistent list result."
                " You can start a new list without the continue parameter."
            )
        objects = dict(self._objects[kind])
        for change in reversed(self._history[kind]):
            if change.version <= version:
                break
            place = _place(change.object)
            if change.previous is None:
                del objects[place]
            else:
                objects[place] = change.previous
        return [objects[place] for place in sorted(objects)]

    def kinds(self) -> Sequence[str]:
        """List the kinds that have objects, by name."""
        return sorted(kind for kind, objects in self._objects.items() if objects)

    def mutate(
        self, kind: str, name: str, namespace: str, change: Callable[[Object], None]
    ) -> Object:
        """Deep-copy the object, let ``change`` edit the copy, store it as a new version.

        An unchanged copy is no new version and no event. A changed spec raises
        ``metadata.generation``. An object that waits for its deletion is removed with its last
        finalizer.

        :raises StatusError: 404 NotFound; whatever ``change`` raises passes through.
        """
        before = self.get(kind, name, namespace)
        after = copy_json(before)
        change(after)
        if after == before:
            return before
        if _has_generation(kind) and after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = int(before["metadata"].get("generation", 0)) + 1
        stored = self._commit(kind, "MODIFIED", (namespace, name), after)
        if _deletion_is_due(stored):
            return self._commit(kind, "DELETED", (namespace, name), copy_json(stored))
        return stored

    def delete(self, kind: str, name: str, namespace: str = "") -> Object:
        """Remove the object, at once unless it has finalizers.

        With finalizers it is marked (deletionTimestamp, grace 0) and goes with the last of them.

        :raises StatusError: 404 NotFound.
        """
        found = self.get(kind, name, namespace)
        if not found["metadata"].get("finalizers"):
            return self._commit(kind, "DELETED", (namespace, name), copy_json(found))

        def mark(obj: Object) -> None:
            obj["metadata"].setdefault("deletionTimestamp", timestamp(self._now))
            obj["metadata"]["deletionGracePeriodSeconds"] = 0

        return self.mutate(kind, name, namespace, mark)

    def watch(self, kind: str, since: int | None = None) -> Events:
        """Follow changes after version ``since``; None starts with ADDED for all that exist.

        Changes are kept from this call on, even before the first one is read.

        :raises StatusError: 410 Expired when ``since`` is older than what is kept.
        """
        return Events(self.subscribe(kind, since))

    def subscribe(
        self, kind: str, since: int | None = None, *, limit: int | None = None
    ) -> Subscription:
        """Follow like ``watch``, with each object's previous state.

        :raises StatusError: 410 Expired when ``since`` is older than what is kept.
        """
        backlog: list[Change]
        if since is None:
            backlog = [Change("ADDED", o, None, object_version(o)) for o in self.list(kind)]
        elif since < self._forgotten[kind]:
            raise statuses.expired(f"too old resource version: {since} ({self._forgotten[kind]})")
        else:
            backlog = [change for change in self._history[kind] if change.version > since]
        subscription = Subscription(backlog, limit)
        self._readers[kind].add(subscription)
        return subscription

    def _commit(
        self,
        kind: str,
        type_: ChangeType,
        place: tuple[str, str],
        obj: Object,
    ) -> Object:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        previous = self._objects[kind].get(place)
        if type_ == "DELETED":
            del self._objects[kind][place]
        else:
            self._objects[kind][place] = obj
        change = Change(type_, obj, previous, self._version)
        self._remember(kind, change)
        for reader in tuple(self._readers[kind]):
            reader.push(change)
        return obj

    def _remember(self, kind: str, change: Change) -> None:
        kept = self._history[kind]
        kept.append(change)
        if len(kept) > self._history_limit:
            self._forgotten[kind] = kept.popleft().version


def object_version(obj: Object) -> int:
    """Read an object's resourceVersion as a number."""
    return int(obj["metadata"]["resourceVersion"])


def _has_generation(kind: str) -> bool:
    return kind in GENERATION_KEYS or resource_of_key(kind) is None  # custom resources count too


def _set_type(kind: str, obj: Object) -> None:
    resource = resource_of_key(kind)
    if resource is not None:
        obj.setdefault("apiVersion", resource.api_version)
        obj.setdefault("kind", resource.kind)


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _deletion_is_due(obj: Object) -> bool:
    metadata = obj["metadata"]
    holders = metadata.get("finalizers") or (
        obj.get("kind") == "Namespace" and (obj.get("spec") or {}).get("finalizers")
    )
    return (
        "deletionTimestamp" in metadata
        and not holders
        and not metadata.get("deletionGracePeriodSeconds")
    )


def _nameless(kind: str, obj: Object) -> StatusError:
    group = kind.partition(".")[2]
    cause = (
        "FieldValueRequired",
        "metadata.name",
        "Required value: name or generateName is required",
    )
    return statuses.invalid(str(obj.get("kind", kind)), group, "", [cause])
