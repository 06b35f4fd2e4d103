"""The loop around a plan: it retries, never dies silently, and gives way."""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from nightshift.clock import utc_now
from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.controllers import ControllerOptions, run_controllers
from nightshift.embedded.kube.controllers.changes import Key, Plan, Update
from nightshift.embedded.kube.controllers.loops import (
    Agenda,
    Controller,
    by_itself,
    keep_running,
)
from nightshift.embedded.kube.events import StoredEvents
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.storage import MemoryStore
from tests.embedded.controllers_support import World, conditions, job, node, workload

CONFIG = "configmaps"


async def until(holds: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


async def during(work: Coroutine[Any, Any, None], wait: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` until ``wait`` is over."""
    task = asyncio.create_task(work)
    try:
        await wait
    finally:
        task.cancel()
        await asyncio.wait({task})


def config(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "team"}}


def label(obj: Object) -> None:
    obj["metadata"]["labels"] = {"seen": "yes"}


class Labels:
    """A plan that labels ConfigMaps; ``fail`` is asked before."""

    def __init__(self, fail: Callable[[str, int], None]) -> None:
        self.fail = fail
        self.looks: dict[str, int] = {}

    def plan(self, store: ObjectStore, key: Key, _: dt.datetime) -> Plan:
        name = key[1]
        self.looks[name] = self.looks.get(name, 0) + 1
        self.fail(name, self.looks[name])
        found = store.find(CONFIG, name, key[0])
        return Plan([Update(CONFIG, found, label)]) if found else Plan()


def run_labels(labels: Labels, names: list[str], done: Callable[[MemoryStore], bool]) -> list[Any]:
    """Run the plan on ConfigMaps until ``done``; give the reasons of the events."""
    store = MemoryStore()
    events = StoredEvents(store)
    for name in names:
        store.create(CONFIG, config(name))
    controller = Controller("labels", {CONFIG: by_itself}, labels.plan)
    asyncio.run(
        during(keep_running(controller, store, events, utc_now), until(lambda: done(store)))
    )
    return [event["reason"] for event in store.list("events")]


def seen(store: MemoryStore, *names: str) -> bool:
    return all(store.get(CONFIG, n, "team")["metadata"].get("labels") for n in names)


def test_a_key_that_fails_is_tried_again_and_holds_up_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(name: str, look: int) -> None:
        if name == "bad" and look < 3:
            raise ZeroDivisionError("a bug")

    labels = Labels(fail)
    with caplog.at_level(logging.ERROR):
        reasons = run_labels(labels, ["bad", "good"], lambda s: seen(s, "bad", "good"))
    assert labels.looks["bad"] >= 3
    assert reasons == ["ReconcileFailed"]
    assert "a bug" in caplog.text
    assert "Traceback" in caplog.text


def test_a_conflict_is_no_fault_and_no_event() -> None:
    def fail(name: str, look: int) -> None:
        if look == 1:
            raise statuses.modified(CONFIG, name)

    assert run_labels(Labels(fail), ["one"], lambda s: seen(s, "one")) == []


def test_a_crash_of_the_watch_is_told_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    class Breaking(MemoryStore):
        broken = 1

        def watch(self, kind: str, since: int | None = None) -> Any:
            if kind == CONFIG and self.broken:
                self.broken -= 1
                raise OSError("no watch today")
            return super().watch(kind, since)

    store = Breaking()
    events = StoredEvents(store)
    store.create(CONFIG, config("one"))
    controller = Controller("labels", {CONFIG: by_itself}, Labels(lambda *_: None).plan)
    with caplog.at_level(logging.ERROR):
        work = keep_running(controller, store, events, utc_now)
        asyncio.run(during(work, until(lambda: seen(store, "one"))))
    crashes = [e for e in store.list("events") if e["reason"] == "ControllerCrashed"]
    assert "no watch today" in crashes[0]["message"]
    assert crashes[0]["metadata"]["namespace"] == "kube-system"
    assert "Traceback" in caplog.text


def test_a_burst_is_one_look() -> None:
    async def run() -> list[Key]:
        agenda = Agenda()
        for _ in range(5):
            agenda.add(("", "a"))
        agenda.add_later(("", "b"), 0.05)
        agenda.add_later(("", "b"), 0.01)
        agenda.add_later(("", "b"), 0.5)
        taken = [await agenda.take(), await agenda.take()]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await agenda.take()
        agenda.close()
        return taken

    assert asyncio.run(run()) == [("", "a"), ("", "b")]


def test_all_controllers_together_bring_things_about(tmp_path: Path) -> None:
    store = MemoryStore()
    events = StoredEvents(store)

    def complete(kind: str, name: str) -> bool:
        found = store.find(kind, name, "team")
        return found is not None and "Complete" in conditions(found)

    async def scenario() -> None:
        await until(lambda: store.find("storageclasses.storage.k8s.io", "standard"))
        world = World.__new__(World)  # the same helpers, on the store of the running loops
        world.store, world.events, world.controllers, world.now = store, events, (), utc_now()
        world.create("namespaces", {"metadata": {"name": "team"}})
        world.create("nodes", node())
        await until(lambda: store.list("serviceaccounts", "team"))
        world.create("jobs.batch", job())
        world.create("deployments.apps", workload("Deployment", replicas=2))
        await until(lambda: len(store.list("pods", "team")) == 3)
        world.run_pods()
        scan = next(n for n in world.names() if n.startswith("scan-"))
        world.finish(scan, "Succeeded")
        await until(lambda: complete("jobs.batch", "scan"))
        store.delete("deployments.apps", "web", "team")
        await until(lambda: all("deletionTimestamp" in p["metadata"] for p in store.list("pods")
                                if p["metadata"]["name"].startswith("web")))  # fmt: skip

    work = run_controllers(store, events, ControllerOptions(tmp_path / "volumes"))
    asyncio.run(during(work, scenario()))
    reasons = {event["reason"] for event in store.list("events")}
    assert not reasons & {"ControllerCrashed", "ReconcileFailed"}
