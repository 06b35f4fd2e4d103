"""May a pod go to a node? kube-scheduler's filters, in order, with its own words for each refusal.

NodeUnschedulable, NodeName, TaintToleration, NodeAffinity, NodePorts, NodeResourcesFit: the first
that refuses gives the reasons. Sources: kube-scheduler 1.36, ``framework/plugins/``.
"""

from nightshift.domain.nodes import Node, Taint, is_cordoned_for, is_repelling, untolerated
from nightshift.domain.placement.nodestates import NodeState
from nightshift.domain.pods import PodRequest

UNSCHEDULABLE = ("node(s) were unschedulable",)
OTHER_NODE_NAME = ("node(s) didn't match the requested node name",)
UNTOLERATED = ("node(s) had untolerated taint(s)",)
AFFINITY = ("node(s) didn't match Pod's node affinity/selector",)
PORTS = ("node(s) didn't have free ports for the requested pod ports",)

Reasons = tuple[str, ...]


class PodFilter:
    """The filters for one pod; what does not depend on the node is worked out once."""

    __slots__ = ("_cpu", "_extended", "_memory", "_pod", "_restricted", "_tolerated")

    def __init__(self, pod: PodRequest) -> None:
        self._pod = pod
        self._cpu = pod.need.cpu_millis
        self._memory = pod.need.memory_bytes
        self._extended = [(k, v) for k, v in sorted(pod.need.extended.items()) if v > 0]
        self._restricted = bool(pod.node_selector) or pod.required is not None
        self._tolerated: dict[tuple[Taint, ...], bool] = {}

    def reasons(self, state: NodeState) -> Reasons:
        """Say why the pod cannot go to the node; empty if it can.

        Pods of equal or higher priority that are nominated to the node count as if they were there.
        Kubernetes then checks again without them, but none of these filters could refuse only then.
        """
        refused = self._static_reasons(state.node)
        if refused:
            return refused
        rivals = self._rivals(state) if state.nominated else ()
        if self._pod.host_ports and self._has_port_conflict(state, rivals):
            return PORTS
        return self._shortages(state, rivals)

    def _static_reasons(self, node: Node) -> Reasons:
        if node.unschedulable and is_cordoned_for(node, self._pod.tolerations):
            return UNSCHEDULABLE
        if self._pod.node and self._pod.node != node.name:
            return OTHER_NODE_NAME
        if node.taints and not self._tolerates(node.taints):
            return UNTOLERATED
        if self._restricted and not self._pod.may_run_on(node.name, node.labels):
            return AFFINITY
        return ()

    def _tolerates(self, taints: tuple[Taint, ...]) -> bool:
        known = self._tolerated.get(taints)
        if known is None:
            left = untolerated(taints, self._pod.tolerations)
            known = self._tolerated[taints] = not any(is_repelling(taint) for taint in left)
        return known

    def _rivals(self, state: NodeState) -> tuple[PodRequest, ...]:
        return tuple(
            rival
            for rival in state.nominated.values()
            if rival.priority >= self._pod.priority and rival.key != self._pod.key
        )

    def _has_port_conflict(self, state: NodeState, rivals: tuple[PodRequest, ...]) -> bool:
        return any(
            wanted.conflicts_with(taken)
            for other in (*state.pods.values(), *rivals)
            for taken in other.host_ports
            for wanted in self._pod.host_ports
        )

    def _shortages(self, state: NodeState, rivals: tuple[PodRequest, ...]) -> Reasons:
        room = state.node.allocatable
        cpu = room.cpu_millis - state.cpu_used
        memory = room.memory_bytes - state.memory_used
        for rival in rivals:
            cpu -= rival.need.cpu_millis
            memory -= rival.need.memory_bytes
        reasons = []
        if state.slots_used + len(rivals) >= state.node.pod_slots:
            reasons.append("Too many pods")
        if self._cpu > cpu and self._cpu > 0:
            reasons.append("Insufficient cpu")
        if self._memory > memory and self._memory > 0:
            reasons.append("Insufficient memory")
        if self._extended:
            reasons.extend(self._extended_shortages(state, rivals))
        return tuple(reasons)

    def _extended_shortages(self, state: NodeState, rivals: tuple[PodRequest, ...]) -> Reasons:
        return tuple(
            f"Insufficient {name}"
            for name, asked in self._extended
            if asked + state.extended_used.get(name, 0) + sum(r.need.get(name) for r in rivals)
            > state.node.allocatable.get(name)
        )
