"""A lease on its object: written in the PATCH that lowers it, read back with only a kubeconfig.

    nightshift/lease    the lease's id
    nightshift/before   {"replicas":3}
    nightshift/applied  {"replicas":1}
    nightshift/due      2027-05-17T03:30:00Z
    nightshift/return   {"onConflict":"before"}; left out where everything is as usual
    nightshift/stage    the fields that we wrote last, while a target moves in steps
    nightshift/wave     when that was
    nightshift/deadline a resumed CronJob's deadline, until its next regular run
    nightshift/hold, nightshift/hold-until   a person's: leave it as it is

Everyone who may change the object may change these, so they are bounded and checked.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

import datetime as dt
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    FieldValue,
    LiveTarget,
    ObjectKind,
    agrees,
    capacity_of,
)
from nightshift.domain.leases.records import (
    Lease,
    LeaseId,
    LeaseState,
    ReturnRules,
    parse_lease_id,
    target_digest,
)

LEASE = "nightshift/lease"
BEFORE = "nightshift/before"
APPLIED = "nightshift/applied"
DUE = "nightshift/due"
RETURN = "nightshift/return"
STAGE = "nightshift/stage"
WAVE = "nightshift/wave"
DEADLINE = "nightshift/deadline"
HOLD = "nightshift/hold"
HOLD_UNTIL = "nightshift/hold-until"
KEEP_ALIVE = "nightshift/keep-alive"

LEASE_KEYS = (LEASE, BEFORE, APPLIED, DUE, RETURN, STAGE, WAVE)
"""What a lease leaves on its object, and what its end takes away."""

FIELDS_OF: Mapping[ObjectKind, frozenset[FieldName]] = MappingProxyType({
    ObjectKind.DEPLOYMENT: frozenset({FieldName.REPLICAS}),
    ObjectKind.STATEFUL_SET: frozenset({FieldName.REPLICAS}),
    ObjectKind.CRON_JOB: frozenset({FieldName.SUSPEND, FieldName.STARTING_DEADLINE}),
    ObjectKind.AUTOSCALER: frozenset({FieldName.MIN_REPLICAS, FieldName.MAX_REPLICAS}),
    ObjectKind.SCALED_OBJECT: frozenset({FieldName.MIN_REPLICAS, FieldName.MAX_REPLICAS}),
    ObjectKind.AIRFLOW_POOL: frozenset({FieldName.SLOTS}),
    ObjectKind.NODE: frozenset({FieldName.UNSCHEDULABLE}),
    ObjectKind.NODE_POOL: frozenset({
        FieldName.MIN_NODES, FieldName.MAX_NODES, FieldName.TARGET_NODES,
    }),
})  # fmt: skip
"""The fields that each kind has."""

_BOOLEANS = frozenset({FieldName.SUSPEND, FieldName.UNSCHEDULABLE})
_MAX_CHARACTERS = 2_000
_MAX_VALUE = 2**31 - 1
_TRUE = frozenset({"true", "yes", "1", "on"})


def write_lease(lease: Lease) -> dict[str, str]:
    """Give the annotations that go along with the PATCH that lowers a target."""
    written = {
        LEASE: str(lease.id),
        BEFORE: dump_fields(lease.before),
        APPLIED: dump_fields(lease.applied),
        DUE: format_instant(lease.due),
    }
    rules = _dump_rules(lease.rules)
    return written | ({RETURN: rules} if rules else {})


def strip_lease(annotations: Mapping[str, str]) -> dict[str, str | None]:
    """Give the change that takes a lease off an object; empty if nothing of it is there."""
    return {key: None for key in LEASE_KEYS if key in annotations}


def lease_on(live: LiveTarget) -> LeaseId | None:
    """Give the id of the lease that an object says it is under; checked against its own name.

    An annotation that was copied to another object is none.
    """
    text = live.annotations.get(LEASE)
    if text is None:
        return None
    try:
        name = parse_lease_id(text)
    except ValueError:
        return None
    return LeaseId(text) if name.digest == target_digest(live.id) else None


def read_lease(live: LiveTarget) -> Lease | None:
    """Rebuild a lease from the annotations of its object; None if it is under none.

    :raises ValueError: naming the object and the annotation that cannot be believed.
    """
    if LEASE not in live.annotations:
        return None
    where = live.id.ref
    try:
        name = parse_lease_id(_text(live, LEASE))
    except ValueError as error:
        raise ValueError(f"{where}: {LEASE}: {error}") from error
    if name.digest != target_digest(live.id):
        raise ValueError(f"{where}: {LEASE} was copied from another object; remove {LEASE}")
    return Lease(
        id=LeaseId(live.annotations[LEASE]),
        target=live.id,
        before=parse_fields(live.id.kind, _text(live, BEFORE), f"{where}: {BEFORE}"),
        applied=parse_fields(live.id.kind, _text(live, APPLIED), f"{where}: {APPLIED}"),
        due=parse_instant(_text(live, DUE), f"{where}: {DUE}"),
        order=name.order,
        window=name.window,
        state=LeaseState.APPLIED,
        rules=_parse_rules(live.annotations.get(RETURN), f"{where}: {RETURN}"),
        saved=live.saved,
    )


def stage_of(live: LiveTarget) -> Fields:
    """Give the fields that we wrote last; empty if there were no steps or they cannot be read."""
    text = live.annotations.get(STAGE)
    if text is None:
        return {}
    try:
        return parse_fields(live.id.kind, text, STAGE)
    except ValueError:
        return {}  # then what is live counts as somebody else's, which only raises


def is_staged(live: LiveTarget, name: FieldName, staged: Fields) -> bool:
    """Tell whether a field is where our last step left it.

    A pool's size may be lower too: every emptied node that is removed takes its place away.
    """
    if name not in staged:
        return False
    if name is FieldName.TARGET_NODES:
        return live.capacity(name) <= capacity_of(live.id.kind, name, staged[name])
    return agrees(live, {name: staged[name]})


def is_held(annotations: Mapping[str, str], now: dt.datetime, *, if_unclear: bool) -> bool:
    """Tell whether a person asked us to leave an object as it is.

    :param if_unclear: the answer where the time of ``hold-until`` cannot be read: true on a Friday,
        false on a Monday.
    """
    if annotations.get(HOLD, "").strip().lower() in _TRUE:
        return True
    until = annotations.get(HOLD_UNTIL)
    if until is None:
        return False
    try:
        return now < parse_instant(until, HOLD_UNTIL)
    except ValueError:
        return if_unclear


def dump_fields(fields: Fields) -> str:
    """Write fields as canonical JSON."""
    return json.dumps({str(k): v for k, v in fields.items()}, sort_keys=True, separators=(",", ":"))


def parse_fields(kind: ObjectKind, text: str, where: str) -> Fields:
    """Read fields of a kind of object.

    :raises ValueError: with ``where``, for anything that such an object cannot have.
    """
    raw = _parse_object(text, where)
    fields: dict[FieldName, FieldValue] = {}
    for key, value in raw.items():
        if key not in {str(name) for name in FIELDS_OF[kind]}:
            raise ValueError(f"{where}: {key[:40]!r} is no field of a {kind}")
        name = FieldName(key)
        if not _is_value(name, value):
            raise ValueError(f"{where}.{key}: {str(value)[:40]!r} is no value of it")
        fields[name] = value
    return MappingProxyType(fields)


def format_instant(instant: dt.datetime) -> str:
    """Write an instant in UTC, to the second."""
    return f"{instant.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def parse_instant(text: str, where: str) -> dt.datetime:
    """Read an instant with a zone.

    :raises ValueError: with ``where``, if it is none.
    """
    try:
        instant = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{where}: {text[:40]!r} is not a time such as 2027-05-17T05:30Z"
        ) from error
    if instant.tzinfo is None:
        raise ValueError(f"{where}: {text[:40]!r} lacks its zone; end it with Z or +02:00")
    try:
        return instant.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(f"{where}: {text[:40]!r} is out of range") from error


def _text(live: LiveTarget, key: str) -> str:
    text = live.annotations.get(key)
    if text is None or len(text) > _MAX_CHARACTERS:
        raise ValueError(f"{live.id.ref}: {key} is {'missing' if text is None else 'too long'}")
    return text


def _parse_object(text: str, where: str) -> Mapping[str, Any]:
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(f"{where}: too long")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: not JSON") from error
    if not isinstance(raw, dict):
        raise ValueError(f"{where}: expected an object")
    return raw


def _is_value(name: FieldName, value: Any) -> bool:
    if value is None:
        return True
    if name in _BOOLEANS:
        return isinstance(value, bool)
    least = -1 if name is FieldName.SLOTS else 0
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MAX_VALUE


def _dump_rules(rules: ReturnRules) -> str:
    usual = ReturnRules()
    written: dict[str, Any] = {}
    if rules.on_conflict is not usual.on_conflict:
        written["onConflict"] = str(rules.on_conflict)
    if rules.skip_missed is not usual.skip_missed:
        written["skipMissed"] = rules.skip_missed
    if rules.stagger != usual.stagger:
        written["staggerSeconds"] = int(rules.stagger.total_seconds())
    return json.dumps(written, sort_keys=True, separators=(",", ":")) if written else ""


def _parse_rules(text: str | None, where: str) -> ReturnRules:
    if text is None:
        return ReturnRules()
    raw, usual = _parse_object(text, where), ReturnRules()
    strange = sorted(set(raw) - {"onConflict", "skipMissed", "staggerSeconds"})
    skip = raw.get("skipMissed", usual.skip_missed)
    seconds = raw.get("staggerSeconds", int(usual.stagger.total_seconds()))
    if strange or not isinstance(skip, bool) or type(seconds) is not int:
        raise ValueError(f"{where}: expected onConflict, skipMissed and staggerSeconds")
    if not 0 <= seconds <= 86_400:
        raise ValueError(f"{where}: staggerSeconds is 0 to 86400")
    try:
        rule = OnConflict(str(raw.get("onConflict", usual.on_conflict)))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return ReturnRules(rule, skip, dt.timedelta(seconds=seconds))
