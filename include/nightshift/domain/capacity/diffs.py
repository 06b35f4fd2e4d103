"""A plan as a person reads it: what is lowered from what to what, what is left alone, and why.

Values only: rows, lines of text, JSON. Colours, tables and pages are somebody else's.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nightshift.domain.capacity.plans import NODES_TIER, Action, ActionKind, CapacityPlan, Skip
from nightshift.domain.capacity.targets import FieldName, describe_value
from nightshift.domain.counting import counted
from nightshift.domain.printable import printable_line
from nightshift.domain.windows.due import format_duration

_LONGEST = 300
_AT_THE_END = 10**9


class Sign(StrEnum):
    """What a row says; also its first column."""

    LOWER = "-"
    KEEP = "="
    REFUSED = "!"
    WAIT = "~"


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One line of a plan.

    :param change: ``replicas 5 -> 2``; "" where nothing changes.
    :param notes: warnings, one each.
    """

    sign: Sign
    tier: str
    ref: str
    change: str
    reason: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        return {
            "sign": str(self.sign),
            "tier": self.tier,
            "ref": self.ref,
            "change": self.change,
            "reason": self.reason,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """A plan's rows in its own order, and what they come to.

    :param title: policy, cluster, mode, window and hash.
    :param summary: one sentence each.
    """

    title: str
    rows: tuple[DiffRow, ...]
    summary: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        rows = [row.to_json() for row in self.rows]
        return {"title": self.title, "rows": rows, "summary": list(self.summary)}


def diff_plan(plan: CapacityPlan) -> PlanDiff:
    """Lay a plan out: what refuses or postpones it, then each tier's actions and skips."""
    return PlanDiff(_title(plan), tuple(_rows(plan)), tuple(_summary(plan)))


def diff_lines(diff: PlanDiff) -> list[str]:
    """Write a diff as plain lines with aligned columns."""
    ref_width = max((len(row.ref) for row in diff.rows), default=0)
    change_width = max((len(row.change) for row in diff.rows), default=0)
    lines, tier = [diff.title], ""
    for row in diff.rows:
        if row.tier != tier:
            tier = row.tier
            lines.append(f"{tier}:")
        if row.ref:
            cells = f"{row.ref:<{ref_width}}  {row.change:<{change_width}}"
            lines.append(f"  {row.sign} {cells}  {row.reason}".rstrip())
        else:
            lines.append(f"  {row.sign} {row.reason}")
        lines += [f"      note: {note}" for note in row.notes]
    return [*lines, "", *diff.summary]


def _title(plan: CapacityPlan) -> str:
    return (
        f"{plan.policy} on {printable_line(plan.cluster, 60)}, mode {plan.mode}, window "
        f"{_instant(plan.down)} to {_instant(plan.up)}, plan {plan.hash[:12]}"
    )


def _instant(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%a %Y-%m-%d %H:%MZ}"


def _rows(plan: CapacityPlan) -> Iterator[DiffRow]:
    for problem in plan.problems:
        yield DiffRow(Sign.REFUSED, "", "", "", _line(f"{problem.check}: {problem.message}"))
    for reason in plan.postpone:
        yield DiffRow(Sign.WAIT, "", "", "", _line(reason))
    tiers = dict.fromkeys((*plan.tiers(), *(skip.tier for skip in plan.skips)))
    ordered = sorted(tiers, key=lambda tier: _first_order(plan, tier))
    for tier in ordered:
        yield from (_action_row(one) for one in plan.of_tier(tier))
        yield from (_skip_row(one) for one in plan.skips if one.tier == tier)


def _first_order(plan: CapacityPlan, tier: str) -> int:
    """Sort tiers by their first action; those without any come last, but before the nodes."""
    actions = plan.of_tier(tier)
    if tier == NODES_TIER:
        return _AT_THE_END + 1
    return actions[0].order if actions else _AT_THE_END


def _action_row(action: Action) -> DiffRow:
    change = ", ".join(
        f"{name} {describe_value(action.before[name])} -> {describe_value(action.applied[name])}"
        for name in FieldName  # in one order, whatever the plan has come through
        if name in action.applied
    )
    if action.kind is ActionKind.REST_NODE:
        change = "cordon, drain, remove" if action.remove else "cordon, drain"
    notes = tuple(_line(warning) for warning in action.warnings)
    reason = _line(action.reason)
    return DiffRow(Sign.LOWER, action.tier, action.target.ref, change, reason, notes)


def _skip_row(skip: Skip) -> DiffRow:
    return DiffRow(Sign.KEEP, skip.tier, skip.ref, "", _line(f"{skip.check}: {skip.reason}"))


def _summary(plan: CapacityPlan) -> Iterable[str]:
    nodes = sum(one.kind is ActionKind.REST_NODE for one in plan.actions)
    others = len(plan.actions) - nodes
    evictions = sum(one.evictions for one in plan.actions)
    yield (
        f"{counted(others, 'target')} lowered, {nodes} of {counted(plan.risk.ready_nodes, 'node')} "
        f"{'rests' if nodes == 1 else 'rest'} with {counted(evictions, 'eviction')}, "
        f"{len(plan.skips)} left as {'it is' if len(plan.skips) == 1 else 'they are'}."
    )
    yield f"The window is {format_duration(plan.up - plan.down)} long."
    blocked = plan.why_not_apply()
    if blocked:
        yield f"Nothing of it may be applied: {'; '.join(map(_line, blocked))}."


def _line(text: str) -> str:
    """Make text that others may have written safe to show."""
    return printable_line(text, _LONGEST)
