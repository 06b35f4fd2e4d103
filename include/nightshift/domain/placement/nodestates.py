"""What the scheduler keeps of each node between decisions, and in which order it looks at them.

Sources: kube-scheduler 1.36, ``framework/types.go`` (NodeInfo), ``backend/cache/node_tree.go`` and
the image states of ``backend/cache/cache.go``.
"""

from collections.abc import Iterable, Iterator, Mapping

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources

_REGIONS = ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region")
_ZONES = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")


class NodeState:
    """One node's facts and the running sums of its pods; numbers are kept flat, for speed.

    ``cpu_used`` and ``memory_used`` are true requests, ``cpu_scored`` and ``memory_scored`` what
    scores count instead. What the Node itself says is requested is a base load of pods that are
    not known one by one.
    """

    __slots__ = (
        "cpu_scored", "cpu_used", "extended_used", "memory_scored", "memory_used", "name", "node",
        "nominated", "pods", "slots_used",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.node = Node(name=NodeName(name), allocatable=Resources(), pod_slots=0)
        self.pods: dict[str, PodRequest] = {}
        self.nominated: dict[str, PodRequest] = {}
        self.cpu_used = self.memory_used = self.cpu_scored = self.memory_scored = 0
        self.extended_used: dict[str, int] = {}
        self.slots_used = 0

    def set_node(self, node: Node) -> None:
        """Replace the node's facts and its base load; the pods added one by one stay."""
        self._count(self.node.requested, self.node.requested, -self.node.pods, -1)
        self.node = node
        self._count(node.requested, node.requested, node.pods, 1)

    def add_pod(self, pod: PodRequest) -> None:
        """Count a pod; one with the same key is replaced."""
        self.remove_pod(pod.key)
        self.pods[pod.key] = pod
        self._count(pod.need, pod.scoring_placed, 1, 1)

    def remove_pod(self, key: str) -> None:
        """Stop counting a pod, if it is counted here."""
        pod = self.pods.pop(key, None)
        if pod is not None:
            self._count(pod.need, pod.scoring_placed, -1, -1)

    def _count(self, need: Resources, scored: Resources, slots: int, sign: int) -> None:
        self.cpu_used += sign * need.cpu_millis
        self.memory_used += sign * need.memory_bytes
        self.cpu_scored += sign * scored.cpu_millis
        self.memory_scored += sign * scored.memory_bytes
        self.slots_used += slots
        for name, amount in need.extended.items():
            self.extended_used[name] = self.extended_used.get(name, 0) + sign * amount


class NodeOrder:
    """The list of nodes to walk: zones in order of first sight, one node from each zone in turn."""

    def __init__(self) -> None:
        self._zones: dict[str, list[str]] = {}
        self._zone_of: dict[str, str] = {}

    def put(self, node: Node) -> None:
        """Add a node, or move it to the end of its new zone when its zone has changed."""
        zone = _zone_key(node.labels)
        if self._zone_of.get(node.name) == zone:
            return
        self.drop(node.name)
        self._zone_of[node.name] = zone
        self._zones.setdefault(zone, []).append(node.name)

    def drop(self, name: str) -> None:
        """Take a node out; a zone without nodes is forgotten."""
        zone = self._zone_of.pop(name, None)
        if zone is None:
            return
        self._zones[zone].remove(name)
        if not self._zones[zone]:
            del self._zones[zone]

    def __len__(self) -> int:
        return len(self._zone_of)

    def __contains__(self, name: str) -> bool:
        return name in self._zone_of

    def __iter__(self) -> Iterator[str]:
        longest = max(map(len, self._zones.values()), default=0)
        for i in range(longest):
            for names in self._zones.values():
                if i < len(names):
                    yield names[i]


class ImageStates:
    """On how many nodes each image is, and its size as the first of them told."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._holders: dict[str, set[str]] = {}

    def replace(self, name: str, old: Mapping[str, int], new: Mapping[str, int]) -> None:
        """Count the images that node ``name`` holds ``new`` instead of ``old``."""
        for image in old:
            self._holders[image].discard(name)
            if not self._holders[image]:
                del self._holders[image], self._sizes[image]
        for image, size in new.items():
            self._sizes.setdefault(image, size)
            self._holders.setdefault(image, set()).add(name)

    def scaled_sizes(self, images: Iterable[str], nodes: int) -> dict[str, int]:
        """Scale the size of each known image by the share of all ``nodes`` that hold it."""
        return {
            image: int(float(self._sizes[image]) * (len(self._holders[image]) / nodes))
            for image in images
            if image in self._sizes
        }


def _zone_key(labels: Mapping[str, str]) -> str:
    region, zone = (
        next((labels[key] for key in keys if key in labels), "") for keys in (_REGIONS, _ZONES)
    )
    return f"{region}:\0:{zone}" if region or zone else ""
