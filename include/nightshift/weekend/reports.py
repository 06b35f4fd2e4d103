"""The report of a window: measured, kept, and shown as a table and a plot."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from nightshift.domain.capacity.plan_documents import parse_plan
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.leases.records import StepState
from nightshift.domain.windows.due import window_id
from nightshift.domain.windows.spans import Window
from nightshift.store.capacity_events import list_events
from nightshift.store.capacity_leases import list_window_leases, read_window_end
from nightshift.store.capacity_records import RunRow
from nightshift.store.capacity_runs import list_runs, list_steps, save_report
from nightshift.store.engines import Connection, Engine, transaction
from nightshift.store.node_intervals import list_node_spans
from nightshift.weekend.savings import Blocked, Savings, measure

_MOST_RUNS = 200
_WIDTH, _BAR, _LEFT, _TOP = 640, 22, 190, 46


def save_window_report(
    engine: Engine, policy: CapacityPolicy, window: Window, at: dt.datetime
) -> Savings:
    """Measure a window that is over, and keep what it saved."""
    with transaction(engine) as connection:
        savings = measure_window(connection, policy, window)
        save_report(connection, policy.name, savings.window, savings.to_json(), at)
    return savings


def measure_window(connection: Connection, policy: CapacityPolicy, window: Window) -> Savings:
    """Measure a window from what the store knows."""
    name = window_id(policy.name, window)
    spans = list_node_spans(connection, policy.cluster, window.down, window.up)
    price_of = policy.cost.price_of if policy.cost else lambda _: None
    savings = measure(window, name, spans, price_of, policy.cost.currency if policy.cost else "")
    leases = list_window_leases(connection, name)
    ended = None
    if leases and not any(lease.is_open for lease in leases):
        ended = read_window_end(connection, name)
    steps = [
        step
        for run in list_runs(connection, policy.name, _MOST_RUNS)
        if _is_of(run, name)
        for step in list_steps(connection, run.id)
    ]
    hours = (window.up - window.down).total_seconds() / 3600
    types = {span.node: span.instance_type for span in spans}
    blocked = []
    for step in steps:
        if step.state is StepState.BLOCKED:
            node = step.ref.rpartition("/")[2]
            price = price_of(types.get(node, ""))
            cost = None if price is None else round(price * hours, 2)
            blocked.append(Blocked(node, step.reason, cost))
    conflicts = [
        f"{event['ref']}: {'; '.join(event['detail'].get('conflicts') or [])}"
        for event in list_events(connection, limit=1000)
        if event["event"] == "conflict" and str(event["detail"].get("lease")).startswith(name)
    ]
    return dataclasses.replace(
        savings,
        blocked=tuple(blocked),
        evictions=sum(int(step.detail.get("evictions", 0)) for step in steps),
        back_at=ended,
        conflicts=tuple(conflicts),
    )


def report_lines(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write the kept reports as a table, the newest last, and what needs a look below it."""
    if not reports:
        return ["no window has been measured yet"]
    head = ("window", "node hours", "saved hours", "saved", "blocked", "back at", "on time")
    rows = [head, *(_row(one) for one in reports)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    newest = reports[-1]
    for one in newest.get("blocked") or []:
        lines.append(f"blocked: {one['node']}: {one['reason']}")
    lines += [f"changed by people: {one}" for one in newest.get("conflicts") or []]
    return lines


def plot_reports(reports: Sequence[Mapping[str, Any]]) -> str:
    """Draw saved node hours a window as bars: an SVG that any browser shows."""
    most = max((float(one.get("savedHours") or 0) for one in reports), default=0.0) or 1.0
    height = _TOP + _BAR * max(len(reports), 1) + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="10" y="22" font-size="15">Node hours saved, window by window</text>',
    ]
    for place, one in enumerate(reports):
        hours = float(one.get("savedHours") or 0)
        y = _TOP + place * _BAR
        width = max(0.0, (_WIDTH - _LEFT - 150) * hours / most)
        label = escape(f"{one.get('down', '')}"[:10])
        money = _money(one)
        parts += [
            f'<text x="10" y="{y + 14}">{label}</text>',
            f'<rect x="{_LEFT}" y="{y + 3}" width="{width:.1f}" height="{_BAR - 8}" fill="#2a7"/>',
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + 14}">{hours:.1f} h '
            f"{escape('' if money == '-' else money)}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    on_time = {True: "yes", False: "no", None: "-"}[one.get("onTime")]
    return (
        str(one.get("down", ""))[:16].replace("T", " "),
        f"{one.get('baselineHours', 0):.1f}",
        f"{one.get('savedHours', 0):.1f}",
        _money(one),
        str(len(one.get("blocked") or [])),
        str(one.get("backAt") or "-")[:16].replace("T", " "),
        on_time,
    )


def _money(one: Mapping[str, Any]) -> str:
    saved = one.get("saved")
    return "-" if saved is None else f"{saved:.2f} {one.get('currency', '')}".strip()


def _is_of(run: RunRow, window: str) -> bool:
    """Tell whether a run planned for a window."""
    try:
        return bool(run.plan) and parse_plan(run.plan).window == window
    except ValueError:
        return False
