"""Nodes as bars of text, for logs: ``█`` is used, ``▒`` is planned, ``░`` stays free.

>>> draw_bar(0.25, 0.5, 8)
'██▒▒▒▒░░'
"""

from collections.abc import Sequence

from nightshift.domain.steering.grouping import Row, choose_rows
from nightshift.domain.steering.usage import NodeUse

LETTERS = 20
_LONGEST_LABEL = 32


def draw_bars(uses: Sequence[NodeUse]) -> list[str]:
    """Write a line a node, CPU and memory, before and after, with the reason.

    Of many nodes some are shown, and the others summed up; see ``choose_rows``.
    """
    rows = choose_rows(uses)
    width = min(_LONGEST_LABEL, max((len(row.label) for row in rows), default=0))
    return [_line(row, width) for row in rows]


def draw_bar(used: float, planned: float, letters: int = LETTERS) -> str:
    """Draw one bar; what is planned shows as one letter at least, unless the bar is full."""
    filled = min(letters, max(0, round(used * letters)))
    least = 1 if planned > 0 else 0
    added = min(letters - filled, max(least, round((used + planned) * letters) - filled))
    return "█" * filled + "▒" * added + "░" * (letters - filled - added)


def _line(row: Row, width: int) -> str:
    parts = [
        f"{name} {draw_bar(used, planned)} {used:4.0%} -> {used + planned:4.0%}"
        for name, used, planned in zip(("cpu", "memory"), row.used, row.planned, strict=True)
    ]
    return f"{row.label[:width]:{width}}  {'  '.join(parts)}  {row.why}"
