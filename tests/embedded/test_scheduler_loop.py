"""The scheduler on a real store: queue, binding, refusals, gates, and many pods at once."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from nightshift.clock import utc_now
from nightshift.domain.pods import PodRequest, parse_pod
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.scheduler import PodQueue, PodScheduler
from tests.embedded.controllers_support import NS, World, container, node, pod

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def asking(name: str, cpu: str = "1", **spec: Any) -> Object:
    resources = {"requests": {"cpu": cpu, "memory": "1Gi"}}
    return pod(name, containers=[container(resources=resources)], **spec)


class Night:
    """A world with a scheduler at work; its pauses are a hundred times shorter."""

    def __init__(self, nodes: int = 2, cpu: str = "2") -> None:
        self.world = World()
        for index in range(nodes):
            self.world.create("nodes", node(f"n{index:02}", cpu))

    def run(self, scenario: Callable[["Night"], Coroutine[Any, Any, None]]) -> None:
        async def both() -> None:
            loop = asyncio.get_running_loop()
            world = self.world
            scheduler = PodScheduler(world.store, world.events, utc_now, lambda: loop.time() * 100)
            task = asyncio.create_task(scheduler.run())
            try:
                await scenario(self)
            finally:
                task.cancel()
                await asyncio.wait({task})

        asyncio.run(both())

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.005)

    def place(self, name: str) -> str:
        return str(self.world.get("pods", name)["spec"].get("nodeName", ""))

    def scheduled(self, name: str) -> Object:
        found = self.world.get("pods", name)["status"].get("conditions", [])
        return next((c for c in found if c["type"] == "PodScheduled"), {})

    def refused(self, name: str) -> bool:
        return self.scheduled(name).get("status") == "False"


def test_a_pod_is_bound_and_told_so() -> None:
    async def scenario(night: Night) -> None:
        night.world.create("pods", asking("a"))
        await night.until(lambda: night.place("a"))

    night = Night()
    night.run(scenario)
    assert night.scheduled("a")["status"] == "True"
    event = night.world.log.list("events")[0]
    assert event["reason"] == "Scheduled"
    assert event["message"] == f"Successfully assigned {NS}/a to {night.place('a')}"


def test_a_pod_that_fits_nowhere_waits_for_room() -> None:
    async def scenario(night: Night) -> None:
        world = night.world
        world.create("pods", asking("big", "2"))
        await night.until(lambda: night.place("big"))
        world.create("pods", asking("late", "1"))
        await night.until(lambda: night.refused("late"))
        told = night.scheduled("late")
        assert told["reason"] == "Unschedulable"
        assert told["message"] == "0/1 nodes are available: 1 Insufficient cpu."
        world.create("pods", asking("other", "64"))  # does not block those behind it
        world.finish("big", "Succeeded")
        await night.until(lambda: night.place("late"))

    night = Night(nodes=1)
    night.run(scenario)
    assert "FailedScheduling" in night.world.reasons()
    assert night.refused("other")


@pytest.mark.parametrize("change", ["a new node", "uncordoned", "a label"])
def test_a_change_of_nodes_wakes_waiting_pods(change: str) -> None:
    async def scenario(night: Night) -> None:
        world = night.world
        world.edit("nodes", "n00", lambda o: o["spec"].update(unschedulable=True))
        await asyncio.sleep(0.02)
        selector = {"pool": "open"} if change == "a label" else {}
        world.create("pods", asking("p", nodeSelector=selector))
        await night.until(lambda: night.refused("p"))
        if change == "a new node":
            world.create("nodes", node("n99"))
        else:
            world.edit("nodes", "n00", lambda o: o["spec"].pop("unschedulable"))
            world.edit("nodes", "n00", lambda o: o["metadata"].update(labels={"pool": "open"}))
        await night.until(lambda: night.place("p"))

    Night(nodes=1).run(scenario)


def test_higher_priority_goes_first() -> None:
    async def scenario(night: Night) -> None:
        world = night.world
        high = {"metadata": {"name": "high"}, "value": 100}
        world.create("priorityclasses.scheduling.k8s.io", high)
        for name in ("a", "b"):
            world.create("pods", asking(name, "2"))
        world.create("pods", asking("z", "2", priorityClassName="high"))
        await night.until(lambda: night.refused("a") or night.refused("b"))
        await night.until(lambda: night.place("z"))

    night = Night(nodes=2)
    night.run(scenario)
    assert (bool(night.place("a")), bool(night.place("b"))) == (True, False)


def test_a_gated_pod_waits_and_starts_when_its_gate_goes() -> None:
    async def scenario(night: Night) -> None:
        gates = [{"name": "nightshift/plan"}]
        night.world.create("pods", asking("p", schedulingGates=gates))
        await night.until(lambda: night.refused("p"))
        assert night.scheduled("p")["reason"] == "SchedulingGated"
        await asyncio.sleep(0.05)
        assert night.place("p") == ""
        night.world.edit("pods", "p", lambda o: o["spec"].pop("schedulingGates"))
        await night.until(lambda: night.place("p"))

    Night().run(scenario)


def nominate(night: Night, name: str, target: str, **spec: Any) -> None:
    made = asking(name, schedulingGates=[{"name": "g"}], **spec)
    night.world.create("pods", made)
    chosen = {"nominatedNodeName": target}
    night.world.edit("pods", name, lambda o: o["status"].update(chosen))


def test_a_nominated_node_wins_over_scores_and_is_cleared() -> None:
    async def scenario(night: Night) -> None:
        rule = {"key": "metadata.name", "operator": "In", "values": ["n00"]}
        term = {"weight": 100, "preference": {"matchFields": [rule]}}
        nominate(night, "p", "n01", affinity={"nodeAffinity": {PREFERRED: [term]}})
        night.world.edit("pods", "p", lambda o: o["spec"].pop("schedulingGates"))
        await night.until(lambda: night.place("p"))

    night = Night()
    night.run(scenario)
    assert night.place("p") == "n01"
    assert "nominatedNodeName" not in night.world.get("pods", "p")["status"]


@pytest.mark.parametrize(("policy", "kept"), [("Never", True), ("PreemptLowerPriority", False)])
def test_a_nomination_that_fits_nowhere_depends_on_the_policy(policy: str, kept: bool) -> None:
    async def scenario(night: Night) -> None:
        priority = {"metadata": {"name": "scans"}, "value": 0, "preemptionPolicy": policy}
        night.world.create("priorityclasses.scheduling.k8s.io", priority)
        night.world.create("pods", asking("full", "2"))
        await night.until(lambda: night.place("full"))
        nominate(night, "p", "n00", priorityClassName="scans")
        night.world.edit("pods", "p", lambda o: o["spec"].pop("schedulingGates"))
        await night.until(lambda: night.scheduled("p").get("reason") == "Unschedulable")

    night = Night(nodes=1)
    night.run(scenario)
    assert ("nominatedNodeName" in night.world.get("pods", "p")["status"]) is kept


def test_other_schedulers_pods_and_bad_pods_are_left_alone() -> None:
    async def scenario(night: Night) -> None:
        night.world.create("pods", asking("theirs", schedulerName="other"))
        night.world.create("pods", asking("ours"))
        await night.until(lambda: night.place("ours"))

    night = Night()
    night.run(scenario)
    assert night.place("theirs") == ""


def test_what_the_model_cannot_do_is_refused_with_an_event() -> None:
    async def scenario(night: Night) -> None:
        term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}
        rule = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
        night.world.create("pods", asking("p", affinity={"podAntiAffinity": rule}))
        await night.until(lambda: night.refused("p"))

    night = Night()
    night.run(scenario)
    assert "podAntiAffinity is not supported" in night.scheduled("p")["message"]


def test_300_pods_on_60_nodes_fit_and_the_loop_stays_awake() -> None:
    turns = 0

    async def scenario(night: Night) -> None:
        nonlocal turns
        for index in range(300):
            night.world.create("pods", asking(f"p{index:03}"))
        while not night.place("p299"):
            await asyncio.sleep(0)
            turns += 1

    night = Night(nodes=60, cpu="8")
    night.run(scenario)
    held = Counter(p["spec"]["nodeName"] for p in night.world.pods())
    assert (len(held), held.total()) == (60, 300)
    assert max(held.values()) <= 8
    assert turns >= 300  # it gave way after each pod


def request(name: str, priority: int = 0) -> PodRequest:
    return parse_pod(pod(name, priority=priority))


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_to_ten_seconds_and_five_minutes_is_the_longest_wait() -> None:
    seconds = Seconds()
    queue = PodQueue(seconds)
    queue.put(request("p"))
    for pause in (1, 2, 4, 8, 10, 10):
        assert queue.take() == f"{NS}/p"
        queue.park(f"{NS}/p")
        queue.wake()
        seconds.now += pause - 0.1
        assert queue.take() is None
        assert queue.next_due() == pytest.approx(0.1)
        seconds.now += 0.1
    assert queue.take() == f"{NS}/p"
    queue.park(f"{NS}/p")
    seconds.now += 299
    assert queue.take() is None  # nothing changed
    seconds.now += 1
    assert queue.take() == f"{NS}/p"


def test_the_queue_goes_by_priority_then_time_and_knows_each_pod_once() -> None:
    queue = PodQueue(Seconds())
    for name, priority in (("a", 0), ("b", 5), ("c", 5), ("d", -1)):
        queue.put(request(name, priority))
        queue.put(request(name, priority))
    queue.drop(f"{NS}/c")
    assert len(queue) == 3
    taken = []
    while (key := queue.take()) is not None:
        taken.append(key.removeprefix(f"{NS}/"))
        queue.drop(key)
    assert taken == ["b", "a", "d"]
