"""What a watch of pods says about placement: who was where, when each pod was bound."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

RESOURCES = ("cpu", "memory")
Amounts = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Binding:
    """One pod's binding.

    :param shard: of the night; "" for a pod of somebody else.
    :param room: the nodes that had room for it at that moment, its own among them.
    """

    pod: str
    stage: str
    shard: str
    node: str
    room: frozenset[str]


@dataclass(slots=True)
class _Cluster:
    """Follows which pods hold what, on which node.

    A pod that has ended holds its share until its object is gone: the scheduler may have heard of
    the end later than we did, so what counts as room here was room for the scheduler too.
    """

    allocatable: Mapping[str, Amounts]
    held: dict[str, tuple[str, Amounts]] = field(default_factory=dict)

    def room_for(self, wanted: Amounts) -> frozenset[str]:
        return frozenset(
            node
            for node, most in self.allocatable.items()
            if all(self._used(node, name) + wanted[name] <= most[name] for name in RESOURCES)
        )

    def _used(self, node: str, name: str) -> Decimal:
        shares = (amounts[name] for where, amounts in self.held.values() if where == node)
        return sum(shares, Decimal(0))


def parse_events(text: str) -> Iterator[dict[str, Any]]:
    """Read what ``kubectl get --watch --output-watch-events --output=json`` printed so far."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            event, at = decoder.raw_decode(text, at)
        except ValueError:
            return  # the last one is not whole yet
        yield event


def read_bindings(
    events: Iterator[dict[str, Any]], allocatable: Mapping[str, Mapping[str, str]]
) -> list[Binding]:
    """List the bindings in order, with the room that there was.

    :param allocatable: node to its allocatable resources.
    """
    cluster = _Cluster({node: _amounts(most) for node, most in allocatable.items()})
    bindings = []
    for event in events:
        pod = event["object"]
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName", "")
        if event["type"] == "DELETED":
            cluster.held.pop(uid, None)
        elif node and uid not in cluster.held:
            wanted = _requests(pod)
            bindings.append(_binding(pod, node, cluster.room_for(wanted)))
            cluster.held[uid] = (node, wanted)
    return bindings


def _binding(pod: Mapping[str, Any], node: str, room: frozenset[str]) -> Binding:
    labels = pod["metadata"].get("labels", {})
    stage = labels.get("app.kubernetes.io/component", "")
    return Binding(pod["metadata"]["name"], stage, labels.get("nightshift/shard", ""), node, room)


def _requests(pod: Mapping[str, Any]) -> Amounts:
    total = dict.fromkeys(RESOURCES, Decimal(0))
    for container in pod["spec"]["containers"]:
        for name, amount in _amounts(container.get("resources", {}).get("requests", {})).items():
            total[name] += amount
    return total


def _amounts(quantities: Mapping[str, str]) -> Amounts:
    return {name: parse_quantity(quantities.get(name, "0")) for name in RESOURCES}
