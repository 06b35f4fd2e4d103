"""Made-up clusters and pods, the same on every machine, to compare decisions with kube-scheduler.

``python -m tests.domain.placement.scenarios`` writes them as JSON for the recorder beside this
file, whose answers are in recorded_decisions.json.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

_CPU = ("100m", "250m", "1", "1500m", "2", "0", "333m")
_MEMORY = ("128Mi", "1Gi", "2G", "3500M", "100000001", "0", "5Gi")
_MIB = 1024**2
_SOFT = "preferredDuringSchedulingIgnoredDuringExecution"
_HARD = "requiredDuringSchedulingIgnoredDuringExecution"


class Dice:
    """A generator whose numbers no release of Python changes (Knuth's MMIX multiplier)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, limit: int) -> int:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % limit

    def percent(self, chance: int) -> bool:
        return self.below(100) < chance

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[self.below(len(choices))]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One comparison: so many nodes, then pods created one after the other."""

    seed: int
    nodes: int
    pods: int
    scoring: str = "LeastAllocated"

    def build(self) -> Object:
        """Build nodes, the pods on them, gated pods nominated to them, and the pods to place."""
        dice = Dice(self.seed)
        nodes = [_node(dice, i) for i in range(self.nodes)]
        placed = [_pod(dice, f"x{i}", self.nodes) for i in range(self.nodes // 2)]
        waiting = [_pod(dice, f"w{i}", self.nodes) for i in range(self.nodes // 5)]
        for pod in placed:
            pod["spec"]["nodeName"] = f"n{dice.below(self.nodes)}"
            pod["status"] = {}
        for pod in waiting:
            pod["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]
            pod["status"]["nominatedNodeName"] = f"n{dice.below(self.nodes)}"
        pods = [_pod(dice, f"p{i}", self.nodes) for i in range(self.pods)]
        lists = {"nodes": nodes, "placed": placed, "waiting": waiting, "pods": pods}
        return {**lists, "scoring": self.scoring}


SCENARIOS = (
    Scenario(1, 4, 60),
    Scenario(2, 30, 200),
    Scenario(3, 60, 200, "MostAllocated"),
    Scenario(4, 99, 150),
    Scenario(5, 150, 200),
    Scenario(6, 400, 200),
)


def _node(dice: Dice, i: int) -> Object:
    labels = {"kubernetes.io/hostname": f"n{i}"}
    if dice.percent(90):
        labels["topology.kubernetes.io/zone"] = f"z{dice.below(3)}"
    if dice.percent(30):
        labels["disk"] = "ssd"
    taints = [
        {"key": key, "effect": effect}
        for key, effect, chance in (
            ("dedicated", "NoSchedule", 10),
            ("soft", "PreferNoSchedule", 20),
            ("softer", "PreferNoSchedule", 10),
        )
        if dice.percent(chance)
    ]
    allocatable = {
        "cpu": dice.pick(("3920m", "8", "15800m")),
        "memory": dice.pick(("14Gi", "30000000000", "60Gi")),
        "pods": dice.pick(("12", "110")),
        **({"x.com/gpu": "2"} if dice.percent(15) else {}),
    }
    images = [
        {"names": [f"img:{k}"], "sizeBytes": (300 + 150 * k) * _MIB}
        for k in range(3)
        if dice.percent(25)
    ]
    return {
        "metadata": {"name": f"n{i}", "labels": labels},
        "spec": {"taints": taints, "unschedulable": dice.percent(8)},
        "status": {
            "allocatable": allocatable,
            "images": images,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _container(dice: Dice, name: str) -> Object:
    requests = {}
    if dice.percent(80):
        requests["cpu"] = dice.pick(_CPU)
    if dice.percent(80):
        requests["memory"] = dice.pick(_MEMORY)
    limits = {"x.com/gpu": "1"} if dice.percent(6) else {}
    found: Object = {
        "name": name,
        "image": dice.pick(("img:0", "img:1", "img:2", "other")),
        "resources": {"requests": {**requests, **limits}, "limits": limits},
    }
    if dice.percent(5):
        found["ports"] = [{"containerPort": 80, "hostPort": dice.pick((8080, 9090))}]
    return found


def _init_container(dice: Dice, name: str) -> Object:
    found = _container(dice, name)
    found.pop("ports", None)
    if dice.percent(50):
        found["restartPolicy"] = "Always"
    return found


def _pod(dice: Dice, name: str, nodes: int) -> Object:
    spec: Object = {
        "schedulerName": "default-scheduler",
        "priority": dice.pick((0, 0, 0, 10)),
        "preemptionPolicy": "Never",
        "containers": [_container(dice, f"c{j}") for j in range(dice.pick((1, 1, 2)))],
        "affinity": {"nodeAffinity": _node_affinity(dice, nodes)},
        "tolerations": _tolerations(dice),
    }
    if dice.percent(20):
        spec["initContainers"] = [_init_container(dice, f"i{j}") for j in range(dice.pick((1, 2)))]
    if dice.percent(10):
        spec["overhead"] = {"cpu": "50m", "memory": "20Mi"}
    if dice.percent(10):
        spec["resources"] = {"requests": {dice.pick(("cpu", "memory")): dice.pick(("2", "3"))}}
    if dice.percent(12):
        spec["nodeSelector"] = {"disk": dice.pick(("ssd", "ssd", "ssd", "none"))}
    nominated = {"nominatedNodeName": f"n{dice.below(nodes)}"} if dice.percent(5) else {}
    meta = {"name": name, "namespace": "scans", "uid": name}
    return {"metadata": meta, "spec": spec, "status": nominated}


def _tolerations(dice: Dice) -> list[Object]:
    choices = (
        ({"key": "dedicated", "operator": "Exists"}, 30),
        ({"key": "soft", "operator": "Exists", "effect": "PreferNoSchedule"}, 30),
        ({"operator": "Exists"}, 5),
    )
    return [toleration for toleration, chance in choices if dice.percent(chance)]


def _node_affinity(dice: Dice, nodes: int) -> Object:
    found: Object = {}
    if dice.percent(60):
        named = {dice.below(nodes): weight for weight in (13, 14, 15, 100)}
        found[_SOFT] = [{"weight": w, "preference": _named(i)} for i, w in named.items()]
        if dice.percent(30):
            ssd = {"key": "disk", "operator": "In", "values": ["ssd"]}
            found[_SOFT].append({"weight": 25, "preference": {"matchExpressions": [ssd]}})
    if dice.percent(5):
        other = {"key": "topology.kubernetes.io/zone", "operator": "NotIn", "values": ["z1"]}
        found[_HARD] = {"nodeSelectorTerms": [{"matchExpressions": [other]}]}
    elif dice.percent(3):
        found[_HARD] = {"nodeSelectorTerms": [_named(dice.below(nodes))]}
    return found


def _named(i: int) -> Object:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [f"n{i}"]}]}


if __name__ == "__main__":
    json.dump([scenario.build() for scenario in SCENARIOS], sys.stdout)
