"""Laws of the three-way merge that brings a target back."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import (
    FieldName,
    LiveTarget,
    ObjectKind,
    capacity_of,
)
from nightshift.domain.leases.annotations import HOLD, read_lease, write_lease
from nightshift.domain.leases.merges import RestoreAct, decide_restore
from nightshift.domain.leases.records import Lease
from tests.domain.capacity.capacity_support import live
from tests.domain.leases.lease_support import DUE, lease

COUNTS = st.integers(0, 30)


@st.composite
def leased(draw: st.DrawFn) -> tuple[Lease, LiveTarget]:
    """A lease, and its object as anybody may have left it."""
    kind = draw(st.sampled_from([ObjectKind.DEPLOYMENT, ObjectKind.AUTOSCALER]))
    rule = draw(st.sampled_from(OnConflict))
    if kind is ObjectKind.DEPLOYMENT:
        before = {FieldName.REPLICAS: draw(COUNTS)}
        found = {FieldName.REPLICAS: draw(COUNTS)}
        applied = {FieldName.REPLICAS: min(before[FieldName.REPLICAS], draw(COUNTS))}
    else:
        low, wanted, now = draw(COUNTS), draw(COUNTS), draw(COUNTS)
        before = {FieldName.MIN_REPLICAS: low, FieldName.MAX_REPLICAS: low + draw(COUNTS)}
        most = wanted + draw(COUNTS)
        applied = {
            FieldName.MIN_REPLICAS: min(low, wanted),
            FieldName.MAX_REPLICAS: min(before[FieldName.MAX_REPLICAS], most),
        }
        found = {FieldName.MIN_REPLICAS: now, FieldName.MAX_REPLICAS: now + draw(COUNTS)}
    target = live(kind, "x", before)
    made = lease(target, applied, rule=rule)
    current = draw(st.sampled_from([applied, before, found]))
    return made, replace(target, fields=current, annotations=write_lease(made))


def after(made: Lease, target: LiveTarget) -> LiveTarget:
    return replace(target, fields={**target.fields, **decide_restore(made, target, DUE).goal})


@given(leased())
def test_with_the_usual_rule_everything_ends_with_at_least_what_it_was_and_what_it_is(
    pair: tuple[Lease, LiveTarget],
) -> None:
    made, target = pair
    assume(made.rules.on_conflict is OnConflict.MAX)
    restored = after(made, target)
    for name, value in made.before.items():
        assert restored.capacity(name) >= capacity_of(target.id.kind, name, value)
        assert restored.capacity(name) >= target.capacity(name)


@given(leased())
def test_nothing_ends_below_what_it_is_unless_the_policy_says_before(
    pair: tuple[Lease, LiveTarget],
) -> None:
    made, target = pair
    assume(made.rules.on_conflict is not OnConflict.BEFORE)
    restored = after(made, target)
    assert all(restored.capacity(name) >= target.capacity(name) for name in target.fields)


@given(leased())
def test_a_merge_is_done_once(pair: tuple[Lease, LiveTarget]) -> None:
    made, target = pair
    decision = decide_restore(made, target, DUE)
    assume(decision.act is RestoreAct.SET)
    again = decide_restore(made, after(made, target), DUE)
    assert dict(again.goal) == {}


@given(leased())
def test_a_minimum_never_passes_its_maximum(pair: tuple[Lease, LiveTarget]) -> None:
    made, target = pair
    restored = after(made, target)
    if FieldName.MAX_REPLICAS in restored.fields:
        assert restored.capacity(FieldName.MIN_REPLICAS) <= restored.capacity(
            FieldName.MAX_REPLICAS
        )


@given(leased())
def test_what_is_held_is_not_written(pair: tuple[Lease, LiveTarget]) -> None:
    made, target = pair
    held = replace(target, annotations={**target.annotations, HOLD: "true"})
    decision = decide_restore(made, held, DUE)
    assert decision.act is RestoreAct.HOLD
    assert dict(decision.goal) == {}


@given(leased())
def test_a_lease_is_whole_in_its_annotations(pair: tuple[Lease, LiveTarget]) -> None:
    made, target = pair
    found = read_lease(target)
    assert found is not None
    assert (found.id, found.before, found.applied) == (made.id, made.before, made.applied)
    assert decide_restore(found, target, DUE).goal == decide_restore(made, target, DUE).goal


@given(leased())
def test_a_conflict_is_always_said(pair: tuple[Lease, LiveTarget]) -> None:
    made, target = pair
    decision = decide_restore(made, target, DUE)
    changed = [
        name
        for name in made.applied
        if target.fields[name] not in {made.applied[name], made.before[name]}
    ]
    assert [conflict.name for conflict in decision.conflicts] == changed
    assert decision.reason
