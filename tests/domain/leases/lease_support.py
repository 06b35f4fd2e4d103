"""Leases on small objects."""

import datetime as dt
from dataclasses import replace

from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import Fields, LiveTarget
from nightshift.domain.leases.annotations import write_lease
from nightshift.domain.leases.records import Lease, LeaseState, ReturnRules, lease_id

WINDOW_ID = "rest/20270514T180000Z"
FRIDAY = dt.datetime(2027, 5, 14, 18, tzinfo=dt.UTC)
DUE = dt.datetime(2027, 5, 17, 3, 30, tzinfo=dt.UTC)


def lease(
    live: LiveTarget,
    applied: Fields,
    *,
    order: int = 1,
    rule: OnConflict = OnConflict.MAX,
    state: LeaseState = LeaseState.APPLIED,
    tier: str = "api",
    **more: object,
) -> Lease:
    """The lease that a plan makes for ``live`` as it is."""
    rules = ReturnRules(rule)
    made = Lease(
        id=lease_id(WINDOW_ID, order, live.id),
        target=live.id,
        before=dict(live.fields),
        applied=applied,
        due=DUE,
        order=order,
        window=WINDOW_ID,
        state=state,
        tier=tier,
        rules=rules,
        at=FRIDAY,
    )
    return replace(made, **more)  # type: ignore[arg-type]  # the fields of Lease


def under(found: Lease, live: LiveTarget, **fields: object) -> LiveTarget:
    """The object as our PATCH left it, with ``fields`` as somebody has set them since."""
    values = {**live.fields, **found.applied}
    for name in values:
        if str(name) in fields:
            values[name] = fields[str(name)]  # type: ignore[assignment]  # a value of the field
    annotations = {**live.annotations, **write_lease(found)}
    return replace(live, fields=values, annotations=annotations, resource_version="2")
