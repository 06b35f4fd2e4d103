"""Leases on their objects: what is written, and what is believed when it is read back."""

import datetime as dt
from dataclasses import replace

import pytest

from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import FieldName, ObjectKind
from nightshift.domain.leases.annotations import (
    APPLIED,
    BEFORE,
    DUE,
    LEASE,
    LEASE_KEYS,
    RETURN,
    is_held,
    lease_on,
    parse_fields,
    parse_instant,
    read_lease,
    stage_of,
    strip_lease,
    write_lease,
)
from nightshift.domain.leases.records import ReturnRules
from tests.domain.capacity.capacity_support import autoscaler, deployment
from tests.domain.leases.lease_support import DUE as DUE_AT
from tests.domain.leases.lease_support import lease, under

API = deployment("api", 3)
LEASED = lease(API, {FieldName.REPLICAS: 1})


def test_a_lease_is_read_back_from_its_object_alone() -> None:
    rules = ReturnRules(OnConflict.BEFORE, skip_missed=False, stagger=dt.timedelta(seconds=7))
    made = replace(LEASED, rules=rules)
    found = read_lease(under(made, API))
    assert found is not None
    for name in ("id", "target", "before", "applied", "due", "order", "window", "rules", "state"):
        assert getattr(found, name) == getattr(made, name), name


def test_the_usual_rules_are_not_written() -> None:
    assert RETURN not in write_lease(LEASED)


def test_an_object_without_a_lease_has_none() -> None:
    assert read_lease(API) is None
    assert lease_on(API) is None
    assert strip_lease(API.annotations) == {}


def test_the_end_of_a_lease_takes_everything_of_it_away_and_nothing_else() -> None:
    found = under(LEASED, replace(API, annotations={"mine": "1"}))
    left = dict(found.annotations)
    assert set(strip_lease(left)) <= set(LEASE_KEYS)
    assert set(left) - set(strip_lease(left)) == {"mine"}


def test_an_annotation_that_was_copied_to_another_object_is_no_lease() -> None:
    other = replace(deployment("web", 1), annotations=under(LEASED, API).annotations)
    assert lease_on(other) is None
    with pytest.raises(ValueError, match=r"Deployment/app/web: .* copied from another object"):
        read_lease(other)


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        (LEASE, "x", "Deployment/app/api: nightshift/lease: 'x' is not a lease's id"),
        (BEFORE, "{", "nightshift/before: not JSON"),
        (BEFORE, "[" * 1_999, "not JSON"),
        (BEFORE, "[]", "expected an object"),
        (BEFORE, '{"replicas":"3"}', "no value of it"),
        (BEFORE, '{"replicas":true}', "no value of it"),
        (BEFORE, '{"replicas":-1}', "no value of it"),
        (BEFORE, '{"replicas":99999999999}', "no value of it"),
        (BEFORE, '{"suspend":true}', "is no field of a Deployment"),
        (BEFORE, "9" * 3_000, "too long"),
        (BEFORE, '{"replicas":0}', "would be raised"),
        (APPLIED, None, "is missing"),
        (DUE, "monday", "is not a time"),
        (DUE, "2027-05-17T05:30", "lacks its zone"),
        (DUE, "0001-01-01T00:00+14:00", "out of range"),
        (RETURN, '{"onConflict":"never"}', "nightshift/return"),
        (RETURN, '{"staggerSeconds":true}', "nightshift/return"),
        (RETURN, '{"staggerSeconds":-1}', "0 to 86400"),
        (RETURN, '{"more":1}', "expected onConflict"),
    ],
)
def test_a_spoilt_annotation_is_refused_by_name(key: str, text: str | None, said: str) -> None:
    annotations = dict(under(LEASED, API).annotations)
    if text is None:
        del annotations[key]
    else:
        annotations[key] = text
    with pytest.raises(ValueError, match=r".+") as caught:
        read_lease(replace(API, annotations=annotations))
    assert said in str(caught.value)


def test_unlimited_slots_are_a_value_and_other_fields_have_none_below_zero() -> None:
    assert dict(parse_fields(ObjectKind.AIRFLOW_POOL, '{"slots":-1}', "x")) == {FieldName.SLOTS: -1}
    with pytest.raises(ValueError, match="no value"):
        parse_fields(ObjectKind.AIRFLOW_POOL, '{"slots":-2}', "x")


def test_a_spoilt_stage_is_none() -> None:
    worker = autoscaler("worker", 3, 20, annotations={"nightshift/stage": "{"})
    assert stage_of(worker) == {}


@pytest.mark.parametrize("if_unclear", [True, False])
def test_a_hold_that_cannot_be_read_is_up_to_the_caller(if_unclear: bool) -> None:
    annotations = {"nightshift/hold-until": "next week"}
    assert is_held(annotations, DUE_AT, if_unclear=if_unclear) is if_unclear


def test_an_instant_with_another_zone_is_the_same_instant() -> None:
    assert parse_instant("2027-05-17T05:30+02:00", "x") == DUE_AT
