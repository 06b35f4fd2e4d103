"""What controllers ask of pods, conditions and times."""

import datetime as dt

from nightshift.embedded.kube.interfaces import Object


def parse_time(text: str) -> dt.datetime:
    """Read an RFC 3339 time of the API; aware, UTC.

    :raises ValueError: if it is none.
    """
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def format_time(instant: dt.datetime) -> str:
    """Write a time as the API does: UTC, whole seconds."""
    return instant.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def created_at(obj: Object) -> dt.datetime:
    """Tell when an object was created."""
    return parse_time(obj["metadata"]["creationTimestamp"])


def phase(pod: Object) -> str:
    """Give a pod's phase; a pod without one is Pending."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_terminal(pod: Object) -> bool:
    """Tell whether a pod has ended."""
    return phase(pod) in {"Succeeded", "Failed"}


def is_terminating(obj: Object) -> bool:
    """Tell whether an object waits for its deletion."""
    return "deletionTimestamp" in obj["metadata"]


def is_active(pod: Object) -> bool:
    """Tell whether a pod counts for its controller: not ended, not going."""
    return not is_terminal(pod) and not is_terminating(pod)


def condition(obj: Object, kind: str) -> Object:
    """Give a condition of an object, an empty one if it is not there."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == kind), {})


def holds(obj: Object, kind: str) -> bool:
    """Tell whether a condition is True."""
    return bool(condition(obj, kind).get("status") == "True")


def is_ready(pod: Object) -> bool:
    """Tell whether a pod is ready."""
    return holds(pod, "Ready")


def available_at(pod: Object, min_ready_seconds: int) -> dt.datetime | None:
    """Tell from when on a ready pod counts as available; None while it is not ready."""
    ready = condition(pod, "Ready")
    if ready.get("status") != "True":
        return None
    since = ready.get("lastTransitionTime")
    begun = parse_time(since) if since else created_at(pod)
    return begun + dt.timedelta(seconds=min_ready_seconds)


def is_available(pod: Object, min_ready_seconds: int, now: dt.datetime) -> bool:
    """Tell whether a pod has been ready for long enough."""
    start = available_at(pod, min_ready_seconds)
    return start is not None and (not min_ready_seconds or start <= now)


def put_condition(conditions: list[Object], wanted: Object, now: dt.datetime) -> list[Object]:
    """Give ``conditions`` with one set; its transition time changes only with its status."""
    kind = wanted["type"]
    old = next((c for c in conditions if c["type"] == kind), None)
    changed = old is None or old["status"] != wanted["status"]
    since = format_time(now) if changed or old is None else old.get("lastTransitionTime")
    updated = {**wanted, "lastTransitionTime": since or format_time(now)}
    if old is None:
        return [*conditions, updated]
    return [updated if c is old else c for c in conditions]


def scaled(value: int | str, total: int, *, round_up: bool) -> int:
    """Read a count, or a percentage of ``total``."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * total
    return -(-share // 100) if round_up else share // 100
