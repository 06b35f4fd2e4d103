"""The loop that every controller runs: watch, note what to look at, look, act.

Level-triggered: a key says what to look at, never what happened, so that events may be lost or
come twice. One key at a time; the loop gives way after each. A key that fails is tried again later
and does not hold up the others.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from nightshift.clock import Clock
from nightshift.embedded.kube.controllers.changes import Applier, Key, Plan
from nightshift.embedded.kube.interfaces import (
    EventRecorder,
    Object,
    ObjectStore,
    StatusError,
    WatchEvent,
)

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 60.0
_SYSTEM = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "kube-system", "namespace": "kube-system"},
}
"""Whom events about the cluster itself are about."""


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller.

    :param watches: for each kind, which keys an object of that kind is a reason to look at.
    :param plan: pure: what to do about one key. The object may be gone.
    :param settle_seconds: wait this long before looking, so that a burst is one look.
    :param relevant: which changes count at all.
    """

    name: str
    watches: Mapping[str, Callable[[Object], Iterable[Key]]]
    plan: Callable[[ObjectStore, Key, dt.datetime], Plan]
    settle_seconds: float = 0.0
    relevant: Callable[[WatchEvent], bool] = lambda _: True


@dataclass(slots=True)
class Agenda:
    """Keys to look at: each once, in order, some only later."""

    _due: dict[Key, None] = field(default_factory=dict)
    _timers: dict[Key, tuple[float, asyncio.TimerHandle]] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, key: Key) -> None:
        """Look at ``key`` soon."""
        self._due[key] = None
        self._wake.set()

    def add_later(self, key: Key, delay_seconds: float) -> None:
        """Look at ``key`` after a while; an earlier appointment stands."""
        if delay_seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + delay_seconds
        earlier = self._timers.get(key)
        if earlier is not None:
            if earlier[0] <= when:
                return
            earlier[1].cancel()
        self._timers[key] = (when, loop.call_at(when, self._ring, key))

    def _ring(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def take(self) -> Key:
        """Wait for the next key."""
        while not self._due:
            self._wake.clear()
            await self._wake.wait()
        key = next(iter(self._due))
        del self._due[key]
        return key

    def close(self) -> None:
        """Cancel all appointments."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


@dataclass(slots=True)
class ControllerLoop:
    """Runs one controller on a store."""

    controller: Controller
    store: ObjectStore
    events: EventRecorder
    now: Clock
    _failures: dict[Key, int] = field(default_factory=dict)
    _agenda: Agenda = field(default_factory=Agenda)

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for kind, keys in self.controller.watches.items():
                    tasks.create_task(self._follow(kind, keys))
                tasks.create_task(self._work())
        finally:
            self._agenda.close()

    async def _follow(self, kind: str, keys: Callable[[Object], Iterable[Key]]) -> None:
        async for event in self.store.watch(kind):
            for key in keys(event.object) if self.controller.relevant(event) else ():
                if self.controller.settle_seconds:
                    self._agenda.add_later(key, self.controller.settle_seconds)
                else:
                    self._agenda.add(key)
            await asyncio.sleep(0)  # a backlog must not hold the loop

    async def _work(self) -> None:
        applier = Applier(self.store, self.events, self.now, self.controller.name)
        while True:
            key = await self._agenda.take()
            self._look(applier, key)
            await asyncio.sleep(0)

    def _look(self, applier: Applier, key: Key) -> None:
        try:
            plan = self.controller.plan(self.store, key, self.now())
            applier.apply(plan.changes)
        except StatusError as error:
            self._retry(key, error)
        except Exception as error:
            log.exception("%s failed on %s", self.controller.name, "/".join(key))
            message = f"{self.controller.name} failed on {'/'.join(key)}: {error!r}"
            self.events.record(
                _SYSTEM, "ReconcileFailed", message, type_="Warning", source=self.controller.name
            )
            self._retry(key, error)
        else:
            self._failures.pop(key, None)
            if plan.again_at is not None:
                self._agenda.add_later(key, max(0.01, (plan.again_at - self.now()).total_seconds()))

    def _retry(self, key: Key, error: Exception) -> None:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(count - 1, 20))
        if not isinstance(error, StatusError) or error.code != HTTPStatus.CONFLICT:
            log.info("%s will retry %s in %.1f s: %s", self.controller.name, key, delay, error)
        self._agenda.add_later(key, delay)


async def keep_running(
    controller: Controller, store: ObjectStore, events: EventRecorder, now: Clock
) -> None:
    """Run a controller; when it crashes, say so, wait, and start it again. Ends when cancelled."""
    delay = FIRST_RETRY_SECONDS
    while True:
        try:
            await ControllerLoop(controller, store, events, now).run()
        except Exception as error:
            log.exception("controller %s crashed; starting it again", controller.name)
            message = f"{controller.name} crashed: {error!r}; starting it again in {delay:.1f} s"
            events.record(
                _SYSTEM, "ControllerCrashed", message, type_="Warning", source=controller.name
            )
        await asyncio.sleep(delay)
        delay = min(LAST_RETRY_SECONDS, delay * 2)


def by_itself(obj: Object) -> Iterable[Key]:
    """Look at an object when it changes."""
    return ((obj["metadata"].get("namespace", ""), obj["metadata"]["name"]),)


def by_owner(kind: str) -> Callable[[Object], Iterable[Key]]:
    """Look at the controlling owner of an object, if it is of ``kind`` (``Job``)."""

    def keys(obj: Object) -> Iterable[Key]:
        owner = controller_of(obj)
        if owner is None or owner["kind"] != kind:
            return ()
        return ((obj["metadata"].get("namespace", ""), owner["name"]),)

    return keys


def controller_of(obj: Object) -> Object | None:
    """Find the owner reference that controls an object."""
    owners: list[Object] = obj["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def owned_by(owner: Object, objects: Iterable[Object]) -> list[Object]:
    """Keep the objects that ``owner`` controls."""
    uid = owner["metadata"]["uid"]
    return [o for o in objects if (controller_of(o) or {}).get("uid") == uid]


def reference_to(owner: Object) -> Object:
    """Build the owner reference of what ``owner`` controls."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
