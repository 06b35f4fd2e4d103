"""Event objects: what happened to which object, counted up when it repeats.

Kubernetes forgets events after an hour; so do we, and no more than ``limit`` are kept.
"""

import datetime as dt
from collections import OrderedDict

from nightshift.clock import Clock, utc_now
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.storage import timestamp

KEPT_SECONDS = 3600.0
_PRUNE_EVERY = 64

_Key = tuple[str, str, str, str, str]


class StoredEvents:
    """Implements ``interfaces.EventRecorder`` on an object store.

    :param limit: events kept; the oldest go first.
    """

    def __init__(self, store: ObjectStore, now: Clock = utc_now, *, limit: int = 5000) -> None:
        self._store = store
        self._now = now
        self._limit = limit
        self._known: OrderedDict[_Key, tuple[str, str]] = OrderedDict()
        self._serial = 0

    def record(
        self, about: Object, reason: str, message: str, *, type_: str = "Normal", source: str
    ) -> None:
        """Record that ``reason`` happened to ``about`` (an object with kind and metadata)."""
        metadata = about["metadata"]
        key = (str(metadata.get("uid", metadata.get("name", ""))), reason, message, type_, source)
        place = self._known.get(key)
        if place is not None and self._store.find("events", *place) is not None:
            self._known.move_to_end(key)
            self._store.mutate("events", *place, self._count_up)
            return
        event = self._build(about, reason, message, type_, source)
        created = self._store.create("events", event)["metadata"]
        self._known[key] = (created["name"], created["namespace"])
        while len(self._known) > self._limit:
            self._known.popitem(last=False)
        if self._serial % _PRUNE_EVERY == 0:
            self.prune()

    def prune(self) -> None:
        """Drop events older than an hour, and the oldest beyond the limit."""
        events = sorted(self._store.list("events"), key=_last_seen)
        horizon = (self._now() - dt.timedelta(seconds=KEPT_SECONDS)).strftime("%Y-%m-%dT%H:%M:%SZ")
        surplus = max(0, len(events) - self._limit)
        for index, event in enumerate(events):
            if index >= surplus and _last_seen(event) >= horizon:
                return
            self._store.delete("events", event["metadata"]["name"], event["metadata"]["namespace"])

    def _count_up(self, event: Object) -> None:
        event["count"] = int(event.get("count", 1)) + 1
        event["lastTimestamp"] = timestamp(self._now)

    def _build(self, about: Object, reason: str, message: str, type_: str, source: str) -> Object:
        self._serial += 1
        metadata = about["metadata"]
        now = self._now()
        suffix = f"{int(now.timestamp() * 1_000_000):x}{self._serial:x}"
        seen = timestamp(self._now)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name']}.{suffix}",
                "namespace": metadata.get("namespace") or "default",
            },
            "involvedObject": _reference(about),
            "reason": reason,
            "message": message,
            "type": type_,
            "count": 1,
            "firstTimestamp": seen,
            "lastTimestamp": seen,
            "eventTime": None,
            "source": {"component": source},
            "reportingComponent": source,
            "reportingInstance": "",
        }


def _last_seen(event: Object) -> str:
    series = event.get("series") or {}
    return str(
        event.get("lastTimestamp")
        or series.get("lastObservedTime")
        or event.get("eventTime")
        or event["metadata"]["creationTimestamp"]
    )


def _reference(about: Object) -> Object:
    metadata = about["metadata"]
    reference = {
        "kind": about.get("kind"),
        "namespace": metadata.get("namespace"),
        "name": metadata.get("name"),
        "uid": metadata.get("uid"),
        "apiVersion": about.get("apiVersion"),
        "resourceVersion": metadata.get("resourceVersion"),
    }
    return {field: value for field, value in reference.items() if value}
