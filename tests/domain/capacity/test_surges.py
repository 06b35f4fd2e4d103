"""What a surge is, and freezes that end by themselves."""

import datetime as dt
from dataclasses import replace

import pytest

from nightshift.domain.capacity.policies_rules import Guard
from nightshift.domain.capacity.surges import (
    WINDOW,
    Freeze,
    FreezeAct,
    Level,
    Signals,
    SurgeKind,
    Verdict,
    judge_surge,
    next_freeze,
    ratio_to_weeks,
)

GUARD = Guard()
NORMAL = Signals(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2, 0)
NOW = dt.datetime(2027, 5, 17, 9, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("signals", "level", "kind"),
    [
        pytest.param(NORMAL, Level.L0, SurgeKind.NONE, id="normal"),
        pytest.param(Signals(), Level.L0, SurgeKind.NONE, id="nothing is known"),
        pytest.param(
            replace(NORMAL, requests=4.0, queue=3.0), Level.L0, SurgeKind.REAL_LOAD, id="real load"
        ),
        pytest.param(
            replace(NORMAL, requests=8.0, useful_work=0.1, refusals=9.0),
            Level.L2,
            SurgeKind.ATTACK,
            id="attack",
        ),
        pytest.param(
            replace(NORMAL, requests=4.0, useful_work=0.2, server_errors=6.0, clients=0.2),
            Level.L2,
            SurgeKind.RETRY_STORM,
            id="retry storm",
        ),
        pytest.param(
            replace(NORMAL, server_errors=4.0, gap_tries=3),
            Level.L2,
            SurgeKind.CAPACITY_FAULT,
            id="capacity fault",
        ),
        pytest.param(
            replace(NORMAL, gap_tries=2), Level.L0, SurgeKind.NONE, id="a gap that may close"
        ),
        pytest.param(replace(NORMAL, unready_pct=31), Level.L2, SurgeKind.NONE, id="unready"),
        pytest.param(
            replace(NORMAL, unready_pct=30), Level.L0, SurgeKind.NONE, id="not yet unready"
        ),
        pytest.param(
            replace(NORMAL, requests=8.0, useful_work=0.1, unready_pct=60),
            Level.L3,
            SurgeKind.ATTACK,
            id="two signs",
        ),
        pytest.param(
            replace(NORMAL, requests=2.0, useful_work=0.4),
            Level.L1,
            SurgeKind.UNCLEAR,
            id="watched",
        ),
        pytest.param(
            replace(NORMAL, requests=3.5, useful_work=0.7),
            Level.L1,
            SurgeKind.UNCLEAR,
            id="unclear",
        ),
        pytest.param(
            replace(NORMAL, requests=9.0, useful_work=None),
            Level.L0,
            SurgeKind.REAL_LOAD,
            id="blind",
        ),
    ],
)
def test_signals_have_a_level_and_a_kind(signals: Signals, level: Level, kind: SurgeKind) -> None:
    verdict = judge_surge(signals, GUARD)
    assert (verdict.level, verdict.kind) == (level, kind)
    assert bool(verdict.reasons) is (level > Level.L0)


def test_the_policys_numbers_count() -> None:
    busy = replace(NORMAL, requests=3.5, useful_work=0.4)
    assert judge_surge(busy, GUARD).level is Level.L2
    assert judge_surge(busy, replace(GUARD, requests_ratio=4.0)).level is Level.L1
    assert judge_surge(busy, replace(GUARD, useful_work_ratio=0.3)).level is Level.L1


@pytest.mark.parametrize(
    ("now", "weeks", "ratio"),
    [
        (30, [10, 8, 12, 500], 30 / 11),
        (30, [10], None),
        (30, [], None),
        (30, [0, 0], None),
        (0, [5, 5], 0),
    ],
)
def test_a_ratio_needs_weeks_to_compare_with(
    now: float, weeks: list[float], ratio: float | None
) -> None:
    assert ratio_to_weeks(now, weeks) == ratio


BAD = judge_surge(replace(NORMAL, requests=8.0, useful_work=0.1), GUARD)
GOOD = judge_surge(NORMAL, GUARD)


def run(*verdicts: Verdict) -> list[FreezeAct]:
    freeze: Freeze | None = None
    acts: list[FreezeAct] = []
    for number, verdict in enumerate(verdicts):
        decision = next_freeze(freeze, verdict, GUARD, NOW + number * WINDOW)
        freeze, acts = decision.freeze, [*acts, decision.act]
        assert decision.reason
    return acts


def test_a_freeze_is_thawed_after_two_clean_windows() -> None:
    begin, keep, thaw = FreezeAct.BEGIN, FreezeAct.KEEP, FreezeAct.THAW
    assert run(GOOD, BAD, GOOD, GOOD) == [FreezeAct.NOTHING, begin, keep, thaw]
    assert run(BAD, GOOD, BAD, GOOD, GOOD) == [begin, keep, keep, keep, thaw]


def test_a_freeze_ends_whatever_the_signals_say_and_a_new_one_says_so() -> None:
    acts = run(*[BAD] * 8)
    assert acts == [FreezeAct.BEGIN, *[FreezeAct.KEEP] * 5, FreezeAct.THAW, FreezeAct.BEGIN]


def test_a_freeze_remembers_the_worst() -> None:
    first = next_freeze(None, BAD, GUARD, NOW).freeze
    worse = replace(BAD, level=Level.L3)
    second = next_freeze(first, worse, GUARD, NOW + WINDOW).freeze
    third = next_freeze(second, BAD, GUARD, NOW + 2 * WINDOW).freeze
    assert third is not None
    assert third.level is Level.L3
    assert third.expires_at == NOW + GUARD.ttl
