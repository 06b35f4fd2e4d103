"""The report of a window: measured, kept, and shown as a table and a plot.

The arithmetic is ``domain.capacity.savings``; this reads what it needs and lays out what it gives.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from nightshift.domain.capacity.plan_documents import parse_plan
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.savings import (
    Amount,
    BlockedNode,
    NodeInterval,
    Savings,
    measure_savings,
)
from nightshift.domain.leases.records import StepState
from nightshift.domain.windows.due import WindowId, window_id
from nightshift.domain.windows.spans import Window
from nightshift.store.capacity_events import list_events
from nightshift.store.capacity_leases import list_window_leases, read_window_end
from nightshift.store.capacity_records import RunRow, StepRecord
from nightshift.store.capacity_runs import list_runs, list_steps, save_report
from nightshift.store.engines import Connection, Engine, transaction
from nightshift.store.node_intervals import list_node_spans

_MOST_RUNS = 200
_WIDTH, _BAR, _LEFT, _TOP = 640, 22, 120, 46


def save_window_report(
    engine: Engine, policy: CapacityPolicy, window: Window, at: dt.datetime
) -> dict[str, Any]:
    """Measure a window, and keep what it saved for the trend."""
    name = window_id(policy.name, window)
    with transaction(engine) as connection:
        report = measure_window(connection, policy, window, at)
        save_report(connection, policy.name, name, report, at)
    return report


def measure_window(
    connection: Connection, policy: CapacityPolicy, window: Window, now: dt.datetime
) -> dict[str, Any]:
    """Measure a window from what the store knows; gives the report as JSON values."""
    name = window_id(policy.name, window)
    leases = list_window_leases(connection, name)
    is_back = bool(leases) and not any(lease.is_open for lease in leases)
    ready_at = read_window_end(connection, name) if is_back else None
    end = max(window.up, ready_at or window.up)
    intervals = [
        NodeInterval(one.node, one.pool, one.instance_type, one.started_at, one.ended_at)
        for one in list_node_spans(connection, policy.cluster, window.down, end)
    ]
    steps = list(_steps(connection, policy, name))
    savings = measure_savings(
        window,
        intervals,
        _blocked(steps, intervals),
        policy.cost,
        now=now,
        ready_at=ready_at,
    )
    return _to_json(savings, name, ready_at, steps, _conflicts(connection, name))


def _steps(
    connection: Connection, policy: CapacityPolicy, window: WindowId
) -> Iterator[tuple[RunRow, StepRecord]]:
    for run in list_runs(connection, policy.name, _MOST_RUNS):
        if _is_of(run, window):
            for step in list_steps(connection, run.id):
                yield run, step


def _is_of(run: RunRow, window: WindowId) -> bool:
    """Tell whether a run planned for a window."""
    try:
        return bool(run.plan) and parse_plan(run.plan).window == window
    except ValueError:
        return False


def _blocked(
    steps: Sequence[tuple[RunRow, StepRecord]], intervals: Sequence[NodeInterval]
) -> Iterator[BlockedNode]:
    known = {one.node: one for one in intervals}
    for run, step in steps:
        if step.state is StepState.BLOCKED:
            node = step.ref.rpartition("/")[2]
            seen = known.get(node)
            pool, kind = (seen.pool, seen.instance_type) if seen else ("", "")
            yield BlockedNode(node, pool, kind, run.started_at, step.reason)


def _conflicts(connection: Connection, window: WindowId) -> list[str]:
    return [
        f"{event['ref']}: {'; '.join(event['detail'].get('conflicts') or [])}"
        for event in list_events(connection, limit=1000)
        if event["event"] == "conflict" and str(event["detail"].get("lease")).startswith(window)
    ]


def _to_json(
    savings: Savings,
    window: WindowId,
    ready_at: dt.datetime | None,
    steps: Sequence[tuple[RunRow, StepRecord]],
    conflicts: list[str],
) -> dict[str, Any]:
    late = savings.ready.late
    return {
        "window": window,
        "down": savings.window.down.isoformat(),
        "up": savings.window.up.isoformat(),
        "currency": savings.currency,
        **{
            name: _amount(amount)
            for name, amount in (
                ("baseline", savings.baseline),
                ("actual", savings.actual),
                ("realised", savings.realised),
                ("overhead", savings.overhead),
                ("net", savings.net),
                ("blockedTotal", savings.blocked_total),
            )
        },
        "blocked": [
            {"node": one.node, "by": one.by, "amount": _amount(one.amount)}
            for one in savings.blocked
        ],
        "readyAt": ready_at.isoformat() if ready_at else None,
        "lateSeconds": None if late is None else late.total_seconds(),
        "evictions": sum(int(step.detail.get("evictions", 0)) for _, step in steps),
        "conflicts": conflicts,
    }


def _amount(amount: Amount) -> dict[str, float]:
    return {
        "hours": round(amount.hours, 2),
        "money": round(amount.money, 2),
        "unpriced": round(amount.unpriced, 2),
    }


def report_lines(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write the kept reports as a table, the newest last, and what needs a look below it."""
    if not reports:
        return ["no window has been measured yet"]
    head = ("window", "node hours", "saved", "overhead", "net", "blocked", "ready", "late")
    rows = [head, *(_row(one) for one in reports)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    newest = reports[-1]
    for one in newest["blocked"]:
        lines.append(f"blocked: {one['node']} ({_say(one['amount'], newest)}): {one['by']}")
    return lines + [f"changed by people: {one}" for one in newest["conflicts"]]


def plot_reports(reports: Sequence[Mapping[str, Any]]) -> str:
    """Draw net node hours, window by window, as bars: an SVG that any browser shows."""
    most = max((abs(one["net"]["hours"]) for one in reports), default=0.0) or 1.0
    height = _TOP + _BAR * max(len(reports), 1) + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="10" y="22" font-size="15">Net node hours saved, window by window</text>',
    ]
    for place, one in enumerate(reports):
        hours, y = one["net"]["hours"], _TOP + place * _BAR
        width = (_WIDTH - _LEFT - 190) * abs(hours) / most
        colour = "#2a7" if hours >= 0 else "#c33"
        parts += [
            f'<text x="10" y="{y + 14}">{escape(str(one["down"])[:10])}</text>',
            f'<rect x="{_LEFT}" y="{y + 3}" width="{width:.1f}" height="{_BAR - 8}" '
            f'fill="{colour}"/>',
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + 14}">'
            f"{escape(_say(one['net'], one))}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    late = one["lateSeconds"]
    return (
        str(one["down"])[:16].replace("T", " "),
        f"{one['baseline']['hours']:.1f}",
        _say(one["realised"], one),
        _say(one["overhead"], one),
        _say(one["net"], one),
        str(len(one["blocked"])),
        str(one["readyAt"] or "not yet")[:16].replace("T", " "),
        "-" if late is None else "no" if late == 0 else f"{late / 60:.0f} min",
    )


def _say(amount: Mapping[str, float], report: Mapping[str, Any]) -> str:
    """Say hours, and money as far as prices are known."""
    hours = f"{amount['hours']:.1f} h"
    if not report["currency"] or amount["unpriced"] == amount["hours"] != 0:
        return hours
    return f"{hours}, {amount['money']:.2f} {report['currency']}"
