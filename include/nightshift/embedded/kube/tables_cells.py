"""Cells that many tables share: names, ages, lists of labels and of images."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from nightshift.embedded.kube.interfaces import Object

Cell = Callable[[Object, dt.datetime], object]
"""Reads a cell from an object at a time."""

NONE = "<none>"
_STEPS = (  # as apimachinery's HumanDuration: (below this many seconds, units to show)
    (120, (("s", 1),)),
    (600, (("m", 60), ("s", 1))),
    (3 * 3600, (("m", 60),)),
    (8 * 3600, (("h", 3600), ("m", 60))),
    (48 * 3600, (("h", 3600),)),
    (8 * 86400, (("d", 86400), ("h", 3600))),
    (2 * 365 * 86400, (("d", 86400),)),
    (8 * 365 * 86400, (("y", 365 * 86400), ("d", 86400))),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; ``priority`` 1 is shown by ``-o wide`` only."""

    name: str
    read: Cell
    type: str = "string"
    priority: int = 0


def human_duration(seconds: float) -> str:
    """Write a duration as kubectl does: 45s, 3m12s, 5h, 2d3h."""
    whole = int(seconds)
    if whole < 0:
        return "0s" if whole >= -1 else "<invalid>"
    units: tuple[tuple[str, int], ...] = (("y", 365 * 86400),)
    for below, shown in _STEPS:
        if whole < below:
            units = shown
            break
    text, rest = "", whole
    for index, (unit, size) in enumerate(units):
        count, rest = divmod(rest, size)
        if count or index == 0:
            text += f"{count}{unit}"
    return text


def parse_time(text: object) -> dt.datetime | None:
    """Read an RFC 3339 time; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


def age(text: object, now: dt.datetime) -> str:
    """Write how long ago a time was."""
    then = parse_time(text)
    return "<unknown>" if then is None else human_duration((now - then).total_seconds())


def at(obj: Object, path: str, default: Any = None) -> Any:  # noqa: ANN401 - JSON
    """Read a nested field; ``default`` where it is missing or null."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return default if value is None else value


def field(path: str, default: object = "") -> Cell:
    """Make a cell that shows one field."""
    return lambda obj, _: at(obj, path, default)


def joined(values: Iterable[object], default: str = NONE) -> str:
    """Write values with commas between them."""
    return ",".join(str(value) for value in values) or default


def label_text(labels: Object | None) -> str:
    """Write a map of labels as ``a=b,c=d``."""
    return joined(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def selector_text(selector: Object | None) -> str:
    """Write a LabelSelector as kubectl does."""
    if not selector:
        return NONE
    operators = {"In": "in", "NotIn": "notin"}
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for item in selector.get("matchExpressions") or ():
        if item["operator"] in operators:
            values = ",".join(item.get("values") or ())
            parts.append(f"{item['key']} {operators[item['operator']]} ({values})")
        else:
            parts.append(item["key"] if item["operator"] == "Exists" else f"!{item['key']}")
    return joined(parts)


def template_columns(template: str = "spec.template") -> tuple[Column, ...]:
    """Make the wide columns of a workload: its containers, images and selector."""

    def containers(obj: Object) -> list[Object]:
        found: list[Object] = at(obj, f"{template}.spec.containers", [])
        return found

    return (
        Column("Containers", lambda o, _: joined(c["name"] for c in containers(o)), priority=1),
        Column(
            "Images", lambda o, _: joined(c.get("image", "") for c in containers(o)), priority=1
        ),
        Column("Selector", lambda o, _: selector_text(at(o, "spec.selector")), priority=1),
    )


NAME = Column("Name", lambda obj, _: obj["metadata"]["name"])
AGE = Column("Age", lambda obj, now: age(obj["metadata"].get("creationTimestamp"), now))
