"""Prediction and outcome side by side: where pods were meant to go, and where they went."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ShardOutcome:
    """One pod: where it was meant to run and where it ran.

    :param planned: by the newest plan, "" if it had no planned node; ``node`` "" if no pod of it
        was ever bound.
    :param predicted: the probability, 0 to 1, with which it was to meet its node; None if nothing
        was predicted, because the node was already full of pods planned before it.
    :param steering: how its pod really was steered: ``soft`` where a nomination was refused.
    :param wait_seconds: from the pod's creation until it was bound.
    :param start_seconds: from its creation until its container ran.
    :param replanned: how often its plan was changed because the cluster had changed.
    :param first: the node of the first plan, and what it predicted, as ``predicted``; they are
        those of the newest plan unless that is another.
    """

    shard: str
    planned: str
    node: str
    predicted: float | None = None
    steering: str = ""
    wait_seconds: float | None = None
    start_seconds: float | None = None
    replanned: int = 0
    first: str = ""
    first_predicted: float | None = None

    @property
    def hit(self) -> bool | None:
        """Tell whether it met its planned node; None if it has none, or never ran."""
        if not self.planned or not self.node:
            return None
        return self.planned == self.node

    @property
    def first_hit(self) -> bool | None:
        """Tell whether it met the node of the first plan; None if that had none, or never ran."""
        if not self.first or not self.node:
            return None
        return self.first == self.node


@dataclass(frozen=True, slots=True)
class PlacementOutcome:
    """A batch's placement in numbers; None where there is nothing to measure.

    :param predicted_rate: mean prediction over the pods of ``measured``, 0 to 1.
    :param actual_rate: which share of them met their planned node.
    :param measured: pods for which something was predicted and that ran.
    :param idle_planned: nodes without pods of others that the plan opens; ``idle_actual`` those
        on which pods ran.
    :param bound: no placement opens fewer of them; ``gap`` is what might be spared, 0 to 1.
    :param start_p50_seconds: from creation to a running container, the median.
    :param replans: how often the rest was planned again and that changed something.
    :param first_measured: pods for which the first plan predicted something and that ran, and the
        same of it as ``hits`` and ``predicted_rate``: what was promised before anything changed.
    """

    level: str = ""
    reason: str = ""
    measured: int = 0
    hits: int = 0
    predicted_rate: float | None = None
    actual_rate: float | None = None
    idle_planned: int = 0
    idle_actual: int = 0
    bound: int | None = None
    gap: float | None = None
    start_p50_seconds: float | None = None
    start_max_seconds: float | None = None
    replans: int = 0
    first_measured: int = 0
    first_hits: int = 0
    first_predicted_rate: float | None = None


def sum_up(placement: Mapping[str, Any], shards: Sequence[ShardOutcome]) -> PlacementOutcome:
    """Compare a stored plan with what became of its pods.

    :param placement: the batch's stored placement; what an older plan does not say counts as
        unknown.
    """
    steering = placement.get("steering") or {}
    packing = placement.get("packing") or {}
    measured = [one for one in shards if one.predicted is not None and one.hit is not None]
    first = [o for o in shards if o.first_predicted is not None and o.first_hit is not None]
    hits = sum(1 for one in measured if one.hit)
    starts = [one.start_seconds for one in shards if one.start_seconds is not None]
    idle = {one["node"] for one in placement.get("nodes") or () if not one.get("busy")}
    return PlacementOutcome(
        level=str(steering.get("level", "")),
        reason=str(steering.get("reason", "")),
        measured=len(measured),
        hits=hits,
        predicted_rate=_mean([one.predicted for one in measured if one.predicted is not None]),
        actual_rate=hits / len(measured) if measured else None,
        idle_planned=len(idle & {one.planned for one in shards}),
        idle_actual=len(idle & {one.node for one in shards}),
        bound=packing.get("bound"),
        gap=packing.get("gap"),
        start_p50_seconds=statistics.median(starts) if starts else None,
        start_max_seconds=max(starts, default=None),
        replans=sum(1 for one in placement.get("replans") or () if _changed(one)),
        first_measured=len(first),
        first_hits=sum(1 for one in first if one.first_hit),
        first_predicted_rate=_mean([
            one.first_predicted for one in first if one.first_predicted is not None
        ]),
    )


def describe_outcome(outcome: PlacementOutcome) -> list[str]:
    """Write it for people, a line a fact."""
    lines = [f"steering {outcome.reason or outcome.level}"] if outcome.level else []
    lines += describe_hits(outcome)
    lines.append(
        f"idle nodes opened: {outcome.idle_actual}, planned were {outcome.idle_planned}"
        + _bound_text(outcome)
    )
    if outcome.start_p50_seconds is not None and outcome.start_max_seconds is not None:
        lines.append(
            f"from a pod's creation to its start: {outcome.start_p50_seconds:.1f} s (median), "
            f"{outcome.start_max_seconds:.1f} s at most"
        )
    if outcome.replans and outcome.first_predicted_rate is not None:
        rate = outcome.first_hits / outcome.first_measured
        lines.append(
            f"by the first plan: {outcome.first_hits} of {outcome.first_measured} pods met its "
            f"node: {rate:.0%}, predicted were {outcome.first_predicted_rate:.0%}"
        )
    if outcome.replans:
        lines.append(f"planned anew {outcome.replans} times, because the cluster had changed")
    return lines


def describe_hits(outcome: PlacementOutcome) -> list[str]:
    """Say how many pods met their planned node; nothing if none of them can tell."""
    if outcome.actual_rate is None or outcome.predicted_rate is None:
        return []
    return [
        f"{outcome.hits} of {outcome.measured} pods met their planned node: "
        f"{outcome.actual_rate:.0%}, predicted were {outcome.predicted_rate:.0%}"
    ]


def _bound_text(outcome: PlacementOutcome) -> str:
    if outcome.bound is None:
        return ""
    gap = f", gap {outcome.gap:.0%}" if outcome.gap is not None else ""
    return f"; no placement opens fewer than {outcome.bound}{gap}"


def _changed(replan: Mapping[str, Any]) -> bool:
    return any(replan.get(what) for what in ("replanned", "moved", "widened"))


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
