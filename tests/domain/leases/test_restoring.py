"""Rounds of a restore, and the leases that they are made from."""

import datetime as dt
from dataclasses import replace

from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import FieldName, LiveStatus, LiveTarget
from nightshift.domain.leases.annotations import HOLD, LEASE
from nightshift.domain.leases.collecting import collect_leases, plan_strip
from nightshift.domain.leases.records import Lease, LeaseState, ReturnRules
from nightshift.domain.leases.restoring import TIER_PATIENCE, RestoreState, plan_round
from tests.domain.capacity.capacity_support import cron_job, deployment, stateful_set
from tests.domain.leases.lease_support import DUE, lease, under

STORE = stateful_set("store", 5)
API = deployment("api", 3)
STORE_LEASE = lease(STORE, {FieldName.REPLICAS: 3}, order=2, tier="storage")
API_LEASE = lease(API, {FieldName.REPLICAS: 1}, order=1, tier="api")
DOWN = {one.id.ref: one for one in (under(STORE_LEASE, STORE), under(API_LEASE, API))}


def state(minutes: float = 0, *closed: Lease, pending: int = 0) -> RestoreState:
    now = DUE + dt.timedelta(minutes=minutes)
    return RestoreState(DUE, now, pending=pending, closed=closed)


def ready(live: LiveTarget, replicas: int, count: int) -> LiveTarget:
    return replace(live, fields={FieldName.REPLICAS: replicas}, status=LiveStatus(replicas, count))


def test_the_last_tier_to_go_down_comes_up_first_and_the_next_waits_for_it() -> None:
    first = plan_round([API_LEASE, STORE_LEASE], DOWN, state())
    assert [item.lease for item in first.items] == [STORE_LEASE]
    assert first.items[0].closes
    assert first.waiting == ("api: waits for StatefulSet/app/store",)
    assert first.again_at is not None
    assert not first.is_done
    rising = {**DOWN, STORE.id.ref: ready(STORE, 5, 4)}
    second = plan_round([API_LEASE], rising, state(1, STORE_LEASE))
    assert second.items == ()
    up = {**DOWN, STORE.id.ref: ready(STORE, 5, 5)}
    third = plan_round([API_LEASE], up, state(1, STORE_LEASE))
    assert [item.lease for item in third.items] == [API_LEASE]


def test_a_tier_is_never_waited_for_without_end() -> None:
    broken = {**DOWN, STORE.id.ref: ready(STORE, 5, 0)}
    over = TIER_PATIENCE.total_seconds() / 60
    assert plan_round([API_LEASE], broken, state(over - 1, STORE_LEASE)).waiting
    found = plan_round([API_LEASE], broken, state(over, STORE_LEASE))
    assert [item.lease for item in found.items] == [API_LEASE]


def test_what_people_keep_holds_nobody_up() -> None:
    store = DOWN[STORE.id.ref]
    held = replace(store, annotations={**store.annotations, HOLD: "true"})
    found = plan_round([API_LEASE, STORE_LEASE], {**DOWN, STORE.id.ref: held}, state())
    assert [item.is_left for item in found.items] == [True, False]
    alone = plan_round([STORE_LEASE], {STORE.id.ref: held}, state())
    assert alone.is_done
    assert alone.again_at is None


def test_a_manual_conflict_is_left() -> None:
    manual = replace(API_LEASE, rules=ReturnRules(OnConflict.MANUAL))
    found = plan_round([manual], {API.id.ref: under(manual, API, replicas=2)}, state())
    assert found.is_done
    assert found.items[0].decision.flagged


def test_what_is_gone_closes_without_a_write() -> None:
    (item,) = plan_round([API_LEASE], {}, state()).items
    assert item.closes
    assert item.stride is None


def test_a_lease_that_was_never_applied_is_no_part_of_a_restore() -> None:
    intent = replace(API_LEASE, state=LeaseState.INTENT)
    assert plan_round([intent], DOWN, state()).is_done


def test_cron_jobs_of_one_restore_have_turns_of_their_own() -> None:
    leases, targets = [], {}
    for order, name in enumerate(("a", "b", "c"), 1):
        job = cron_job(name)
        rules = ReturnRules(skip_missed=False, stagger=dt.timedelta(minutes=1))
        made = lease(job, {FieldName.SUSPEND: True}, order=order, tier="batch", rules=rules)
        leases.append(made)
        targets[job.id.ref] = under(made, job)
    found = plan_round(leases, targets, state())
    assert sum(item.stride is not None for item in found.items) == 1
    assert found.again_at == DUE + dt.timedelta(minutes=1)
    later = plan_round(leases, targets, state(2))
    assert sum(item.stride is not None for item in later.items) == 3


def test_with_the_store_lost_annotations_give_every_lease_back() -> None:
    found = collect_leases([], [*DOWN.values(), deployment("other", 2)])
    assert {one.id for one in found.leases} == {API_LEASE.id, STORE_LEASE.id}
    assert found.rebuilt == {API_LEASE.id, STORE_LEASE.id}
    assert {one.before[FieldName.REPLICAS] for one in found.leases} == {3, 5}


def test_the_stores_word_wins_over_an_annotation() -> None:
    forged = DOWN[API.id.ref]
    forged = replace(
        forged, annotations={**forged.annotations, "nightshift/before": '{"replicas":900}'}
    )
    intent = replace(API_LEASE, state=LeaseState.INTENT)
    (one,) = collect_leases([intent], [forged]).leases
    assert dict(one.before) == {FieldName.REPLICAS: 3}
    assert one.state is LeaseState.APPLIED


def test_a_lease_that_has_ended_is_only_taken_off() -> None:
    found = collect_leases([], [DOWN[API.id.ref]], ended=[API_LEASE.id])
    assert found.leases == ()
    (stale,) = found.stale
    patch = plan_strip(stale)
    assert dict(patch.fields) == {}
    assert patch.annotations[LEASE] is None


def test_an_annotation_that_cannot_be_believed_is_a_fault_and_stops_nobody_else() -> None:
    spoilt = replace(deployment("web", 1), annotations=DOWN[API.id.ref].annotations)
    found = collect_leases([], [spoilt, DOWN[STORE.id.ref]])
    assert [one.id for one in found.leases] == [STORE_LEASE.id]
    assert "Deployment/app/web" in found.faults[0]


def test_a_closed_lease_of_the_store_is_no_open_one() -> None:
    assert collect_leases([replace(API_LEASE, state=LeaseState.CLOSED)], []).leases == ()
