"""What the cluster says about one object."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.cluster.client import Cluster
from nightshift.cluster.objects import parse_metadata, parse_time, read_object

_MAX_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Event:
    """An event: ``type`` is Normal or Warning; the message is one line, cut."""

    reason: str
    message: str
    type: str
    at: dt.datetime


def list_events(cluster: Cluster, kind: str, name: str) -> list[Event]:
    """List the events about one object of our namespace, the newest first."""
    fields = f"involvedObject.kind={kind},involvedObject.name={name}"
    found = cluster.iterate(cluster.path("events"), fieldSelector=fields)
    events = [read_object(cluster, obj, _parse_event) for obj in found]
    return sorted(events, key=lambda event: event.at, reverse=True)


def _parse_event(obj: Mapping[str, Any]) -> Event:
    series = obj.get("series") or {}
    times = (series.get("lastObservedTime"), obj.get("lastTimestamp"), obj.get("eventTime"))
    text = next((str(one) for one in times if one), "")
    return Event(
        reason=str(obj.get("reason", "")),
        message=" ".join(str(obj.get("message", "")).split())[:_MAX_MESSAGE],
        type=str(obj.get("type", "Normal")),
        at=parse_time(text) if text else parse_metadata(obj).created_at,
    )
