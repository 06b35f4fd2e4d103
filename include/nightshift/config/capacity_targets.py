"""The tiers of a capacity policy: what is lowered, read from entries that passed the schema."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nightshift.config.faults import Faults
from nightshift.domain.capacity.policies_targets import (
    AutoscalerTarget,
    Barrier,
    CronJobTarget,
    Measure,
    OnTimeout,
    PoolTarget,
    Selection,
    Target,
    TargetKind,
    Tier,
    WorkloadTarget,
)
from nightshift.domain.capacity.selectors import LabelSelector, parse_label_selector

Step = tuple[str | int, ...]
Entry = Mapping[str, Any]

_DURATION = re.compile(r"([0-9]{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> dt.timedelta:
    """Read a duration.

    :raises ValueError: if it is none.

    >>> str(parse_duration("90m"))
    '1:30:00'
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:20]!r} is not a duration such as 30s, 90m, 4h or 2d")
    return dt.timedelta(**{_UNITS[found[2]]: int(found[1])})


def read_tiers(entries: Sequence[Entry], faults: Faults) -> tuple[Tier, ...]:
    """Read tiers; faults are noted at their paths, and a faulty target is left out."""
    tiers = []
    for index, entry in enumerate(entries):
        at: Step = ("spec", "tiers", index)
        targets = [
            read_target(item, (*at, "targets", number), faults)
            for number, item in enumerate(entry["targets"])
        ]
        barrier = entry.get("barrier")
        tiers.append(
            Tier(
                name=entry["name"],
                targets=tuple(one for one in targets if one is not None),
                depends_on=tuple(entry.get("dependsOn", ())),
                barrier=_read_barrier(barrier, (*at, "barrier"), faults) if barrier else None,
                verify=read_measures(entry.get("verify", ()), (*at, "verify"), faults),
            )
        )
    return tuple(tiers)


def read_target(entry: Entry, at: Step, faults: Faults) -> Target | None:
    """Read one target; None if it is faulty."""
    kind = TargetKind(entry["kind"])
    if kind is TargetKind.AIRFLOW_POOL:
        return PoolTarget(entry["name"], entry["slots"])
    selection = _read_selection(entry, at, faults)
    if selection is None:
        return None
    budget = entry.get("connectionBudget")
    match kind:
        case TargetKind.CRON_JOB:
            resume = entry.get("resume", {})
            return CronJobTarget(
                selection,
                resume.get("skipMissed", True),
                parse_duration(resume.get("stagger", "30s")),
            )
        case TargetKind.AUTOSCALER:
            return AutoscalerTarget(selection, entry["min"], entry["max"], budget)
        case _:
            return WorkloadTarget(
                kind, selection, entry["replicas"], entry.get("quorum", 0), budget
            )


def _read_selection(entry: Entry, at: Step, faults: Faults) -> Selection | None:
    named, chosen = "name" in entry, "selector" in entry
    if named is chosen:
        faults.add(at, "has both a name and a selector" if named else "lacks a name or a selector")
        return None
    if named and "ns" not in entry:
        faults.add(at, "lacks ns, the namespace of what is named")
        return None
    if named:
        return Selection(entry["ns"], entry["name"])
    selector = read_selector(entry["selector"], (*at, "selector"), faults)
    return None if selector is None else Selection(entry.get("ns"), None, selector)


def _read_barrier(entry: Entry, at: Step, faults: Faults) -> Barrier | None:
    selector = read_selector(entry["noPods"], (*at, "noPods"), faults)
    if selector is None:
        return None
    on_timeout = OnTimeout(entry.get("onTimeout", OnTimeout.SKIP_NODES))
    return Barrier(selector, parse_duration(entry["timeout"]), on_timeout)


def read_selector(text: str, at: Step, faults: Faults) -> LabelSelector | None:
    """Read a label selector; None if it is none."""
    return faults.collect(at, lambda: parse_label_selector(text))


def read_measures(entries: Sequence[Entry], at: Step, faults: Faults) -> tuple[Measure, ...]:
    """Read measures; each has one bound."""
    found = []
    for index, entry in enumerate(entries):
        if ("below" in entry) is ("above" in entry):
            faults.add((*at, index), "needs below or above, and not both")
            continue
        hold = parse_duration(entry.get("for", "0s"))
        found.append(Measure(entry["promql"], entry.get("below"), entry.get("above"), hold))
    return tuple(found)
