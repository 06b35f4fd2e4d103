"""Leases as records, and what a crash leaves behind."""

import datetime as dt
from dataclasses import replace

import pytest

from nightshift.domain.capacity.targets import FieldName, LiveTarget, ObjectKind
from nightshift.domain.leases.records import (
    Lease,
    LeaseState,
    StepState,
    check_move,
    group_by_tier,
    is_due,
    lease_id,
    order_for_restore,
    parse_lease_id,
)
from nightshift.domain.leases.recoveries import (
    ENOUGH_WINDOW,
    STALE_AFTER,
    HalfDrain,
    RecoverAct,
    decide_drain_recovery,
    decide_recovery,
    has_open_lease,
)
from tests.domain.capacity.capacity_support import deployment, live
from tests.domain.leases.lease_support import DUE, FRIDAY, WINDOW_ID, lease, under

API = deployment("api", 3)
INTENT = lease(API, {FieldName.REPLICAS: 1}, state=LeaseState.INTENT)
LONG = dt.timedelta(hours=40)


def test_a_lease_is_named_after_window_place_and_target() -> None:
    name = lease_id(WINDOW_ID, 7, API.id)
    assert name.startswith(f"{WINDOW_ID}/007/")
    assert parse_lease_id(name).order == 7
    assert lease_id(WINDOW_ID, 7, replace(API.id, uid="other")) == name


def test_a_lease_never_raises() -> None:
    with pytest.raises(ValueError, match="would be raised to 4"):
        lease(API, {FieldName.REPLICAS: 4})
    with pytest.raises(ValueError, match="what it was is not known"):
        lease(replace(API, fields={}), {FieldName.REPLICAS: 1})
    with pytest.raises(ValueError, match="is no capacity"):
        replace(
            INTENT,
            before={FieldName.STARTING_DEADLINE: None},
            applied={FieldName.STARTING_DEADLINE: 15},
        )


@pytest.mark.parametrize(
    ("old", "new", "fine"),
    [
        (LeaseState.INTENT, LeaseState.APPLIED, True),
        (LeaseState.INTENT, LeaseState.INTENT, True),
        (LeaseState.APPLIED, LeaseState.CLOSED, True),
        (LeaseState.DROPPED, LeaseState.INTENT, True),
        (LeaseState.INTENT, LeaseState.CLOSED, False),
        (LeaseState.CLOSED, LeaseState.APPLIED, False),
        (LeaseState.RESTORING, LeaseState.APPLIED, False),
    ],
)
def test_a_lease_only_goes_forward(old: LeaseState, new: LeaseState, fine: bool) -> None:
    if fine:
        check_move(INTENT.id, old, new)
    else:
        with pytest.raises(ValueError, match=f"is {old} and cannot become {new}"):
            check_move(INTENT.id, old, new)


def test_restore_goes_backwards_and_older_windows_come_first() -> None:
    old = "rest/20270507T180000Z"
    leases = [
        lease(deployment(name, 3), {FieldName.REPLICAS: 1}, order=order, tier=tier)
        for name, order, tier in (("a", 1, "first"), ("b", 2, "second"), ("c", 3, "second"))
    ]
    late = replace(leases[0], id=lease_id(old, 1, leases[0].target), window=old, tier="first")
    assert [one.order for one in order_for_restore([*leases, late])] == [1, 3, 2, 1]
    tiers = [(tier, len(group)) for tier, group in group_by_tier(leases)]
    assert tiers == [("second", 2), ("first", 1)]


@pytest.mark.parametrize(
    ("now", "resting", "due"),
    [
        (DUE, None, True),
        (DUE - dt.timedelta(seconds=1), None, False),
        (FRIDAY, False, True),
        (DUE + dt.timedelta(days=1), True, False),
    ],
    ids=["due", "not yet", "the calendar says awake", "the calendar says asleep"],
)
def test_the_calendar_decides_and_without_one_the_lease(
    now: dt.datetime, resting: bool | None, due: bool
) -> None:
    assert is_due(INTENT, now, resting) is due


@pytest.mark.parametrize(
    ("found", "left", "act", "flagged"),
    [
        pytest.param(API, LONG, RecoverAct.APPLY, False, id="never lowered, time left"),
        pytest.param(API, ENOUGH_WINDOW, RecoverAct.DROP, False, id="too little time left"),
        pytest.param(API, None, RecoverAct.DROP, False, id="the window is over"),
        pytest.param(None, LONG, RecoverAct.DROP, False, id="gone"),
        pytest.param(under(INTENT, API), LONG, RecoverAct.MARK_APPLIED, False, id="lowered"),
        pytest.param(
            under(INTENT, API, replicas=2), LONG, RecoverAct.MARK_APPLIED, False, id="and raised"
        ),
        pytest.param(deployment("api", 1), LONG, RecoverAct.MARK_APPLIED, True, id="by whom?"),
        pytest.param(deployment("api", 2), LONG, RecoverAct.CONFLICT, True, id="somebody else"),
        pytest.param(deployment("api", 3, uid="u2"), LONG, RecoverAct.DROP, False, id="anew"),
        pytest.param(
            deployment("api", 2, uid="u2"), LONG, RecoverAct.MARK_APPLIED, True, id="anew and lower"
        ),
    ],
)
def test_an_intent_that_nobody_works_on(
    found: LiveTarget | None, left: dt.timedelta | None, act: RecoverAct, flagged: bool
) -> None:
    recovery = decide_recovery(INTENT, found, left)
    assert (recovery.act, recovery.flagged) == (act, flagged)


@pytest.mark.parametrize(
    ("state", "left", "act"),
    [
        (LeaseState.APPLIED, LONG, RecoverAct.KEEP),
        (LeaseState.APPLIED, None, RecoverAct.RESTORE),
        (LeaseState.RESTORING, LONG, RecoverAct.RESTORE),
    ],
)
def test_a_lease_that_was_applied(
    state: LeaseState, left: dt.timedelta | None, act: RecoverAct
) -> None:
    assert decide_recovery(replace(INTENT, state=state), API, left).act is act


NODE = live(ObjectKind.NODE, "n1", {FieldName.UNSCHEDULABLE: False}, namespace="", uid="a")
CORDON = lease(NODE, {FieldName.UNSCHEDULABLE: True})
TIMEOUT = dt.timedelta(minutes=30)


@pytest.mark.parametrize(
    ("step", "beat", "at", "left", "act"),
    [
        pytest.param(StepState.APPLIED, 0, 5, LONG, RecoverAct.KEEP, id="its run is alive"),
        pytest.param(StepState.APPLIED, 0, 20, LONG, RecoverAct.RESUME_DRAIN, id="its run is dead"),
        pytest.param(StepState.APPLIED, 0, 31, LONG, RecoverAct.RESTORE, id="the deadline is over"),
        pytest.param(StepState.APPLIED, None, 5, LONG, RecoverAct.RESUME_DRAIN, id="no beat known"),
        pytest.param(StepState.VERIFIED, 0, 600, LONG, RecoverAct.KEEP, id="emptied"),
        pytest.param(StepState.APPLIED, 0, 5, None, RecoverAct.RESTORE, id="the window is over"),
    ],
)
def test_a_drain_that_may_have_died(
    step: StepState, beat: int | None, at: int, left: dt.timedelta | None, act: RecoverAct
) -> None:
    minute = dt.timedelta(minutes=1)
    beat_at = None if beat is None else FRIDAY + beat * minute
    half = HalfDrain(CORDON, step, beat_at, TIMEOUT)
    assert 15 * minute == STALE_AFTER
    assert decide_drain_recovery(half, left, FRIDAY + at * minute).act is act


def test_a_persons_cordon_is_not_taken_for_ours() -> None:
    intent = replace(CORDON, state=LeaseState.INTENT)
    cordoned = replace(NODE, fields={FieldName.UNSCHEDULABLE: True})
    assert decide_recovery(intent, cordoned, LONG).act is RecoverAct.CONFLICT
    assert decide_recovery(intent, under(CORDON, NODE), LONG).act is RecoverAct.MARK_APPLIED


def test_a_drain_of_a_rebuilt_lease_is_ended() -> None:
    rebuilt = HalfDrain(replace(CORDON, at=None), StepState.APPLIED, None, TIMEOUT)
    assert decide_drain_recovery(rebuilt, LONG, FRIDAY).act is RecoverAct.RESTORE


def test_an_object_is_under_a_lease_by_the_store_or_by_its_annotations() -> None:
    leased: Lease = replace(INTENT, state=LeaseState.APPLIED)
    assert has_open_lease(API, [leased], frozenset())
    assert has_open_lease(under(leased, API), [], frozenset())
    assert not has_open_lease(under(leased, API), [], frozenset({leased.id}))
    assert not has_open_lease(API, [replace(leased, state=LeaseState.CLOSED)], frozenset())
