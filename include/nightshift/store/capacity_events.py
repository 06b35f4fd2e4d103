"""The weekend's log: append only, and each row's hash covers the one before it.

Who can write to the database can still forge the whole chain; who changes or drops a single row
is found out. The database refuses updates and deletes itself, by a trigger.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from nightshift.store.capacity_models import CapacityEvent
from nightshift.store.capacity_records import EventRecord, RunId
from nightshift.store.values import as_json

_LOCK = 0x6361706163697479  # "capacity": who appends takes turns
_BEGIN = b"\0" * 32


def append_event(connection: Connection, record: EventRecord, now: dt.datetime) -> None:
    """Append one row."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    last = connection.execute(
        select(CapacityEvent.id, CapacityEvent.hash).order_by(CapacityEvent.id.desc()).limit(1)
    ).one_or_none()
    row = {
        "id": (last.id if last else 0) + 1,
        "at": now,
        "run_id": record.run_id,
        "actor": record.actor,
        "event": record.event,
        "ref": record.ref,
        "detail": as_json(record.detail),
    }
    row["hash"] = _hash(last.hash if last else _BEGIN, row)
    connection.execute(insert(CapacityEvent).values(row))


def find_broken_event(connection: Connection) -> int | None:
    """Give the id of the first row that is not what was appended; None if all are."""
    before, expected = _BEGIN, 1
    for row in connection.execute(select(CapacityEvent).order_by(CapacityEvent.id)):
        values = {name: getattr(row, name) for name in _COLUMNS}
        if row.id != expected or _hash(before, values) != row.hash:
            return int(row.id)
        before, expected = row.hash, expected + 1
    return None


def list_events(
    connection: Connection, *, run_id: RunId | None = None, ref: str = "", limit: int = 200
) -> Sequence[dict[str, Any]]:
    """List the newest events, newest first: of one run, about one target, or all."""
    query = select(CapacityEvent).order_by(CapacityEvent.id.desc()).limit(limit)
    if run_id is not None:
        query = query.where(CapacityEvent.run_id == run_id)
    if ref:
        query = query.where(func.lower(CapacityEvent.ref) == ref.lower())
    return [{name: getattr(row, name) for name in _COLUMNS} for row in connection.execute(query)]


def last_event(connection: Connection, event: str, ref: str) -> dict[str, Any] | None:
    """Give the newest event of a kind about something."""
    query = select(CapacityEvent).where(CapacityEvent.event == event, CapacityEvent.ref == ref)
    row = connection.execute(query.order_by(CapacityEvent.id.desc()).limit(1)).one_or_none()
    return {name: getattr(row, name) for name in _COLUMNS} if row else None


def was_noted(
    connection: Connection, event: str, ref: str, key: str, since: dt.datetime | None = None
) -> bool:
    """Tell whether an event with this ``key`` in its detail was appended, since then if given."""
    query = select(CapacityEvent.id).where(
        CapacityEvent.event == event,
        CapacityEvent.ref == ref,
        CapacityEvent.detail["key"].astext == key,
    )
    if since is not None:
        query = query.where(CapacityEvent.at >= since)
    return connection.execute(query.limit(1)).first() is not None


_COLUMNS = ("id", "at", "run_id", "actor", "event", "ref", "detail")


def _hash(before: bytes, row: dict[str, Any]) -> bytes:
    shown = {name: row[name] for name in _COLUMNS}
    shown["at"] = row["at"].astimezone(dt.UTC).isoformat()
    line = json.dumps(shown, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(before + line.encode()).digest()
