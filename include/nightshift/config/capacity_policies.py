"""The capacity policy (``capacity.yaml``): read and checked whole, every fault reported at once."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nightshift.config.calendars import Span, read_calendars
from nightshift.config.capacity_pools import read_budgets, read_limits, read_pools
from nightshift.config.capacity_rules import (
    read_approval,
    read_cost,
    read_guard,
    read_notifications,
    read_restore,
)
from nightshift.config.capacity_targets import parse_duration, read_selector, read_tiers
from nightshift.config.documents import MEGABYTE, parse_plain_yaml, read_text
from nightshift.config.faults import Faults
from nightshift.config.schemas import find_faults
from nightshift.config.time_zones import read_zone
from nightshift.domain.capacity.policies import (
    CapacityPolicy,
    Mode,
    Protection,
    parse_policy_name,
)
from nightshift.domain.capacity.policy_checks import check_policy
from nightshift.domain.windows.schedules import LateRules, Schedule, WeeklyWindow
from nightshift.domain.windows.walltimes import (
    Ambiguous,
    DstRules,
    Nonexistent,
    parse_day_time,
    parse_week_time,
)

POLICY = "capacity.yaml"
_BEHIND = dt.timedelta(days=62)
_AHEAD = dt.timedelta(days=2 * 366)
_ALWAYS_PROTECTED = frozenset({"kube-system"})


def read_capacity_policy(path: Path, today: dt.date) -> CapacityPolicy:
    """Read and check a policy with its calendars and prices, for two years from ``today``.

    :raises ConfigError: if it cannot be read or is no YAML, with the line and column.
    :raises ConfigErrors: with every other fault of the file and its path.
    """
    return parse_capacity_policy(read_text(path, max_bytes=MEGABYTE), path.parent, today, path.name)


def parse_capacity_policy(
    text: str, folder: Path, today: dt.date, source: str = POLICY
) -> CapacityPolicy:
    """Check the text of a policy.

    :param folder: where its calendars and prices are.
    :param source: what messages call it.
    :raises ConfigError: if it is no YAML, with the line and column.
    :raises ConfigErrors: with every other fault, such as ``spec.tiers[0].targets[1].max``.
    """
    document, faults = parse_plain_yaml(text, source), Faults(source)
    for path, problem in find_faults("capacity", document):
        faults.add(path, problem)
    faults.raise_if_any()  # the rest is about what the words mean
    policy = _read_policy(document, folder, today, faults)
    faults.raise_if_any()
    for fault in check_policy(policy, today):
        faults.add(fault.path, fault.problem)
    faults.raise_if_any()
    return policy


def _read_policy(
    document: Mapping[str, Any], folder: Path, today: dt.date, faults: Faults
) -> CapacityPolicy:
    meta, spec = document["metadata"], document["spec"]
    schedule, sources = _read_schedule(spec["schedule"], folder, today, faults)
    cost, prices = None, b""
    if "cost" in spec:
        cost, prices = read_cost(spec["cost"], folder, faults)
    return CapacityPolicy(
        name=parse_policy_name(meta["name"]),
        owner=meta["owner"],
        cluster=meta["cluster"],
        mode=Mode(spec["mode"]),
        schedule=schedule,
        tiers=read_tiers(spec.get("tiers", ()), faults),
        node_pools=read_pools(spec.get("nodePools", ()), faults),
        protect=_read_protection(spec.get("protect", {}), faults),
        approval=read_approval(spec.get("approval", {}).get("down", {})),
        limits=read_limits(spec.get("limits", {}), faults),
        restore=read_restore(spec.get("restore", {}), faults),
        budgets=read_budgets(spec.get("connectionBudgets", {})),
        guard=read_guard(spec.get("guard", {})),
        cost=cost,
        notify=read_notifications(spec.get("notify", ())),
        prometheus=spec.get("prometheus"),
        digest=_digest(document, [*sources, prices]),
    )


def _digest(document: Mapping[str, Any], sources: list[bytes]) -> str:
    """Name the content, not the layout: comments and the order of keys do not count."""
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for source in sources:
        digest.update(hashlib.sha256(source).digest())
    return digest.hexdigest()


def _read_schedule(
    entry: Mapping[str, Any], folder: Path, today: dt.date, faults: Faults
) -> tuple[Schedule, tuple[bytes, ...]]:
    name = entry["timezone"]
    zone = faults.collect(("spec", "schedule", "timezone"), lambda: read_zone(name))
    span = Span(today - _BEHIND, today + _AHEAD)
    calendars = read_calendars(entry, span, folder, faults)
    ready_by = entry.get("readyBy")
    schedule = Schedule(
        zone=zone or dt.UTC,
        zone_name=name,
        windows=tuple(
            WeeklyWindow(one["name"], parse_week_time(one["down"]), parse_week_time(one["up"]))
            for one in entry["windows"]
        ),
        days=calendars.days,
        dst=_read_dst(entry.get("dst", {})),
        ready_by=None if ready_by is None else parse_day_time(ready_by),
        late=_read_late(entry.get("late", {}).get("down", {})),
    )
    return schedule, calendars.sources


def _read_dst(entry: Mapping[str, str]) -> DstRules:
    usual = DstRules()
    return DstRules(
        Nonexistent(entry.get("nonexistent", usual.nonexistent)),
        Ambiguous(entry.get("ambiguous", usual.ambiguous)),
    )


def _read_late(entry: Mapping[str, str]) -> LateRules:
    delay = entry.get("maxDelay", "4h")
    return LateRules(None if delay == "unlimited" else parse_duration(delay))


def _read_protection(entry: Mapping[str, Any], faults: Faults) -> Protection:
    selectors = [
        read_selector(text, ("spec", "protect", "podSelectors", index), faults)
        for index, text in enumerate(entry.get("podSelectors", ()))
    ]
    named = Protection(
        namespaces=_ALWAYS_PROTECTED | frozenset(entry.get("namespaces", ())),
        node_pools=frozenset(entry.get("nodePools", ())),
    )
    return replace(named, pods=tuple(one for one in selectors if one is not None))
