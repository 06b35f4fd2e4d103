"""A plan as JSON and back: what was approved is read again before it is applied.

The document is our own, but it lay where others may write, so it is checked like any other; its
hash is worked out anew and never believed.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from nightshift.domain.capacity.plans import (
    Action,
    ActionKind,
    CapacityPlan,
    Check,
    Problem,
    RiskFacts,
    Skip,
)
from nightshift.domain.capacity.policies import Mode
from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import ObjectKind, TargetId
from nightshift.domain.kubejson import as_int, as_mapping
from nightshift.domain.leases.annotations import (
    dump_fields,
    format_instant,
    parse_fields,
    parse_instant,
)
from nightshift.domain.leases.records import LeaseId, ReturnRules, parse_lease_id

VERSION = 1
_MOST_ROWS = 100_000
T = TypeVar("T")


def dump_plan(plan: CapacityPlan) -> dict[str, Any]:
    """Write a plan as JSON values."""
    return {
        "version": VERSION,
        "policy": plan.policy,
        "policyDigest": plan.policy_digest,
        "cluster": plan.cluster,
        "mode": str(plan.mode),
        "window": plan.window,
        "down": format_instant(plan.down),
        "up": format_instant(plan.up),
        "madeAt": plan.made_at.astimezone(dt.UTC).isoformat(),
        "actions": [_dump_action(one) for one in plan.actions],
        "skips": [
            {"ref": one.ref, "tier": one.tier, "check": str(one.check), "reason": one.reason}
            for one in plan.skips
        ],
        "problems": [{"check": str(one.check), "message": one.message} for one in plan.problems],
        "postpone": list(plan.postpone),
        "risk": {
            "firstRun": plan.risk.first_run,
            "policyChanged": plan.risk.policy_changed,
            "nodesRemoved": plan.risk.nodes_removed,
            "readyNodes": plan.risk.ready_nodes,
            "tiers": list(plan.risk.tiers),
        },
        "hash": plan.hash,
    }


def parse_plan(raw: Any) -> CapacityPlan:
    """Read a plan.

    :raises ValueError: with the path of the fault, also if the plan is not what its hash says.
    """
    body = as_mapping(raw, "plan")
    if body.get("version") != VERSION:
        raise ValueError(f"plan.version: {str(body.get('version'))[:20]!r} is not {VERSION}")
    plan = CapacityPlan(
        policy=_text(body, "policy"),
        policy_digest=_text(body, "policyDigest"),
        cluster=_text(body, "cluster"),
        mode=_enum(Mode, body.get("mode"), "plan.mode"),
        window=_text(body, "window"),
        down=parse_instant(_text(body, "down"), "plan.down"),
        up=parse_instant(_text(body, "up"), "plan.up"),
        made_at=parse_instant(_text(body, "madeAt"), "plan.madeAt"),
        actions=_rows(body, "actions", _parse_action),
        skips=_rows(body, "skips", _parse_skip),
        problems=_rows(body, "problems", _parse_problem),
        postpone=_rows(body, "postpone", _string),
        risk=_parse_risk(as_mapping(body.get("risk"), "plan.risk")),
    )
    if body.get("hash") != plan.hash:
        raise ValueError("plan.hash: the plan is not the one that was written; plan again")
    return plan


def _dump_action(action: Action) -> dict[str, Any]:
    target, rules = action.target, action.rules
    return {
        "kind": str(action.kind),
        "order": action.order,
        "tier": action.tier,
        "target": {
            "kind": str(target.kind),
            "namespace": target.namespace,
            "name": target.name,
            "uid": target.uid,
        },
        "before": dump_fields(action.before),
        "applied": dump_fields(action.applied),
        "reason": action.reason,
        "leaseId": action.lease_id,
        "rules": {
            "onConflict": str(rules.on_conflict),
            "skipMissed": rules.skip_missed,
            "staggerSeconds": int(rules.stagger.total_seconds()),
        },
        "warnings": list(action.warnings),
        "pool": action.pool,
        "evictions": action.evictions,
        "remove": action.remove,
        "saved": action.saved,
    }


def _parse_action(raw: Any, where: str) -> Action:
    body = as_mapping(raw, where)
    target = as_mapping(body.get("target"), f"{where}.target")
    kind = _enum(ObjectKind, target.get("kind"), f"{where}.target.kind")
    lease = _text(body, "leaseId", where)
    parse_lease_id(lease)
    return Action(
        kind=_enum(ActionKind, body.get("kind"), f"{where}.kind"),
        order=as_int(body.get("order"), f"{where}.order"),
        tier=_text(body, "tier", where),
        target=TargetId(
            kind, *(_text(target, key, f"{where}.target") for key in ("namespace", "name", "uid"))
        ),
        before=parse_fields(kind, _text(body, "before", where), f"{where}.before"),
        applied=parse_fields(kind, _text(body, "applied", where), f"{where}.applied"),
        reason=_text(body, "reason", where),
        lease_id=LeaseId(lease),
        rules=_parse_rules(as_mapping(body.get("rules"), f"{where}.rules"), f"{where}.rules"),
        warnings=_rows(body, "warnings", _string, where),
        pool=_text(body, "pool", where),
        evictions=as_int(body.get("evictions"), f"{where}.evictions"),
        remove=_flag(body, "remove", where),
        saved=_text(body, "saved", where),
    )


def _parse_rules(body: Mapping[str, Any], where: str) -> ReturnRules:
    seconds = as_int(body.get("staggerSeconds"), f"{where}.staggerSeconds")
    if not 0 <= seconds <= 86_400:
        raise ValueError(f"{where}.staggerSeconds: {seconds} is not from 0 to 86400")
    return ReturnRules(
        _enum(OnConflict, body.get("onConflict"), f"{where}.onConflict"),
        _flag(body, "skipMissed", where),
        dt.timedelta(seconds=seconds),
    )


def _parse_skip(raw: Any, where: str) -> Skip:
    body = as_mapping(raw, where)
    ref, tier, reason = (_text(body, key, where) for key in ("ref", "tier", "reason"))
    return Skip(ref, tier, _enum(Check, body.get("check"), f"{where}.check"), reason)


def _parse_problem(raw: Any, where: str) -> Problem:
    body = as_mapping(raw, where)
    check = _enum(Check, body.get("check"), f"{where}.check")
    return Problem(check, _text(body, "message", where))


def _parse_risk(body: Mapping[str, Any]) -> RiskFacts:
    where = "plan.risk"
    return RiskFacts(
        first_run=_flag(body, "firstRun", where),
        policy_changed=_flag(body, "policyChanged", where),
        nodes_removed=as_int(body.get("nodesRemoved"), f"{where}.nodesRemoved"),
        ready_nodes=as_int(body.get("readyNodes"), f"{where}.readyNodes"),
        tiers=_rows(body, "tiers", _string, where),
    )


def _rows(
    body: Mapping[str, Any], key: str, parse: Callable[[Any, str], T], where: str = "plan"
) -> tuple[T, ...]:
    found = body.get(key)
    if not isinstance(found, list) or len(found) > _MOST_ROWS:
        raise ValueError(f"{where}.{key}: expected a list of at most {_MOST_ROWS:,}")
    return tuple(parse(item, f"{where}.{key}[{i}]") for i, item in enumerate(found))


def _text(body: Mapping[str, Any], key: str, where: str = "plan") -> str:
    return _string(body.get(key), f"{where}.{key}")


def _string(raw: Any, where: str) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"{where}: expected text")
    return raw


def _flag(body: Mapping[str, Any], key: str, where: str) -> bool:
    found = body.get(key)
    if not isinstance(found, bool):
        raise ValueError(f"{where}.{key}: expected true or false")
    return found


def _enum(words: Callable[[Any], T], raw: Any, where: str) -> T:
    try:
        return words(raw)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
