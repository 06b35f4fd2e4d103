"""Draws nodes as bars of used, planned and free CPU and memory, before and after a plan.

SVG that follows a page's light or dark scheme; each bar tells its numbers and its reason when the
mouse rests on it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import drawsvg

from nightshift.domain.steering.grouping import RESOURCES, Row, choose_rows, slice_cluster
from nightshift.domain.steering.usage import NodeUse

WIDTH = 1200
MARGIN = 24
_NAME, _BARS, _BAR, _WHY = 24, (206, 456), 230, 716
_ROW, _BEFORE, _AFTER = 26, 5, 10
_STRIP = 84
_FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"
_WHY_LETTERS, _NAME_LETTERS = 68, 24


class Theme(StrEnum):
    """Colours: those of the page that shows it, or fixed ones."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


_COLOURS: Mapping[Theme, Mapping[str, str]] = MappingProxyType({
    Theme.LIGHT: {
        **{"back": "#ffffff", "text": "#1f2630", "dim": "#5b6675"},
        **{"free": "#e4e8ee", "used": "#8b97a8", "plan": "#d9730d", "over": "#c4314b"},
    },
    Theme.DARK: {
        **{"back": "#14181f", "text": "#e8ebf0", "dim": "#a3adba"},
        **{"free": "#2b323d", "used": "#7c899b", "plan": "#f2994a", "over": "#ff6b81"},
    },
})


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the bars: a title, and lines that sum the plan up."""

    title: str
    lines: tuple[str, ...] = ()


def draw_nodes(uses: Sequence[NodeUse], heading: Heading, theme: Theme = Theme.AUTO) -> str:
    """Draw a plan's nodes as SVG text.

    Up to 40 nodes are drawn one by one. Of more, the most used ones are, the others are summed up,
    and a strip shows the whole cluster.
    """
    rows = choose_rows(uses)
    whole = len(uses) > len(rows)
    top = MARGIN + 24 + 18 * len(heading.lines) + 32
    strip = _STRIP + 44 if whole else 0
    height = top + strip + 30 + _ROW * max(1, len(rows)) + MARGIN + (20 if whole else 0)
    picture = drawsvg.Drawing(WIDTH, height, font_family=_FONT)
    picture.append_css(_style(theme))
    picture.append(drawsvg.Rectangle(0, 0, WIDTH, height, class_="back"))
    for part in _heading(heading):
        picture.append(part)
    _append(picture, _legend(top - 10))
    if whole:
        _append(picture, _strips(uses, top + 22))
    _append(picture, _table(rows, top + strip + 14))
    if whole:
        alone = sum(1 for row in rows if not row.is_group)
        note = (
            f"{alone} of {len(uses):,} nodes are drawn one by one, those that the plan fills most; "
            "the others are summed up by what becomes of them."
        )
        picture.append(_text(note, _NAME, height - MARGIN + 4, "dim", 12))
    return str(picture.as_svg())


def _style(theme: Theme) -> str:
    if theme is not Theme.AUTO:
        return _rules(theme)
    return f"{_rules(Theme.LIGHT)}@media (prefers-color-scheme: dark){{{_rules(Theme.DARK)}}}"


def _rules(theme: Theme) -> str:
    """Write plain colours: renderers of pictures know neither variables nor media queries."""
    return "".join(f".{name}{{fill:{colour}}}" for name, colour in _COLOURS[theme].items())


def _heading(heading: Heading) -> Iterator[drawsvg.Text]:
    yield _text(heading.title, _NAME, MARGIN + 14, "text", 20, weight="600")
    for number, line in enumerate(heading.lines):
        yield _text(_cut(line, 165), _NAME, MARGIN + 38 + 18 * number, "dim", 13)


def _legend(y: float) -> Iterator[drawsvg.DrawingElement]:
    x: float = _NAME
    for name, words in (("used", "used"), ("plan", "planned"), ("free", "free")):
        yield drawsvg.Rectangle(x, y - 10, 14, 10, rx=2, class_=name)
        yield _text(words, x + 20, y, "dim", 12)
        x += 40 + 7 * len(words)
    yield _text("thin bar: before; thick bar: after", x + 6, y, "dim", 12)


def _strips(uses: Sequence[NodeUse], y: float) -> Iterator[drawsvg.DrawingElement]:
    """Draw the whole cluster twice, CPU and memory: nodes from left to right, most used first."""
    width = (WIDTH - 2 * MARGIN - 40) / 2
    for number, resource in enumerate(RESOURCES):
        x = MARGIN + number * (width + 40)
        words = f"{_title(resource)} of all {len(uses):,} nodes, the fullest first"
        yield _text(words, x, y, "text", 13, weight="600")
        yield drawsvg.Rectangle(x, y + 8, width, _STRIP, class_="free")
        columns = slice_cluster(uses, resource)
        step = width / max(1, len(columns))
        for index, column in enumerate(columns):
            left, base = x + index * step, y + 8 + _STRIP
            used = min(1.0, column.used) * _STRIP
            planned = min(1.0 - min(1.0, column.used), column.planned) * _STRIP
            wide = step + 0.3  # no hairlines between neighbours
            if used:
                yield drawsvg.Rectangle(left, base - used, wide, used, class_="used")
            if planned:
                top = base - used - planned
                yield drawsvg.Rectangle(left, top, wide, planned, class_="plan")


def _table(rows: Sequence[Row], y: float) -> Iterator[drawsvg.DrawingElement]:
    for words, x in zip(("node", "CPU", "memory", "why"), (_NAME, *_BARS, _WHY), strict=True):
        yield _text(words, x, y, "text", 13, weight="600")
    if not rows:
        yield _text("the cluster has no nodes", _NAME, y + _ROW, "dim", 12)
    for number, row in enumerate(rows):
        yield from _draw_row(row, y + 12 + number * _ROW)


def _draw_row(row: Row, y: float) -> Iterator[drawsvg.DrawingElement]:
    style = "dim" if row.is_group else "text"
    yield _text(_cut(row.label, _NAME_LETTERS), _NAME, y + 14, style, 12)
    for index, x in enumerate(_BARS):
        used, planned = row.used[index], row.planned[index]
        told = (
            f"{row.label}: {RESOURCES[index]} used {used:.0%}, planned {planned:.0%}, "
            f"free {1 - used - planned:.0%}; {row.reason}"
        )
        bar = drawsvg.Group()
        bar.append_title(_safe(told))
        _append(bar, _bar(x, y + 2, _BEFORE, used, 0.0))
        _append(bar, _bar(x, y + 3 + _BEFORE, _AFTER, used, planned))
        yield bar
    why = _text(_cut(row.why, _WHY_LETTERS), _WHY, y + 14, "dim", 12)
    why.append_title(_safe(row.reason))
    yield why


def _bar(
    x: float, y: float, height: float, used: float, planned: float
) -> Iterator[drawsvg.Rectangle]:
    """Draw one bar of a node; what goes beyond what it has is a mark at its end."""
    yield drawsvg.Rectangle(x, y, _BAR, height, rx=2, class_="free")
    filled = min(max(used, 0.0), 1.0)
    if filled:
        yield drawsvg.Rectangle(x, y, filled * _BAR, height, rx=2, class_="used")
    added = min(max(planned, 0.0), 1.0 - filled)
    if added:
        left = x + filled * _BAR
        yield drawsvg.Rectangle(left, y, added * _BAR, height, rx=2, class_="plan")
    if used + planned > 1.0 + 1e-9:
        yield drawsvg.Rectangle(x + _BAR - 3, y, 6, height, class_="over")


def _text(
    words: str, x: float, y: float, style: str, size: int, weight: str = "400"
) -> drawsvg.Text:
    return drawsvg.Text(_safe(words), size, x, y, class_=style, font_weight=weight)


def _safe(words: str) -> str:
    """Replace what XML does not allow or nobody sees; names and reasons come from the cluster."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in words)


def _title(resource: str) -> str:
    return "CPU" if resource == "cpu" else "Memory"


def _cut(words: str, letters: int) -> str:
    return words if len(words) <= letters else f"{words[: letters - 1]}…"


def _append(parent: "drawsvg.Drawing | drawsvg.Group", parts: Iterator[object]) -> None:
    for part in parts:
        parent.append(part)
