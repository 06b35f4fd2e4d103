"""Whether everything that stays fits on the nodes that stay.

A copy of the cluster in the scheduler's model: take a node out, place its pods on the others, and
put it all back if one of them found no place.
"""

import dataclasses
from collections.abc import Iterable, Sequence

from nightshift.domain.capacity.snapshots import NodeFacts, PodFacts
from nightshift.domain.nodes import why_closed
from nightshift.domain.nodeterms import NodeTerm
from nightshift.domain.placement.scheduler_model import SchedulerModel
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources, sum_resources


class Keepers:
    """The nodes that are still kept, with the pods on them.

    :param pods: those that stay when the workloads are lowered; the others are not told of.
    :param headroom_pct: of what all kept nodes have, CPU and memory each, that must be free.
    """

    def __init__(
        self, nodes: Sequence[NodeFacts], pods: Iterable[PodFacts], headroom_pct: int
    ) -> None:
        self._headroom_pct = headroom_pct
        self._nodes = {one.name: _emptied(one) for one in nodes}
        self._model = SchedulerModel(one.node for one in self._nodes.values())
        self._on: dict[str, dict[str, PodRequest]] = {one.name: {} for one in nodes}
        self._moved: set[str] = set()  # pods that are no more where the snapshot has them
        waiting = []
        for pod in pods:
            if pod.node in self._on:
                self._put(pod.request)
            elif not pod.node:
                waiting.append(pod)
        for pod in sorted(waiting, key=lambda one: (-one.request.priority, one.key)):
            if self._place(_free_to_move(pod)) is None:
                self._moved.add(pod.key)

    def try_without(self, name: str, moving: Sequence[PodFacts]) -> str | None:
        """Take a node out for good if its pods fit elsewhere; otherwise change nothing and say why.

        :param moving: its pods that need another place; the others end, or every node has one.
        """
        node, held = self._nodes.pop(name), self._on.pop(name)
        self._model.remove_node(name)
        for key in held:
            self._model.remove_pod(key)
        again = [request for key, request in held.items() if key in self._moved]
        placed: list[str] = []
        asked = [*again, *(_free_to_move(pod) for pod in moving)]
        why = self._place_all(asked, placed) or self._why_no_headroom()
        if why is None:
            self._moved.update(placed)
            return None
        for key in placed:
            self._take(key)
        self._nodes[name], self._on[name] = node, {}
        self._model.update_node(node.node)
        for request in held.values():
            self._put(request)
        return why

    def can_reach(self, terms: tuple[NodeTerm, ...], without: str) -> bool:
        """Tell whether a node that is kept, other than ``without``, is one of a volume's."""
        return any(
            any(term.matches(name, one.node.labels) for term in terms)
            for name, one in self._nodes.items()
            if name != without and not one.control_plane
        )

    def _place_all(self, requests: Sequence[PodRequest], placed: list[str]) -> str | None:
        for request in sorted(requests, key=lambda one: (-one.priority, one.key)):
            why = self._place(dataclasses.replace(request, node=""))
            if why is not None:
                return f"{request.key} would find no place: {why}"
            placed.append(request.key)
        return None

    def _place(self, request: PodRequest) -> str | None:
        decision = self._model.schedule(request)
        if decision.node is None:
            return decision.reason
        self._on[decision.node][request.key] = dataclasses.replace(request, node=decision.node)
        return None

    def _put(self, request: PodRequest) -> None:
        self._model.add_pod(request)
        self._on[request.node][request.key] = request

    def _take(self, key: str) -> None:
        self._model.remove_pod(key)
        for held in self._on.values():
            held.pop(key, None)

    def _why_no_headroom(self) -> str | None:
        workers = [one for one in self._nodes.values() if takes_pods(one)]
        total = sum_resources(one.node.allocatable for one in workers)
        asked = sum_resources(pod.need for one in workers for pod in self._on[one.name].values())
        for name, share in (
            ("cpu", _share(asked, total, "cpu")),
            ("memory", _share(asked, total, "memory")),
        ):
            if share > 100 - self._headroom_pct:
                return (
                    f"{share:.0f} % of the {name} of what stays would be taken; "
                    f"{self._headroom_pct} % must be free"
                )
        return None


def _share(asked: Resources, total: Resources, name: str) -> float:
    if total.get(name) <= 0:
        return 0.0 if asked.get(name) <= 0 else 1000.0
    return 100 * asked.get(name) / total.get(name)


def takes_pods(node: NodeFacts) -> bool:
    """Tell whether pods can go to a node: ready, open, and no part of the control plane."""
    return not node.control_plane and why_closed(node.node) is None


def _emptied(facts: NodeFacts) -> NodeFacts:
    """Forget the sum of a node's pods: they are told of one by one."""
    node = dataclasses.replace(facts.node, requested=Resources(), pods=0)
    return dataclasses.replace(facts, node=node)


def _free_to_move(pod: PodFacts) -> PodRequest:
    """Give a pod as the scheduler would see it anew, where its volumes can be reached."""
    required = pod.request.required
    for volume in pod.volumes:
        required = _both(required, volume.required)
    return dataclasses.replace(pod.request, node="", nominated="", gated=False, required=required)


def _both(
    one: tuple[NodeTerm, ...] | None, other: tuple[NodeTerm, ...] | None
) -> tuple[NodeTerm, ...] | None:
    """Combine two lists of alternatives so that one of each must hold."""
    if one is None or other is None:
        return other if one is None else one
    return tuple(
        NodeTerm((*a.expressions, *b.expressions), (*a.fields, *b.fields))
        for a in one if a.expressions or a.fields  # an empty term matches no node
        for b in other if b.expressions or b.fields
    )  # fmt: skip
