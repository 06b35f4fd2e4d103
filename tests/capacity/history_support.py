"""Random weekends: what people, servers and crashes do, and what must be true at the end."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from nightshift.cluster.target_kinds import TARGET_RESOURCES
from nightshift.domain.capacity.targets import (
    Fields,
    LiveTarget,
    ObjectKind,
    Patch,
    TargetId,
    capacity_of,
    is_ordered,
)
from nightshift.domain.leases.annotations import LEASE, LEASE_KEYS
from nightshift.store.capacity_leases import list_open_leases
from nightshift.store.engines import transaction
from nightshift.weekend.journals import Journal
from nightshift.weekend.targets import Targets
from tests.capacity.weekend_support import API, EVERY, REPORT, STORE, WORKER, World, empty_store


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


@dataclass
class Death:
    """Kills the process at its n-th call, before or after the call has its effect."""

    at: int
    after: bool
    calls: int = 0

    def around(self, call: Callable[[], Any]) -> Any:
        self.calls += 1
        if self.calls != self.at:
            return call()
        if self.after:
            call()
        raise Killed


@dataclass
class Watched:
    """Targets that count what really came to be lowered, and may die at any call.

    :param lowered: how often each lease's annotation came onto an object.
    :param before: what the fields were, just before they were lowered.
    """

    world: World
    targets: Targets
    death: Death
    lowered: Counter[str]
    before: dict[str, Fields]

    def read(self, target: TargetId) -> LiveTarget | None:
        found: LiveTarget | None = self.death.around(lambda: self.targets.read(target))
        return found

    def patch(self, target: TargetId, patch: Patch) -> LiveTarget:
        there = self._fields(target)
        try:
            found: LiveTarget = self.death.around(lambda: self.targets.patch(target, patch))
            return found
        finally:
            now = self._lease(target)
            if now and now != there[0]:
                self.lowered[now] += 1
                self.before.setdefault(target.ref, there[1])

    def _fields(self, target: TargetId) -> tuple[str, Fields]:
        obj = self._object(target)
        if obj is None:
            return "", {}
        names = TARGET_RESOURCES[target.kind].fields
        fields = {name: obj["spec"].get(key) for name, key in names.items()}
        return (obj["metadata"].get("annotations") or {}).get(LEASE, ""), fields

    def _lease(self, target: TargetId) -> str:
        return self._fields(target)[0]

    def _object(self, target: TargetId) -> Any:
        resource = TARGET_RESOURCES[target.kind]
        group = resource.group.split("/")[1] if resource.group.startswith("apis/") else ""
        key = f"{resource.plural}.{group}" if group else resource.plural
        return self.world.server.call(
            lambda local: local.store.find(key, target.name, target.namespace)
        )


@dataclass
class MortalJournal:
    """A journal whose every line may be the last."""

    journal: Journal
    death: Death

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.journal, name)
        if name == "note":
            return method
        return lambda *args, **kwargs: self.death.around(lambda: method(*args, **kwargs))


@dataclass
class History:
    """One weekend.

    :param held: targets under a hold at the end.
    :param lost: the store was lost.
    """

    world: World
    rng: random.Random
    lowered: Counter[str] = field(default_factory=Counter)
    before: dict[str, Fields] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    made_anew: set[str] = field(default_factory=set)
    human_cordons: set[str] = field(default_factory=set)
    lost: bool = False
    said: list[str] = field(default_factory=list)

    def arm(self, most_calls: int) -> None:
        """Let the next run die, or not."""
        dies = self.rng.random() < 0.6
        death = Death(self.rng.randint(1, most_calls) if dies else -1, self.rng.random() < 0.5)
        self.said.append(f"dies at {death.at} {'after' if death.after else 'before'}")
        self.world.wrap_targets = lambda targets: Watched(
            self.world, targets, death, self.lowered, self.before
        )
        self.world.wrap_journal = lambda journal: MortalJournal(journal, death)

    def disarm(self) -> None:
        death = Death(-1, after=False)
        self.world.wrap_targets = lambda targets: Watched(
            self.world, targets, death, self.lowered, self.before
        )
        self.world.wrap_journal = lambda journal: journal

    def break_server(self) -> None:
        """Plan a few faults of the API server."""
        for _ in range(self.rng.randint(0, 3)):
            method = self.rng.choice(["PATCH", "GET", "POST", "PATCH"])
            path = self.rng.choice([
                "/deployments/",
                "/statefulsets/",
                "/nodes/",
                "/horizontal",
                "/",
            ])
            status = self.rng.choice([409, 429, 503, 500, 0])
            times = self.rng.randint(1, 3)
            self.said.append(f"{times} x {status or 'lost answer'} on {method} {path}")
            self.world.server.call(
                lambda local, m=method, p=path, s=status, t=times: local.faults.add(  # type: ignore[misc]
                    m, p, s, times=t, drop_reply=s == 0
                )
            )

    def mend_server(self) -> None:
        self.world.server.call(lambda local: local.faults.clear())

    def people(self) -> None:
        """People change what they like."""
        edits = [
            self.raise_or_lower,
            self.raise_or_lower,
            self.hold,
            self.uncordon,
            self.cordon,
            self.make_anew,
            self.strip_annotations,
            self.edit_policy,
            self.lose_store,
        ]
        for _ in range(self.rng.randint(0, 3)):
            edit = self.rng.choice(edits)
            self.said.append(edit.__name__)
            edit()
            self.world.settle()

    def raise_or_lower(self) -> None:
        target = self.rng.choice(EVERY)
        if not self.is_leased(target):
            self.before.pop(target.ref, None)  # it is theirs again
        if target in {WORKER, STORE}:
            self.world.edit(target, {"replicas": self.rng.choice([0, 1, 2, 5, 9])})
        elif target == API:
            low = self.rng.choice([1, 2, 4])
            self.world.edit(API, {"minReplicas": low, "maxReplicas": low + self.rng.randint(0, 9)})
        else:
            self.world.edit(REPORT, {"suspend": self.rng.choice([True, False])})

    def is_leased(self, target: TargetId) -> bool:
        with transaction(self.world.engine) as connection:
            stored = {lease.target.ref for lease in list_open_leases(connection)}
        return target.ref in stored or LEASE in self.world.live(target).annotations

    def hold(self) -> None:
        target = self.rng.choice(EVERY)
        self.world.annotate(target, **{"nightshift/hold": "true"})
        self.held.add(target.ref)

    def uncordon(self) -> None:
        for name in self.world.cordoned():
            self.world.cluster.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": None}})
            self.human_cordons.discard(name)

    def cordon(self) -> None:
        name = self.rng.choice(["n1", "n2", "n3"])
        node = self.world.live(TargetId(ObjectKind.NODE, "", name))
        if name not in self.world.cordoned() and LEASE not in node.annotations:
            self.world.cluster.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})
            self.human_cordons.add(name)

    def make_anew(self) -> None:
        if self.lost:
            return  # then nobody and nothing knows that it was ever lowered
        live = self.world.live(WORKER)
        path = TARGET_RESOURCES[WORKER.kind].path(WORKER)
        old = self.world.cluster.get(path)
        self.world.cluster.delete(path)
        meta = {key: old["metadata"][key] for key in ("name", "namespace")}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}
        self.world.cluster.create(path.rpartition("/")[0], {**body, "spec": old["spec"]})
        self.made_anew.add(live.id.ref)
        self.held.discard(live.id.ref)

    def strip_annotations(self) -> None:
        """Somebody's ``kubectl replace`` takes our annotations off."""
        if self.lost:
            return
        target = self.rng.choice(EVERY)
        body = {"metadata": {"annotations": dict.fromkeys(LEASE_KEYS)}}
        self.world.cluster.patch(TARGET_RESOURCES[target.kind].path(target), body)
        self.made_anew.add(target.ref)

    def edit_policy(self) -> None:
        tiers = self.world.policy.tiers
        kept = tuple(tier for tier in tiers if self.rng.random() < 0.7)
        digest = f"digest-{self.rng.randint(2, 9)}"
        self.world.policy = replace(self.world.policy, tiers=kept or tiers[:1], digest=digest)

    def lose_store(self) -> None:
        if self.made_anew:
            return  # both together lose what nobody could know
        empty_store(self.world.engine)
        self.lost = True


def faults_at_the_end(history: History) -> list[str]:
    """Give what is not as it must be once everything has been restored."""
    twice = [lease for lease, times in history.lowered.items() if times > 1]
    return [
        *(fault for target in EVERY for fault in _faults_of(target, history)),
        *(fault for obj in history.world.cluster.iterate("/api/v1/nodes")
          for fault in _faults_of_node(obj, history)),
        *(f"{lease} was applied twice" for lease in twice),
    ]  # fmt: skip


def _faults_of(target: TargetId, history: History) -> Iterator[str]:
    if target.ref in history.held:
        return
    live = history.world.live(target)
    if LEASE in live.annotations:
        yield f"{target.ref} still carries a lease"
    for name, value in history.before.get(target.ref, {}).items():
        if not is_ordered(name):
            continue
        here = live.fields.get(name)
        if capacity_of(target.kind, name, here) < capacity_of(target.kind, name, value):
            yield f"{target.ref}.{name} was {value} and is {here}"


def _faults_of_node(obj: Any, history: History) -> Iterator[str]:
    name = obj["metadata"]["name"]
    ours = LEASE in (obj["metadata"].get("annotations") or {})
    cordoned = bool(obj["spec"].get("unschedulable"))
    if ours or (cordoned and name not in history.human_cordons):
        yield f"{name} keeps our cordon"
    if name in history.human_cordons and not cordoned:
        yield f"{name}: we took a person's cordon away"
