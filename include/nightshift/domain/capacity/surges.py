"""Is a surge real load? Signals in, a level and its reasons out; a freeze that ends by itself.

    level      what follows
    L0 normal  nothing
    L1 watch   halve the rate of scaling up
    L2 freeze  no scaling up, limit at the ingress, page somebody
    L3 shed    refuse what is worth least

Numbers are proposals, the policy's ``guard`` has the main ones. A signal that is not known counts
as normal: a broken monitor must not take capacity away. This acts in minutes; the first minute
belongs to limits that are static and in the cluster (``autoscaling.GUARDED``).
"""

import datetime as dt
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from nightshift.domain.capacity.policies_rules import Guard

WINDOW = dt.timedelta(minutes=5)
"""How long a signal is averaged, and how often we look."""
CLEAN_WINDOWS = 2
"""So many windows without a sign, one after another, end a freeze."""
GAP_TRIES = 3
"""So many looks at pods that stay wanted and do not run are a fault of capacity."""
_FEWEST_WEEKS = 2
_UP = 1.5
_STEADY = 0.8
_FEW_CLIENTS = 0.5
_ATTACK_REQUESTS = 5.0


class Level(IntEnum):
    """How much is done against a surge."""

    L0 = 0
    L1 = 1
    L2 = 2
    L3 = 3


class SurgeKind(StrEnum):
    """What a surge looks like."""

    NONE = "none"
    REAL_LOAD = "real load"
    ATTACK = "attack"
    RETRY_STORM = "bug or retry storm"
    CAPACITY_FAULT = "capacity fault"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Signals:
    """The last WINDOW against the same slot of earlier weeks; None is not known.

    :param requests: requests, as a ratio.
    :param useful_work: useful work a request, as a ratio: jobs done, findings stored.
    :param refusals: 401, 403, 404 and 429, as a ratio.
    :param server_errors: 5xx, as a ratio.
    :param cpu: CPU a request, as a ratio.
    :param clients: different clients a request, as a ratio; low is many requests of few.
    :param queue: the queue from known producers, as a ratio.
    :param unready_pct: of the pods, 0 to 100.
    :param gap_tries: looks in a row at which fewer pods ran than were desired.
    """

    requests: float | None = None
    useful_work: float | None = None
    refusals: float | None = None
    server_errors: float | None = None
    cpu: float | None = None
    clients: float | None = None
    queue: float | None = None
    unready_pct: int | None = None
    gap_tries: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the signals say, and why; the reasons are those of the level."""

    level: Level
    kind: SurgeKind
    reasons: tuple[str, ...] = ()


def ratio_to_weeks(now: float, weeks: Sequence[float]) -> float | None:
    """Compare a number with the same slot of earlier weeks, by their median.

    None where there are fewer than two weeks to compare with, or nothing happened in them.

    >>> ratio_to_weeks(30.0, [10.0, 8.0, 12.0, 500.0])
    2.727272727272727
    """
    if len(weeks) < _FEWEST_WEEKS:
        return None
    usual = statistics.median(weeks)
    return now / usual if usual > 0 else None


def judge_surge(signals: Signals, guard: Guard) -> Verdict:
    """Give the level and the kind of what is going on."""
    frozen = tuple(_why_freeze(signals, guard))
    kind = kind_of(signals, guard)
    if len(frozen) > 1 and kind is not SurgeKind.CAPACITY_FAULT:
        return Verdict(Level.L3, kind, frozen)
    if frozen:
        return Verdict(Level.L2, kind, frozen)
    watched = () if kind is SurgeKind.REAL_LOAD else tuple(_why_watch(signals, guard))
    return Verdict(Level.L1 if watched else Level.L0, kind, watched)


def _why_freeze(signals: Signals, guard: Guard) -> Iterator[str]:
    if _above(signals.requests, guard.requests_ratio) and _below(
        signals.useful_work, guard.useful_work_ratio
    ):
        yield (
            f"{signals.requests:.1f} times the usual requests with {signals.useful_work:.2f} of "
            "the usual work each"
        )
    if signals.unready_pct is not None and signals.unready_pct > guard.unready_pct:
        yield f"{signals.unready_pct} % of the pods are not ready"
    if signals.gap_tries >= GAP_TRIES:
        yield f"more pods are desired than run, {signals.gap_tries} times in a row"


def _why_watch(signals: Signals, guard: Guard) -> Iterator[str]:
    if _above(signals.requests, guard.requests_ratio):
        yield f"{signals.requests:.1f} times the usual requests"
    if _below(signals.useful_work, guard.useful_work_ratio):
        yield f"{signals.useful_work:.2f} of the usual work a request"
    if _above(signals.server_errors, guard.requests_ratio):
        yield f"{signals.server_errors:.1f} times the usual server errors"


def kind_of(signals: Signals, guard: Guard) -> SurgeKind:
    """Say what the signals look like most; UNCLEAR where they contradict each other."""
    if signals.gap_tries >= GAP_TRIES:
        return SurgeKind.CAPACITY_FAULT
    if not _above(signals.requests, _UP) and not _above(signals.queue, _UP):
        return SurgeKind.NONE
    collapsed = _below(signals.useful_work, guard.useful_work_ratio)
    if not collapsed:
        steady = signals.useful_work is None or signals.useful_work >= _STEADY
        return SurgeKind.REAL_LOAD if steady else SurgeKind.UNCLEAR
    if _above(signals.server_errors, _UP) or _below(signals.clients, _FEW_CLIENTS):
        return SurgeKind.RETRY_STORM
    if _above(signals.requests, _ATTACK_REQUESTS) or _above(signals.refusals, _UP):
        return SurgeKind.ATTACK
    return SurgeKind.UNCLEAR


def _above(value: float | None, bound: float) -> bool:
    return value is not None and value > bound


def _below(value: float | None, bound: float) -> bool:
    return value is not None and value < bound


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze that is in force.

    :param clean: windows without a sign since the last with one.
    :param expires_at: it ends then, whatever the signals say; what is still wrong begins a new one.
    """

    since: dt.datetime
    expires_at: dt.datetime
    level: Level
    reasons: tuple[str, ...]
    clean: int = 0


class FreezeAct(StrEnum):
    """What to do with a freeze."""

    NOTHING = "nothing"
    BEGIN = "begin"
    KEEP = "keep"
    THAW = "thaw"


@dataclass(frozen=True, slots=True)
class FreezeDecision:
    """What to do now; ``freeze`` is what is in force afterwards, None if nothing is."""

    act: FreezeAct
    freeze: Freeze | None
    reason: str


def next_freeze(
    current: Freeze | None, verdict: Verdict, guard: Guard, now: dt.datetime
) -> FreezeDecision:
    """Decide once a WINDOW whether scaling up is frozen, stays so, or is thawed."""
    bad = verdict.level >= Level.L2
    if current is None:
        if not bad:
            return FreezeDecision(FreezeAct.NOTHING, None, "nothing asks for a freeze")
        freeze = Freeze(now, now + guard.ttl, verdict.level, verdict.reasons)
        return FreezeDecision(FreezeAct.BEGIN, freeze, "; ".join(verdict.reasons))
    if now >= current.expires_at:
        return FreezeDecision(FreezeAct.THAW, None, f"it has lasted for {guard.ttl}")
    if bad:
        worse = max(current.level, verdict.level)
        kept = Freeze(current.since, current.expires_at, worse, verdict.reasons)
        return FreezeDecision(FreezeAct.KEEP, kept, "; ".join(verdict.reasons))
    clean = current.clean + 1
    if clean >= CLEAN_WINDOWS:
        return FreezeDecision(FreezeAct.THAW, None, f"{clean} windows were clean")
    kept = Freeze(current.since, current.expires_at, current.level, current.reasons, clean)
    return FreezeDecision(FreezeAct.KEEP, kept, f"{clean} of {CLEAN_WINDOWS} clean windows")
