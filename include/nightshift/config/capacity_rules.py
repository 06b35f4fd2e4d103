"""Approval, restore, guard, cost and notifications of a capacity policy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from nightshift.config.calendars import read_beside
from nightshift.config.capacity_targets import Entry, Step, parse_duration
from nightshift.config.documents import parse_plain_yaml
from nightshift.config.faults import Faults
from nightshift.config.schemas import find_faults
from nightshift.domain.capacity.policies_rules import (
    Approval,
    Cost,
    Guard,
    Notification,
    NotifyOn,
    OnConflict,
    Required,
    RestoreRules,
    SignalName,
    Waves,
)
from nightshift.domain.capacity.policies_targets import TargetKind, TargetRef


def read_approval(entry: Entry) -> Approval:
    """Read who is asked; without an entry it is the first run and every change of the policy."""
    asked, usual = entry.get("requiredIf", {}), Approval()
    named = isinstance(asked, str)
    conditions: Entry = {} if isinstance(asked, str) else asked
    pct = conditions.get("nodesRemovedPct")
    return Approval(
        required=Required(asked) if named else Required.CONDITIONS,
        first_run=conditions.get("firstRun", usual.first_run),
        policy_changed=conditions.get("policyChanged", usual.policy_changed),
        nodes_removed_above_pct=None if pct is None else int(pct.removeprefix(">")),
        tiers=tuple(conditions.get("tiers", ())),
        users=tuple(entry.get("users", ())),
        timeout=parse_duration(entry.get("timeout", "2h")),
    )


def read_restore(entry: Entry, faults: Faults) -> RestoreRules:
    """Read how a window's end undoes its begin."""
    waves, usual = entry.get("waves", {}), Waves()
    rules = dict(entry.get("onConflict", {}))
    default = OnConflict(rules.pop("default", OnConflict.MAX))
    exceptions = {}
    for text, rule in rules.items():
        at: Step = ("spec", "restore", "onConflict", text)
        target = faults.collect(at, lambda text=text: parse_target_ref(text))  # type: ignore[misc]  # bound now
        if target is not None:
            exceptions[target] = OnConflict(rule)
    return RestoreRules(
        waves=Waves(
            hpa_min_step=waves.get("hpaMinStep", usual.hpa_min_step),
            every=parse_duration(waves.get("every", "2m")),
            max_pending=waves.get("maxPending", usual.max_pending),
            wait_ready=waves.get("waitReady", usual.wait_ready),
        ),
        on_conflict=default,
        exceptions=MappingProxyType(exceptions),
    )


def parse_target_ref(text: str) -> TargetRef:
    """Read ``Kind/namespace/name``, or ``AirflowPool/name``.

    :raises ValueError: if it is neither.

    >>> str(parse_target_ref("StatefulSet/app/store"))
    'StatefulSet/app/store'
    """
    kind, *rest = text.split("/")
    if kind not in list(TargetKind):
        raise ValueError(f"{kind[:40]!r} is no kind; kinds are {', '.join(TargetKind)}")
    wanted = 1 if kind == TargetKind.AIRFLOW_POOL else 2
    if len(rest) != wanted or not all(rest):
        form = f"{kind}/name" if wanted == 1 else f"{kind}/namespace/name"
        raise ValueError(f"is not of the form {form}")
    return TargetRef(TargetKind(kind), *(rest if wanted == 2 else ("", *rest)))


def read_guard(entry: Entry) -> Guard:
    """Read when scale-up is frozen."""
    freeze, usual = entry.get("freeze", {}), Guard()
    return Guard(
        requests_ratio=freeze.get("requestsRatio", usual.requests_ratio),
        useful_work_ratio=freeze.get("usefulWorkRatio", usual.useful_work_ratio),
        unready_pct=freeze.get("unreadyPct", usual.unready_pct),
        ttl=parse_duration(freeze.get("ttl", "30m")),
        node_cap=entry.get("nodeCap"),
        cost_alarm_ratio=entry.get("costAlarmRatio", usual.cost_alarm_ratio),
        signals=MappingProxyType({
            SignalName(name): query for name, query in entry.get("signals", {}).items()
        }),
    )


def read_cost(entry: Entry, folder: Path, faults: Faults) -> tuple[Cost | None, bytes]:
    """Read prices; gives the file's bytes for the policy's digest."""
    at: Step = ("spec", "cost", "prices")
    text = faults.collect(at, lambda: read_beside(folder, entry["prices"]))
    if text is None:
        return None, b""
    prices = faults.collect(at, lambda: parse_prices(text))
    if prices is None:
        return None, b""
    return Cost(entry["currency"], MappingProxyType(prices)), text.encode()


def parse_prices(text: str) -> dict[str, float]:
    """Read the text of a file of prices.

    :raises ValueError: with the first fault and its place.
    """
    document = parse_plain_yaml(text, "the file")
    for path, problem in find_faults("nodePrices", document):
        raise ValueError(f"{'.'.join(map(str, path)) or 'the file'}: {problem}")
    found: Mapping[str, float] = document["nodeHour"]
    return {name: float(price) for name, price in found.items()}


def read_notifications(entries: Sequence[Entry]) -> tuple[Notification, ...]:
    """Read who is told about what."""
    return tuple(
        Notification(entry["conn_id"], frozenset(NotifyOn(word) for word in entry["on"]))
        for entry in entries
    )
