"""A cluster's targets, people, our store and our runs, as plain values: what a weekend happens to.

No client and no server: an object is a ``LiveTarget``, a PATCH is applied if its resourceVersion
fits, and a run that is killed simply does not do its next step.
"""

import datetime as dt
from dataclasses import dataclass, field, replace
from enum import Enum

from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.planner import plan_scale_down
from nightshift.domain.capacity.plans import Action, CapacityPlan, lease_of
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.snapshots import ClusterSnapshot, NodeFacts, PoolFacts
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    FieldValue,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Patch,
    capacity_of,
    is_ordered,
)
from nightshift.domain.leases.annotations import LEASE, STAGE, is_held, lease_on
from nightshift.domain.leases.collecting import collect_leases, plan_strip
from nightshift.domain.leases.lowering import next_lowering
from nightshift.domain.leases.records import Lease, LeaseId, LeaseState, check_move, is_due
from nightshift.domain.leases.recoveries import RecoverAct, decide_recovery
from nightshift.domain.leases.restoring import RestoreItem, RestoreState, plan_round
from nightshift.domain.leases.returning import Stride, plan_deadline_end
from nightshift.domain.windows.spans import Window

MINUTE = dt.timedelta(minutes=1)


class Kill(Enum):
    """Where a run dies."""

    NEVER = "never"
    AFTER_INTENT = "after the intent was committed"
    AFTER_PATCH = "after the PATCH, before the row was updated"


class Killed(Exception):
    """The run is dead."""


@dataclass
class Weekend:
    """Everything that there is."""

    window: Window
    now: dt.datetime
    targets: dict[str, LiveTarget]
    nodes: dict[str, NodeFacts] = field(default_factory=dict)
    rows: dict[LeaseId, Lease] = field(default_factory=dict)
    slow: bool = False
    truth: dict[str, Fields] = field(default_factory=dict)
    lowered: list[tuple[str, str]] = field(default_factory=list)
    remembered: dict[LeaseId, tuple[Fields, Fields]] = field(default_factory=dict)
    raised_by_people: set[str] = field(default_factory=set)

    # -- the cluster

    def read(self, ref: str) -> LiveTarget | None:
        return self.targets.get(ref)

    def write(self, ref: str, patch: Patch) -> bool:
        """Apply a PATCH; False is a conflict."""
        live = self.targets.get(ref)
        if live is None or live.resource_version != patch.resource_version:
            return False
        annotations = dict(live.annotations)
        for key, value in patch.annotations.items():
            if value is None:
                annotations.pop(key, None)
            else:
                annotations[key] = value
        self.put(replace(live, fields={**live.fields, **patch.fields}, annotations=annotations))
        return True

    def put(self, live: LiveTarget) -> None:
        version = str(int(live.resource_version) + 1)
        self.targets[live.id.ref] = replace(
            live, resource_version=version, status=self._status(live)
        )

    def _status(self, live: LiveTarget) -> LiveStatus:
        fields, runs = live.fields, live.status.replicas
        match live.id.kind:
            case ObjectKind.AUTOSCALER:
                low, high = (
                    capacity_of(live.id.kind, name, fields[name])
                    for name in (FieldName.MIN_REPLICAS, FieldName.MAX_REPLICAS)
                )
                runs = min(max(runs, low), high)
            case ObjectKind.DEPLOYMENT | ObjectKind.STATEFUL_SET:
                runs = capacity_of(live.id.kind, FieldName.REPLICAS, fields[FieldName.REPLICAS])
            case _:
                pass
        return LiveStatus(runs, 0 if self.slow else runs)

    def snapshot(self) -> ClusterSnapshot:
        nodes = [
            NodeFacts(
                replace(
                    one.node,
                    unschedulable=bool(
                        self.targets[one.target.id.ref].fields[FieldName.UNSCHEDULABLE]
                    ),
                ),
                self.targets[one.target.id.ref],
            )
            for one in self.nodes.values()
            if one.target.id.ref in self.targets
        ]
        pool = self.targets["NodePool/general"]
        others = [
            one
            for one in self.targets.values()
            if one.id.kind not in {ObjectKind.NODE, ObjectKind.NODE_POOL}
        ]
        pools = {"general": PoolFacts("general", pool, removes=True)}
        return ClusterSnapshot(at=self.now, targets=others, nodes=nodes, pools=pools)

    # -- people

    def edit(self, ref: str, name: FieldName, value: FieldValue) -> None:
        live = self.targets[ref]
        if not is_ordered(name):
            self.put(replace(live, fields={**live.fields, name: value}))
            return
        self.put(replace(live, fields={**live.fields, name: value}))

    def make_anew(self, ref: str, fields: Fields) -> None:
        live = self.targets[ref]
        anew = replace(live.id, uid=f"{live.id.uid}+")
        self.put(replace(live, id=anew, fields=fields, annotations={}))

    # -- our runs

    def ledger(self) -> Ledger:
        by_state: dict[LeaseState, list[Lease]] = {}
        for lease in self.rows.values():
            by_state.setdefault(lease.state, []).append(lease)
        return Ledger(
            tuple(one for one in self.rows.values() if one.is_open),
            frozenset(one.id for one in by_state.get(LeaseState.CLOSED, ())),
            frozenset(one.id for one in by_state.get(LeaseState.DROPPED, ())),
        )

    def plan(self, policy: CapacityPolicy) -> CapacityPlan:
        return plan_scale_down(policy, self.snapshot(), self.window, self.ledger())

    def lower(self, plan: CapacityPlan, action: Action, kill: Kill) -> None:
        """Carry one action out: intent, PATCH, row."""
        lease = lease_of(plan, action, "test", self.now)
        known = self.rows.get(lease.id)
        if known is not None and known.state is not LeaseState.DROPPED:
            return
        self._save(lease)
        if kill is Kill.AFTER_INTENT:
            raise Killed
        self._go_on(lease, kill)

    def _go_on(self, lease: Lease, kill: Kill) -> None:
        ref = lease.target.ref
        step = next_lowering(lease, self.read(ref), self.now)
        if not isinstance(step, Stride):
            self._save(replace(lease, state=LeaseState.DROPPED))
            return
        self._patch_down(lease, step)
        if kill is Kill.AFTER_PATCH:
            raise Killed
        self._save(replace(lease, state=LeaseState.APPLIED))

    def step_on(self) -> None:
        """Take the next step of every target that goes down in steps."""
        for lease in [*self.rows.values()]:
            live = self.read(lease.target.ref)
            if lease.state is LeaseState.APPLIED and live is not None and STAGE in live.annotations:
                step = next_lowering(lease, live, self.now)
                if isinstance(step, Stride):
                    self._patch_down(lease, step)

    def _patch_down(self, lease: Lease, step: Stride) -> None:
        ref = lease.target.ref
        live = self.targets[ref]
        for name, value in step.patch.fields.items():
            was, will = (
                capacity_of(live.id.kind, name, one) for one in (live.fields.get(name), value)
            )
            assert will <= was, f"{ref}: {name} is raised on a Friday"
        if lease_on(live) is None:
            self.truth.setdefault(ref, dict(live.fields))
            self.lowered.append((lease.window, ref))
        assert not self._is_raised_since(ref, lease), f"{ref}: a person's raise is undone"
        assert self.write(ref, step.patch)

    def _is_raised_since(self, ref: str, lease: Lease) -> bool:
        live = self.targets[ref]
        return ref in self.raised_by_people and lease_on(live) == lease.id

    def recover(self, *, undo: bool = False) -> None:
        """Do what the reconciler does with what dead runs left."""
        is_open = self.window.contains(self.now) and not undo
        left = self.window.up - self.now if is_open else None
        for lease in [*self.rows.values()]:
            if lease.state is not LeaseState.INTENT:
                continue
            found = decide_recovery(lease, self.read(lease.target.ref), left)
            match found.act:
                case RecoverAct.APPLY:
                    self._go_on(lease, Kill.NEVER)
                case RecoverAct.MARK_APPLIED:
                    self._save(replace(lease, state=LeaseState.APPLIED))
                case RecoverAct.DROP | RecoverAct.CONFLICT:
                    self._save(replace(lease, state=LeaseState.DROPPED))
                case _:
                    raise AssertionError(found)

    def restore(self, kill_after: int | None = None, *, everything: bool = False) -> None:
        """Bring back what is due, round by round.

        :param kill_after: so many writes; None is none.
        :param everything: due or not, as when a Friday is undone.
        """
        began, writes = self.now, 0
        closed: list[Lease] = []
        for _ in range(2_000):
            self.recover(undo=everything)
            found = collect_leases(
                self.rows.values(),
                [*self.targets.values()],
                [one.id for one in self.rows.values() if not one.is_open],
            )
            assert found.faults == ()
            for live in found.stale:
                assert self.write(live.id.ref, plan_strip(live))
            resting = self.window.contains(self.now)
            due = [one for one in found.leases if everything or is_due(one, self.now, resting)]
            state = RestoreState(began, self.now, closed=tuple(closed))
            plan = plan_round(due, self.targets, state)
            if plan.is_done:
                self._end_deadlines()
                return
            for item in plan.items:
                if kill_after is not None and writes >= kill_after:
                    raise Killed
                writes += self._bring_back(item, closed)
            self.now = max(plan.again_at or self.now, self.now + MINUTE / 2)
        raise AssertionError("a restore does not end")

    def _bring_back(self, item: RestoreItem, closed: list[Lease]) -> bool:
        lease = item.lease
        if item.stride is not None:
            self._check_raises(lease, item.stride)
            assert self.write(lease.target.ref, item.stride.patch)
            if lease.state is LeaseState.APPLIED:
                lease = replace(lease, state=LeaseState.RESTORING)
                self._save(lease)
        if item.closes:
            self._save(replace(lease, state=LeaseState.CLOSED))
            closed.append(lease)
        return item.stride is not None

    def _check_raises(self, lease: Lease, stride: Stride) -> None:
        live = self.targets[lease.target.ref]
        for name, value in stride.patch.fields.items():
            if is_ordered(name):
                kind = live.id.kind
                was, will = (capacity_of(kind, name, one) for one in (live.fields[name], value))
                assert will >= was, f"{live.id.ref}: {name} is lowered by a restore"

    def _end_deadlines(self) -> None:
        for live in [*self.targets.values()]:
            if live.id.kind is ObjectKind.CRON_JOB and plan_deadline_end(live) is None:
                ran = replace(live, status=replace(live.status, last_schedule_at=self.now + MINUTE))
                patch = plan_deadline_end(ran)
                if patch is not None:
                    assert self.write(live.id.ref, patch)

    def _save(self, lease: Lease) -> None:
        known = self.rows.get(lease.id)
        if known is not None:
            check_move(lease.id, known.state, lease.state)
        kept = self.remembered.setdefault(lease.id, (lease.before, lease.applied))
        is_again = known is not None and known.state is LeaseState.DROPPED
        if is_again:
            self.remembered[lease.id] = (lease.before, lease.applied)
        elif known is not None:
            assert kept == (lease.before, lease.applied), f"{lease.id}: a snapshot was changed"
        self.rows[lease.id] = lease

    # -- what must hold

    def check_restored(self, exempt: set[str]) -> None:
        """Every target that we lowered and nobody holds has at least what it had.

        And nothing carries our lease any more, so no node keeps our cordon.
        """
        for one in self.targets.values():
            if not is_held(one.annotations, self.now, if_unclear=False):
                assert LEASE not in one.annotations, f"{one.id.ref} keeps a lease"
        for ref, before in self.truth.items():
            live = self.targets.get(ref)
            if live is None or ref in exempt:
                continue
            if is_held(live.annotations, self.now, if_unclear=False):
                continue
            for name, value in before.items():
                if is_ordered(name):
                    was = capacity_of(live.id.kind, name, value)
                    assert live.capacity(name) >= was, f"{ref}: {name} is below {value}"

    def forget_restored(self) -> None:
        """Begin anew with what is back: what people do to it now is their own business."""
        for ref in [*self.truth]:
            live = self.targets.get(ref)
            if live is None or LEASE not in live.annotations:
                del self.truth[ref]
                self.raised_by_people.discard(ref)
