"""Applies a scan's changes to the findings: one COPY and one statement, however many there are."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection as Driver
from sqlalchemy import Connection, text

from nightshift.domain.finding_matches import How, Match, Seen
from nightshift.domain.findings import Changes
from nightshift.domain.fingerprints import SCHEME
from nightshift.store.records import BatchId, OpenScan

ACTOR = "ingest"

_MAKE_TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_findings (
    action text NOT NULL, finding_id bigint, rule_id bigint, fingerprint bytea, ordinal bigint,
    context bytea, path text, line bigint, blob text, severity smallint, author_ignores boolean,
    message text, snippet text, event text, detail text
) ON COMMIT DELETE ROWS
"""
_TYPES = (
    "text int8 int8 bytea int8 bytea text int8 text int2 bool text text text text".split()  # noqa: SIM905 - one line reads better
)
_APPLY = """
WITH added AS (
    INSERT INTO findings (
        account_id, repository_id, scanner, rule_id, scheme, fingerprint, ordinal, context, path,
        line, blob, severity, state, author_ignores, message, snippet, opened_batch_id,
        first_seen_at, changed_at)
    SELECT r.account_id, r.id, :scanner, i.rule_id, :scheme, i.fingerprint, i.ordinal, i.context,
           i.path, i.line, i.blob, i.severity, 'open', i.author_ignores, i.message, i.snippet,
           :batch, :now, :now
    FROM incoming_findings i JOIN repositories r ON r.id = :repository
    WHERE i.action = 'open'
    ON CONFLICT DO NOTHING
    RETURNING id
), seen_again AS (
    UPDATE findings f
    SET fingerprint = i.fingerprint, ordinal = i.ordinal, context = i.context, path = i.path,
        line = i.line, blob = i.blob, severity = i.severity, author_ignores = i.author_ignores,
        message = i.message, snippet = i.snippet, unproved = 0, changed_at = :now,
        state = CASE i.action WHEN 'reopen' THEN 'reopened' ELSE f.state END,
        closed_batch_id = CASE i.action WHEN 'reopen' THEN NULL ELSE f.closed_batch_id END
    FROM incoming_findings i
    WHERE f.id = i.finding_id AND i.action IN ('update', 'reopen')
    RETURNING f.id, i.action, i.event, i.detail
), absent AS (
    UPDATE findings f
    SET state = CASE i.action WHEN 'fix' THEN 'fixed' ELSE f.state END,
        closed_batch_id = CASE i.action WHEN 'fix' THEN :batch ELSE f.closed_batch_id END,
        unproved = CASE i.action WHEN 'fix' THEN 0 ELSE f.unproved + 1 END,
        changed_at = CASE i.action WHEN 'fix' THEN :now ELSE f.changed_at END
    FROM incoming_findings i
    WHERE f.id = i.finding_id AND i.action IN ('fix', 'unproved')
    RETURNING f.id, i.action
), spans_opened AS (
    INSERT INTO finding_spans (finding_id, opened_batch_id)
    SELECT id, :batch FROM added
    UNION ALL SELECT id, :batch FROM seen_again WHERE action = 'reopen'
), spans_closed AS (
    UPDATE finding_spans s SET closed_batch_id = :batch
    FROM absent a
    WHERE a.action = 'fix' AND s.finding_id = a.id AND s.closed_batch_id IS NULL
), events AS (
    INSERT INTO finding_events (at, finding_id, batch_id, actor, event, detail)
    SELECT :now, id, :batch, :actor, 'opened', CAST(:opened_detail AS jsonb) FROM added
    UNION ALL
    SELECT :now, id, :batch, :actor, event, CAST(detail AS jsonb) FROM seen_again
    WHERE event IS NOT NULL
    UNION ALL
    SELECT :now, id, :batch, :actor, 'fixed', '{}' FROM absent WHERE action = 'fix'
)
SELECT (SELECT count(*) FROM added),
       (SELECT count(*) FROM seen_again WHERE action = 'update'),
       (SELECT count(*) FROM seen_again WHERE action = 'reopen'),
       (SELECT count(*) FROM absent WHERE action = 'fix'),
       (SELECT count(*) FROM absent WHERE action = 'unproved')
"""


@dataclass(frozen=True, slots=True)
class Target:
    """The scan that the changes belong to, and the time to note."""

    batch: BatchId
    scan: OpenScan
    now: dt.datetime


@dataclass(frozen=True, slots=True)
class Applied:
    """How many findings were changed, by what was done to them."""

    opened: int = 0
    updated: int = 0
    reopened: int = 0
    fixed: int = 0
    unproved: int = 0


def apply_changes(
    connection: Connection,
    target: Target,
    changes: Changes,
    rule_ids: Mapping[str, int],
    *,
    by_upgrade: bool,
) -> Applied:
    """Write changes, spans and events.

    :param rule_ids: the number of every rule that was seen.
    :param by_upgrade: new findings come from a new scanner at an unchanged commit.
    """
    rows = list(_rows(changes, rule_ids))
    if not rows:
        return Applied()
    connection.execute(text(_MAKE_TABLE))
    _copy(connection, rows)
    counts = connection.execute(
        text(_APPLY),
        {
            "scanner": target.scan.scanner,
            "repository": target.scan.repository_id,
            "scheme": SCHEME,
            "batch": target.batch,
            "now": target.now,
            "actor": ACTOR,
            "opened_detail": json.dumps({"by_upgrade": True} if by_upgrade else {}),
        },
    ).one()
    return Applied(*counts)


def _copy(connection: Connection, rows: list[tuple[Any, ...]]) -> None:
    driver = connection.connection.driver_connection
    if not isinstance(driver, Driver):
        raise TypeError("the store needs the driver psycopg")
    with (
        driver.cursor() as cursor,
        cursor.copy("COPY incoming_findings FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)


def _rows(changes: Changes, rule_ids: Mapping[str, int]) -> Iterator[tuple[Any, ...]]:
    for seen, ordinal in changes.opened:
        yield ("open", None, *_fields(seen, ordinal, rule_ids), None, None)
    for match in changes.updated:
        fields = _fields(match.seen, match.ordinal, rule_ids)
        yield ("update", match.known.id, *fields, *_event_of(match))
    for match in changes.reopened:
        fields = _fields(match.seen, match.ordinal, rule_ids)
        yield ("reopen", match.known.id, *fields, "reopened", "{}")
    nothing = (None,) * 13
    for known in changes.fixed:
        yield ("fix", known.id, *nothing)
    for known in changes.unproved:
        yield ("unproved", known.id, *nothing)


def _fields(seen: Seen, ordinal: int, rule_ids: Mapping[str, int]) -> tuple[Any, ...]:
    return (
        rule_ids[seen.rule],
        seen.fingerprint,
        ordinal,
        seen.context,
        seen.path,
        seen.line,
        seen.blob,
        seen.severity,
        seen.author_ignores,
        seen.message,
        seen.snippet,
    )


def _event_of(match: Match) -> tuple[str | None, str | None]:
    """Say what to note: a line that moved is no event, a new path or text is."""
    if match.how is How.EQUAL:
        return None, None
    detail = {"how": match.how.value, "path": match.known.path, "line": match.known.line}
    return "updated", json.dumps(detail)
