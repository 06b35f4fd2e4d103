"""Events expire after an hour, as etcd's leases make them in a real cluster."""

import datetime as dt
from collections.abc import Iterable

from nightshift.embedded.kube.controllers.changes import Change, Delete, Key, Plan
from nightshift.embedded.kube.controllers.loops import Controller
from nightshift.embedded.kube.controllers.podstates import parse_time
from nightshift.embedded.kube.interfaces import Object, ObjectStore

EVENT_LIFETIME = dt.timedelta(hours=1)
_SETTLE_SECONDS = 5.0


def plan_expirations(events: Iterable[Object], now: dt.datetime) -> Plan:
    """Delete events that were not seen for an hour; look again when the next one is due."""
    changes: list[Change] = []
    times: list[dt.datetime] = []
    for event in events:
        due = last_seen(event) + EVENT_LIFETIME
        if due <= now:
            changes.append(Delete("events", event))
        else:
            times.append(due)
    return Plan(changes, min(times, default=None))


def last_seen(event: Object) -> dt.datetime:
    """Tell when an event happened last."""
    for seen in (
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
    ):
        if seen:
            return parse_time(seen)
    return parse_time(event["metadata"]["creationTimestamp"])


def _all_events(_: Object) -> Iterable[Key]:
    return (("", "all events"),)


def _plan(store: ObjectStore, _: Key, now: dt.datetime) -> Plan:
    return plan_expirations(store.list("events"), now)


CONTROLLER = Controller(
    "event-ttl-controller", {"events": _all_events}, _plan, settle_seconds=_SETTLE_SECONDS
)
