"""What people are told about a weekend: one short message an event, made from values alone.

A message holds names, counts and reasons, never a connection; whatever looks like a secret in a
reason is masked all the same. Who is told is the policy's ``notify``.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nightshift.domain.capacity.diffs import diff_lines, diff_plan
from nightshift.domain.capacity.plans import CapacityPlan
from nightshift.domain.capacity.policies_rules import NotifyOn
from nightshift.domain.counting import counted
from nightshift.domain.printable import printable, printable_line
from nightshift.domain.redaction import mask_runs
from nightshift.domain.windows.due import format_duration

_MOST_LINES = 40
_LONGEST = 4000
_LONGEST_REASON = 500
_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody is told.

    :param key: what it is about: the same key is told once.
    :param again_after: it may be told again after so long; None is never.
    """

    on: NotifyOn
    title: str
    body: str
    key: str
    again_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Stayed:
    """A step that was blocked: what stays as it is (``Node/n2``), and why (pod, budgets)."""

    ref: str
    reason: str


def plan_message(plan: CapacityPlan, link: str = "") -> Message:
    """Tell that a plan is ready: what it would do, and why it may not, in its own words."""
    diff = diff_plan(plan)
    title = f"Weekend plan of {plan.policy} on {plan.cluster}: {diff.summary[0]}"
    return _message(NotifyOn.PLAN, title, _cut(diff_lines(diff)), link, plan.hash)


def approval_message(
    plan: CapacityPlan, why: Sequence[str], timeout: timedelta, link: str = ""
) -> Message:
    """Ask a person to approve a plan; the link leads to the form."""
    lines = [
        *why,
        f"Nobody within {format_duration(timeout)} means no.",
        f"Without the form: nightshift capacity apply --approve {plan.hash[:12]}",
        "",
        *diff_plan(plan).summary,
    ]
    title = f"Approve the weekend plan of {plan.policy} on {plan.cluster}?"
    return _message(NotifyOn.APPROVAL, title, lines, link, plan.hash)


def blocked_message(plan: CapacityPlan, stayed: Sequence[Stayed], link: str = "") -> Message:
    """Tell which nodes stay, and which pods and budgets kept them."""
    lines = [f"{one.ref}: {one.reason}" for one in stayed]
    title = f"{counted(len(stayed), 'node')} could not rest on {plan.cluster}"
    return _message(NotifyOn.BLOCKED, title, lines, link, _digest(plan.window, *lines))


def failed_message(policy: str, task: str, reason: str, link: str = "") -> Message:
    """Tell that a task failed. The same failure is told once a day, whatever its numbers are."""
    lines = [reason[:_LONGEST_REASON]]
    key = _digest(policy, task, _NUMBER.sub("#", lines[0]))
    title = f"Weekend of {policy}: {task} failed"
    return _message(NotifyOn.FAILED, title, lines, link, key, timedelta(days=1))


def savings_message(policy: str, report: Mapping[str, Any], table: Sequence[str]) -> Message:
    """Tell what a window saved.

    :param table: the report as lines.
    """
    title = f"Weekend of {policy}: what the window of {str(report['down'])[:10]} saved"
    return _message(NotifyOn.SAVINGS, title, table, "", str(report["window"]))


def _message(
    on: NotifyOn,
    title: str,
    lines: Sequence[str],
    link: str,
    about: str,
    again_after: timedelta | None = None,
) -> Message:
    body = _safe("\n".join(lines))[: _LONGEST - len(link) - 2]
    return Message(
        on,
        printable_line(_safe(title), 200),
        f"{body}\n\n{link}".strip() if link else body.strip(),
        f"{on}:{about}",
        again_after,
    )


def _cut(lines: Sequence[str]) -> list[str]:
    left = len(lines) - _MOST_LINES
    more = [f"... and {counted(left, 'more line')}"] if left > 0 else []
    return [*lines[:_MOST_LINES], *more]


def _safe(text: str) -> str:
    """Mask logins in addresses and what looks like a token."""
    return printable(mask_runs(_LOGIN.sub("***@", text)), _LONGEST)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
