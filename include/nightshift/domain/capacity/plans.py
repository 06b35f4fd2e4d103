"""A capacity plan: what would be lowered, in which order, why, and what is left alone and why.

A plan is a value; making it changes nothing. Its hash covers what it does and nothing that only
describes it, so an approval of a plan is an approval of exactly that.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType

from nightshift.domain.capacity.policies import Mode
from nightshift.domain.capacity.policies_rules import Approval, Required
from nightshift.domain.capacity.targets import Fields, TargetId
from nightshift.domain.leases.records import Lease, LeaseId, ReturnRules

PlanHash = NewType("PlanHash", str)
"""SHA-256 in hex."""

NODES_TIER = "nodes"
"""The tier of node pools and nodes: always the last to go down and the first to come up."""


class ActionKind(StrEnum):
    """What an action does."""

    LOWER = "lower"  # one PATCH, or a few steps of one
    BOUNDS = "bounds"  # the bounds of a node pool
    REST_NODE = "rest_node"  # cordon, drain, and remove where the driver can


class Check(StrEnum):
    """The rule that spoke; the rows of preflight, and what else keeps a target as it is."""

    ALREADY_LOW = "already_low"
    DO_NOT_EVICT = "do_not_evict"
    DOUBLE = "double"
    DRIVEN = "driven"
    FIT = "fit"
    HEALTH = "health"
    HELD = "held"
    KEPT = "kept"
    LEASED = "leased"
    LIMIT = "limit"
    MINIMUM = "minimum"
    NOT_ASKED = "not_asked"
    NOT_FOUND = "not_found"
    OWNERSHIP = "ownership"
    PDB = "pdb"
    PROTECTED = "protected"
    QUORUM = "quorum"
    RETURNED = "returned"
    SELF_PRESERVATION = "self_preservation"
    UNREAD = "unread"
    VOLUMES = "volumes"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Action:
    """One target and what becomes of it.

    :param order: place in the plan, from 1; undone in reverse.
    :param tier: the policy's tier, or NODES_TIER.
    :param before: what its fields are; may hold fields that ``applied`` does not set.
    :param warnings: what a person should know although nothing forbids it.
    :param pool: the policy's pool that a node is of; "" for other kinds.
    :param evictions: pods that a node's drain has to evict.
    :param remove: the pool's driver removes the node once it is empty.
    """

    kind: ActionKind
    order: int
    tier: str
    target: TargetId
    before: Fields
    applied: Fields
    reason: str
    lease_id: LeaseId
    rules: ReturnRules = field(default_factory=ReturnRules)
    warnings: tuple[str, ...] = ()
    pool: str = ""
    evictions: int = 0
    remove: bool = False
    saved: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """Something that the policy names and the plan leaves as it is.

    :param ref: ``Kind/namespace/name``, or the policy's own words where nothing was found.
    """

    ref: str
    tier: str
    check: Check
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the whole plan is refused; its text says what to do."""

    check: Check
    message: str


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """What decides whether a person is asked.

    :param ready_nodes: of all pools of the policy.
    """

    first_run: bool
    policy_changed: bool
    nodes_removed: int = 0
    ready_nodes: int = 0
    tiers: tuple[str, ...] = ()

    @property
    def nodes_removed_pct(self) -> float:
        """The share of ready nodes that would go, 0 to 100."""
        return 100 * self.nodes_removed / self.ready_nodes if self.ready_nodes else 0.0


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """What would be done in one window.

    :param policy: its name; ``policy_digest`` is its content.
    :param up: when everything is due back.
    :param problems: any of them refuses the plan.
    :param postpone: why it should wait; tried again until the policy's ``maxDelay``.
    """

    policy: str
    policy_digest: str
    cluster: str
    mode: Mode
    window: str
    down: dt.datetime
    up: dt.datetime
    made_at: dt.datetime
    actions: tuple[Action, ...]
    skips: tuple[Skip, ...] = ()
    problems: tuple[Problem, ...] = ()
    postpone: tuple[str, ...] = ()
    risk: RiskFacts = field(default_factory=lambda: RiskFacts(True, True))

    @property
    def hash(self) -> PlanHash:
        """Name what the plan does."""
        text = json.dumps(_hashed(self), sort_keys=True, separators=(",", ":"))
        return PlanHash(hashlib.sha256(text.encode()).hexdigest())

    @property
    def is_refused(self) -> bool:
        """Tell whether nothing of it may be applied."""
        return bool(self.problems)

    def why_not_apply(self) -> tuple[str, ...]:
        """List why nothing of it may be applied now; an approval is asked for apart."""
        reasons = [problem.message for problem in self.problems] + list(self.postpone)
        if self.mode is not Mode.ENFORCE:
            reasons.insert(0, f"the policy's mode is {self.mode}: it changes nothing")
        return tuple(reasons)

    def tiers(self) -> tuple[str, ...]:
        """Give the tiers with actions, in the order in which they are lowered."""
        return tuple(dict.fromkeys(action.tier for action in self.actions))

    def of_tier(self, tier: str) -> tuple[Action, ...]:
        """Give a tier's actions in order."""
        return tuple(action for action in self.actions if action.tier == tier)


def _hashed(plan: CapacityPlan) -> dict[str, Any]:
    return {
        "version": 1,
        "policy": plan.policy,
        "digest": plan.policy_digest,
        "cluster": plan.cluster,
        "window": plan.window,
        "up": plan.up.astimezone(dt.UTC).isoformat(),
        "actions": [_hashed_action(action) for action in plan.actions],
    }


def _hashed_action(action: Action) -> dict[str, Any]:
    rules = action.rules
    return {
        "kind": str(action.kind),
        "order": action.order,
        "tier": action.tier,
        "target": [action.target.ref, action.target.uid],
        "before": {str(name): value for name, value in action.before.items()},
        "applied": {str(name): value for name, value in action.applied.items()},
        "rules": [str(rules.on_conflict), rules.skip_missed, rules.stagger.total_seconds()],
        "pool": action.pool,
        "remove": action.remove,
    }


def lease_of(plan: CapacityPlan, action: Action, by: str, now: dt.datetime) -> Lease:
    """Write an action down as the lease that is committed before its PATCH."""
    return Lease(
        id=action.lease_id,
        target=action.target,
        before=action.before,
        applied=action.applied,
        due=plan.up,
        order=action.order,
        window=plan.window,
        tier=action.tier,
        rules=action.rules,
        saved=action.saved,
        policy_digest=plan.policy_digest,
        plan_hash=plan.hash,
        by=by,
        at=now,
    )


def why_approve(approval: Approval, risk: RiskFacts) -> tuple[str, ...]:
    """List why a person must approve a plan; empty if nobody has to."""
    if approval.required is Required.NEVER:
        return ()
    if approval.required is Required.ALWAYS:
        return ("the policy asks for approval every time",)
    return tuple(_conditions(approval, risk))


def _conditions(approval: Approval, risk: RiskFacts) -> Iterable[str]:
    if approval.first_run and risk.first_run:
        yield "this policy has never been applied"
    elif approval.policy_changed and risk.policy_changed:
        yield "the policy has changed since it was last applied"
    limit = approval.nodes_removed_above_pct
    if limit is not None and risk.nodes_removed_pct > limit:
        yield (
            f"it removes {risk.nodes_removed} of {risk.ready_nodes} nodes, "
            f"{risk.nodes_removed_pct:.0f} %, more than {limit} %"
        )
    touched = [tier for tier in approval.tiers if tier in risk.tiers]
    if touched:
        yield f"it lowers the tier {', '.join(touched)}"


@dataclass(frozen=True, slots=True)
class Revalidated:
    """An approved plan against one that was made just now.

    :param actions: those of the approved plan that still hold.
    :param dropped: the others, with what the new plan says of them.
    :param refused: why nothing may be applied at all; empty if something may.
    """

    actions: tuple[Action, ...]
    dropped: tuple[Skip, ...] = ()
    refused: tuple[str, ...] = ()


def revalidate(approved: CapacityPlan, approved_hash: str, fresh: CapacityPlan) -> Revalidated:
    """Narrow an approved plan to what still holds; it never gains anything by waiting.

    What would keep a fresh plan from being applied keeps the approved one too: a policy that does
    not enforce, alerts, a freeze, facts that could not be read.

    :param approved_hash: what the person saw and approved.
    :param fresh: made now, by the same policy, for the same window.
    """
    refused = list(fresh.why_not_apply())
    if approved.hash != approved_hash:
        refused.append("the stored plan is not the one that was approved")
    if fresh.policy_digest != approved.policy_digest:
        refused.append("the policy has changed since; plan again")
    if fresh.window != approved.window:
        refused.append(f"the window {approved.window} is over")
    if refused:
        return Revalidated((), refused=tuple(refused))
    now = {action.target.ref: action for action in fresh.actions}
    skips = {skip.ref: skip for skip in fresh.skips}
    kept, dropped = [], []
    for action in approved.actions:
        other = now.get(action.target.ref)
        if other is not None and _does_the_same(action, other):
            kept.append(action)
        else:
            dropped.append(_why_dropped(action, other, skips.get(action.target.ref)))
    return Revalidated(tuple(kept), tuple(dropped))


def _does_the_same(one: Action, other: Action) -> bool:
    return (one.target, one.before, one.applied, one.kind, one.pool, one.remove) == (
        other.target, other.before, other.applied, other.kind, other.pool, other.remove
    )  # fmt: skip


def _why_dropped(action: Action, other: Action | None, skip: Skip | None) -> Skip:
    ref, tier = action.target.ref, action.tier
    if skip is not None:
        return Skip(ref, tier, skip.check, f"since the approval: {skip.reason}")
    why = "it changed since the approval" if other else "it is no part of the plan any more"
    return Skip(ref, tier, Check.NOT_ASKED, why)
