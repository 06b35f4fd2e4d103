"""Made-up clusters and batches for the cross-check: the same for a seed, on every machine.

Pure: nothing here talks to a cluster. Names are zero-padded, so that a list by name is the order
that was meant.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.domain.placement.scenarios import Dice, Object

NAMESPACE = "scans"
PRIORITIES = {"scan": 0, "urgent": 10}
"""Our priority classes. ``preemptionPolicy: Never``, as scan pods have it: nothing is evicted."""

_MIB = 1024**2
_SOFT = "preferredDuringSchedulingIgnoredDuringExecution"
_HARD = "requiredDuringSchedulingIgnoredDuringExecution"
_TERM_WEIGHTS = (100, 15, 14)
_BOTH_HALVES = 50


class Mix(StrEnum):
    """What a batch asks for: its ratio of CPU to memory (1 is 4 cores for 16 GB)."""

    MEMORY_HEAVY = "memory-heavy"
    BALANCED = "balanced"
    CPU_HEAVY = "CPU-heavy"
    BIMODAL = "bimodal"
    ONE_PER_NODE = "one per node"
    """Equal pods that want the same port of their node: where scores can be reused."""


_SHAPES = {
    Mix.MEMORY_HEAVY: (("100m", "1536Mi"), ("250m", "3Gi"), ("300m", "4000M"), ("500m", "7Gi")),
    Mix.BALANCED: (("250m", "1Gi"), ("500m", "2Gi"), ("1", "4000M"), ("1500m", "6Gi")),
    Mix.CPU_HEAVY: (("500m", "400Mi"), ("1", "900Mi"), ("1500m", "1Gi"), ("2", "1800M")),
    Mix.BIMODAL: (("100m", "4Gi"), ("200m", "6Gi"), ("2", "512Mi"), ("2500m", "700M")),
}


@dataclass(frozen=True, slots=True)
class World:
    """Kubernetes objects in JSON, all to be there before the scheduler starts.

    :param placed: pods that have their node already.
    :param reserving: gated pods, nominated to a node: they hold room and are never scheduled.
    :param pods: what the scheduler is to place, some of them nominated to a node.
    """

    nodes: list[Object]
    placed: list[Object]
    reserving: list[Object]
    pods: list[Object]


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison: a batch of so many pods on a cluster of so many nodes."""

    mix: Mix
    nodes: int
    pods: int
    seed: int

    @property
    def name(self) -> str:
        """Name it for people and for log files."""
        return f"{self.mix.value}-{self.nodes}".lower().replace(" ", "-")

    def build(self) -> World:
        """Build the world; the same for equal cases."""
        return _Builder(Dice(self.seed * 1000 + self.nodes), self.mix, self.nodes).build(self.pods)


_PODS = {20: 140, 90: 260, 500: 400}
_MIXES = (Mix.MEMORY_HEAVY, Mix.BALANCED, Mix.CPU_HEAVY, Mix.BIMODAL)
CASES = (
    *(
        Case(mix, nodes, pods, seed)
        for seed, mix in enumerate(_MIXES, start=1)
        for nodes, pods in _PODS.items()
    ),
    Case(Mix.ONE_PER_NODE, 90, 100, 5),
    Case(Mix.ONE_PER_NODE, 500, 300, 5),
)
"""Four mixes on 20, 90 and 500 nodes: 20 cannot hold their batch, of 500 not all are scored."""


@dataclass(frozen=True, slots=True)
class _Builder:
    dice: Dice
    mix: Mix
    count: int

    def build(self, pods: int) -> World:
        nodes = [self._node(i) for i in range(self.count)]
        placed = [self._pod(f"a{i:04}") for i in range(self.count // 2)]
        for pod in placed:
            pod["spec"]["nodeName"] = self._any_node()
            pod["spec"]["containers"][0].pop("ports", None)
        reserving = [self._pod(f"g{i:04}") for i in range(self.count // 10)]
        for pod in reserving:
            pod["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]
            pod["status"] = {"nominatedNodeName": self._any_node()}
        waiting = [self._pod(f"p{i:04}") for i in range(pods)]
        for pod in waiting:
            if self.dice.percent(6):
                pod["status"] = {"nominatedNodeName": self._any_node()}
        return World(nodes, placed, reserving, waiting)

    def _any_node(self) -> str:
        return f"n{self.dice.below(self.count):04}"

    def _node(self, i: int) -> Object:
        dice = self.dice
        name = f"n{i:04}"
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        if dice.percent(90):
            labels["topology.kubernetes.io/zone"] = f"z{dice.below(3)}"
        if dice.percent(30):
            labels["disk"] = "ssd"
        chances = (("dedicated", "NoSchedule", 8), ("soft", "PreferNoSchedule", 20))
        taints = [
            {"key": key, "value": "scans", "effect": effect}
            for key, effect, chance in (*chances, ("softer", "PreferNoSchedule", 10))
            if dice.percent(chance)
        ]
        room = {
            "cpu": dice.pick(("3920m", "8", "15800m")),
            "memory": dice.pick(("14Gi", "30000000000", "60Gi")),
            "pods": "12" if dice.percent(25) else "110",
            **({"example.com/gpu": "2"} if dice.percent(15) else {}),
        }
        images = [
            {"names": [f"scanner:{k}"], "sizeBytes": (300 + 150 * k) * _MIB}
            for k in range(3)
            if dice.percent(25)
        ]
        ready = {"type": "Ready", "status": "True", "reason": "Fake", "message": "no machine"}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": {"taints": taints, "unschedulable": dice.percent(6)},
            "status": {
                "capacity": room,
                "allocatable": room,
                "images": images,
                "conditions": [ready],
            },
        }

    def _pod(self, name: str) -> Object:
        if self.mix is Mix.ONE_PER_NODE:
            return _equal_pod(name)
        dice = self.dice
        priority = dice.pick(("scan", "scan", "scan", "urgent"))
        spec: Object = {
            "priorityClassName": priority,
            "priority": PRIORITIES[priority],
            "preemptionPolicy": "Never",
            "containers": [
                self._container(f"c{j}", ports=j == 0) for j in range(dice.pick((1, 1, 1, 2)))
            ],
            "tolerations": self._tolerations(),
            "terminationGracePeriodSeconds": 0,
        }
        affinity = self._affinity()
        if affinity:
            spec["affinity"] = {"nodeAffinity": affinity}
        if dice.percent(12):
            init = self._container("i0", ports=False)
            spec["initContainers"] = [
                {**init, "restartPolicy": "Always"} if dice.percent(_BOTH_HALVES) else init
            ]
        if dice.percent(12):
            spec["nodeSelector"] = {"disk": dice.pick(("ssd", "ssd", "ssd", "none"))}
        return _named_pod(name, spec)

    def _container(self, name: str, *, ports: bool = True) -> Object:
        dice = self.dice
        found: Object = {"name": name, "image": dice.pick(("scanner:0", "scanner:1", "other"))}
        requests, limits = self._requests()
        if requests:
            found["resources"] = {"requests": requests, **({"limits": limits} if limits else {})}
        if ports and dice.percent(3):
            found["ports"] = [{"containerPort": 80, "hostPort": dice.pick((8080, 9090))}]
        return found

    def _requests(self) -> tuple[dict[str, str], dict[str, str]]:
        """Draw a shape of the mix; sometimes half of it, nothing, too much, or a device too."""
        dice = self.dice
        cpu, memory = dice.pick(_SHAPES[self.mix])
        drawn = dice.below(100)
        if drawn < 8:
            return {}, {}
        if drawn < 12:
            return {"cpu": cpu}, {}
        if drawn < 16:
            return {"memory": memory}, {}
        if drawn < 19:
            return {"cpu": "17", "memory": memory}, {}
        if drawn < 22:
            device = {"example.com/gpu": "1"}
            return {"cpu": cpu, "memory": memory, **device}, device
        return {"cpu": cpu, "memory": memory}, {}

    def _tolerations(self) -> list[Object]:
        choices: tuple[tuple[Object, int], ...] = (
            ({"key": "dedicated", "operator": "Equal", "value": "scans"}, 30),
            ({"key": "soft", "operator": "Exists", "effect": "PreferNoSchedule"}, 30),
            ({"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}, 4),
            ({"operator": "Exists"}, 4),
        )
        return [toleration for toleration, chance in choices if self.dice.percent(chance)]

    def _affinity(self) -> Object:
        dice = self.dice
        found: Object = {}
        if dice.percent(60):
            named = {self._any_node(): weight for weight in reversed(_TERM_WEIGHTS)}
            found[_SOFT] = [{"weight": w, "preference": _named(name)} for name, w in named.items()]
            if dice.percent(25):
                found[_SOFT].append({"weight": 25, "preference": _labelled("disk", "In", "ssd")})
        drawn = dice.below(100)
        if drawn < 5:
            zone = _labelled("topology.kubernetes.io/zone", "NotIn", "z1")
            found[_HARD] = {"nodeSelectorTerms": [zone]}
        elif drawn < 8:
            found[_HARD] = {"nodeSelectorTerms": [_named(self._any_node())]}
        return found


def _equal_pod(name: str) -> Object:
    requests = {"cpu": "500m", "memory": "1Gi"}
    container = {
        "name": "c0",
        "image": "scanner:0",
        "resources": {"requests": requests},
        "ports": [{"containerPort": 80, "hostPort": 8080}],
    }
    spec = {"priorityClassName": "scan", "priority": 0, "preemptionPolicy": "Never"}
    return _named_pod(name, {**spec, "containers": [container]})


def _named_pod(name: str, spec: Object) -> Object:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def _named(name: str) -> Object:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}


def _labelled(key: str, operator: str, value: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": [value]}]}
