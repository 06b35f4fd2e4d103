"""Freeze an autoscaler's way up for a limited time, and thaw it again.

``behavior.scaleUp.selectPolicy: Disabled`` stops raising and still lets it fall; KEDA's annotation
does the same for a ScaledObject. What was there before lies beside it, so that a thaw needs nothing
else. Source: Kubernetes 1.36, autoscaling/v2; KEDA 2.17, ``paused-scale-out``.
"""

import datetime as dt
import json
from dataclasses import dataclass

from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.target_kinds import TARGET_RESOURCES
from nightshift.domain.capacity.targets import OUR_MANAGER, ObjectKind, TargetId
from nightshift.domain.leases.annotations import format_instant, parse_instant
from nightshift.errors import NotFound

FROZEN = "nightshift/frozen"
KEDA_PAUSED = "autoscaling.keda.sh/paused-scale-out"
_DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class FrozenTarget:
    """A freeze that is on an autoscaler.

    :param before: its ``selectPolicy``; None if it had none.
    :param clean: looks without a sign since the last with one.
    """

    target: TargetId
    since: dt.datetime
    until: dt.datetime
    why: str
    before: str | None = None
    clean: int = 0


def freeze(cluster: Cluster, wanted: FrozenTarget) -> bool:
    """Stop an autoscaler from raising, or write anew what a freeze of ours says.

    :param wanted: its ``before`` is not looked at: what is there is kept.
    :returns: whether it was free before.
    :raises Conflict: if it has changed since it was read.
    """
    target = wanted.target
    obj = _read(cluster, target)
    if obj is None:
        return False
    there = parse_freeze(target, obj)
    before = there.before if there else _policy(obj)
    if there is None and before == _DISABLED:
        return False  # somebody else has frozen it
    note = {
        "since": format_instant(wanted.since),
        "until": format_instant(wanted.until),
        "why": wanted.why[:300],
        "before": before,
        "clean": wanted.clean,
    }
    body = _body(obj, json.dumps(note, sort_keys=True))
    if target.kind is ObjectKind.SCALED_OBJECT:
        body["metadata"]["annotations"][KEDA_PAUSED] = "true"
    else:
        body["spec"] = {"behavior": {"scaleUp": {"selectPolicy": _DISABLED}}}
    cluster.patch(TARGET_RESOURCES[target.kind].path(target), body, manager=OUR_MANAGER)
    return there is None


def thaw(cluster: Cluster, target: TargetId) -> bool:
    """Let an autoscaler raise again, with the policy that it had.

    :returns: whether our freeze was on it.
    :raises Conflict: if it has changed since it was read.
    """
    obj = _read(cluster, target)
    there = parse_freeze(target, obj) if obj else None
    if obj is None or there is None:
        return False
    body = _body(obj, None)
    if target.kind is ObjectKind.SCALED_OBJECT:
        body["metadata"]["annotations"][KEDA_PAUSED] = None
    elif _policy(obj) == _DISABLED:  # else a person has set something since, which stays
        body["spec"] = {"behavior": {"scaleUp": {"selectPolicy": there.before}}}
    cluster.patch(TARGET_RESOURCES[target.kind].path(target), body, manager=OUR_MANAGER)
    return True


def list_freezes(cluster: Cluster) -> list[FrozenTarget]:
    """List the freezes that are on."""
    found = []
    for kind in (ObjectKind.AUTOSCALER, ObjectKind.SCALED_OBJECT):
        try:
            for obj in cluster.iterate(TARGET_RESOURCES[kind].everywhere):
                meta = obj.get("metadata") or {}
                target = TargetId(kind, str(meta.get("namespace")), str(meta.get("name")))
                one = parse_freeze(target, obj)
                if one is not None:
                    found.append(one)
        except NotFound:  # KEDA is not installed
            continue
    return found


def parse_freeze(target: TargetId, obj: Object) -> FrozenTarget | None:
    """Read the freeze on an autoscaler; one that cannot be read has no time left."""
    text = ((obj.get("metadata") or {}).get("annotations") or {}).get(FROZEN)
    if text is None:
        return None
    try:
        raw = json.loads(str(text)[:1000])
        since, until = (parse_instant(str(raw[key]), FROZEN) for key in ("since", "until"))
        before, clean = raw.get("before"), int(raw.get("clean", 0))
        why = str(raw.get("why") or "")
        return FrozenTarget(target, since, until, why, before and str(before), clean)
    except (ValueError, KeyError, TypeError, AttributeError):
        never = dt.datetime.min.replace(tzinfo=dt.UTC)
        return FrozenTarget(target, never, never, "it cannot be read")


def _body(obj: Object, note: str | None) -> Object:
    version = obj["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version, "annotations": {FROZEN: note}}}


def _policy(obj: Object) -> str | None:
    behavior = (obj.get("spec") or {}).get("behavior") or {}
    found = (behavior.get("scaleUp") or {}).get("selectPolicy")
    return str(found) if found else None


def _read(cluster: Cluster, target: TargetId) -> Object | None:
    try:
        return cluster.get(TARGET_RESOURCES[target.kind].path(target))
    except NotFound:
        return None
