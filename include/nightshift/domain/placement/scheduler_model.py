"""kube-scheduler 1.36 without its cluster: where it would put a pod, and why.

One cycle (``pkg/scheduler/schedule_one.go``): the nominated node first; else walk the nodes from
where the last walk ended until enough feasible ones are found (see ``nodes_to_score``); a single
feasible node is taken, several are scored; the pod counts on its node at once.

Refused with a reason: required inter-pod affinity, DoNotSchedule spreading, resource claims. Not
done at all: preemption, volume filters, preferred inter-pod affinity and spreading, and reuse of
scores for equal pods, which the default profile never does either. The real scheduler checks nodes
with 16 threads, so that ties fall at random; the model is the scheduler with one thread. How it
compares with the real one, answer by answer: docs/scheduler-crosscheck.md.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from nightshift.domain.nodes import Node
from nightshift.domain.placement.filters import PodFilter, Reasons
from nightshift.domain.placement.goheap import heap_top
from nightshift.domain.placement.nodestates import ImageStates, NodeOrder, NodeState
from nightshift.domain.placement.scores import ScoringStrategy, total_scores
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources

NO_NODES = "no nodes available to schedule pods"
GATED = "Scheduling is blocked due to non-empty scheduling gates"

_FEWEST_SCORED = 100
_LOWEST_PERCENTAGE = 5


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a pod goes, or why nowhere.

    :param node: the node's name, None if there is none.
    :param reason: on failure the text of the scheduler's FailedScheduling event, on success how the
        node was chosen.
    :param scored: how many nodes were scored; 0 when there was nothing to compare.
    :param totals: the weighted sum of each scored node.
    :param refusals: why each examined node was not feasible.
    """

    node: str | None
    reason: str
    scored: int = 0
    totals: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    refusals: Mapping[str, Reasons] = field(default_factory=lambda: MappingProxyType({}))


class SchedulerModel:
    """A scheduler with its cache: feed it nodes and pods, ask it pod by pod.

    Not safe for threads. Nodes may be added, changed and removed at any time; pods are known by
    key, so that telling it twice does no harm.

    :param nodes: in the order in which the scheduler would see them; what they say is requested is
        kept as a base load, so do not also add those pods one by one.
    :param percentage: percentageOfNodesToScore; 0 is adaptive, the default.
    """

    def __init__(
        self,
        nodes: Iterable[Node] = (),
        *,
        scoring: ScoringStrategy = ScoringStrategy.LEAST_ALLOCATED,
        percentage: int = 0,
    ) -> None:
        self._scoring = scoring
        self._percentage = percentage
        self._states: dict[str, NodeState] = {}
        self._order = NodeOrder()
        self._images = ImageStates()
        self._place_of: dict[str, str] = {}
        self._nominee_of: dict[str, str] = {}
        self._walk: list[NodeState] | None = None
        self._start = 0
        for node in nodes:
            self.update_node(node)

    def update_node(self, node: Node) -> None:
        """Add a node, or replace its facts; pods already told of stay on it."""
        state = self._state(node.name)
        if node.name not in self._order or node.labels != state.node.labels:
            self._order.put(node)
            self._walk = None
        self._images.replace(node.name, state.node.images, node.images)
        state.set_node(node)

    def remove_node(self, name: str) -> None:
        """Forget a node. Its pods are remembered until they are removed, should it come back."""
        if name not in self._order:
            return
        state = self._states[name]
        self._order.drop(name)
        self._walk = None
        self._images.replace(name, state.node.images, {})
        state.set_node(Node(name=state.node.name, allocatable=Resources(), pod_slots=0))
        self._drop_if_unused(name)

    def add_pod(self, pod: PodRequest) -> None:
        """Tell of a pod: counted on its node, noted as nominated, or forgotten if it has ended.

        A changed pod is told again the same way.
        """
        self.remove_pod(pod.key)
        if pod.ended:
            return
        if pod.node:
            self._state(pod.node).add_pod(pod)
            self._place_of[pod.key] = pod.node
        elif pod.nominated:
            self._state(pod.nominated).nominated[pod.key] = pod
            self._nominee_of[pod.key] = pod.nominated

    def remove_pod(self, key: str) -> None:
        """Stop counting a pod, bound or nominated; an unknown key is fine."""
        place = self._place_of.pop(key, None)
        if place is not None:
            self._states[place].remove_pod(key)
            self._drop_if_unused(place)
        nominee = self._nominee_of.pop(key, None)
        if nominee is not None:
            del self._states[nominee].nominated[key]
            self._drop_if_unused(nominee)

    def schedule(self, pod: PodRequest) -> Decision:
        """Decide where ``pod`` goes and count it there at once, before it is bound.

        If binding fails, call ``remove_pod``.
        """
        decision = self._decide(pod)
        if decision.node is not None:
            self.add_pod(dataclasses.replace(pod, node=decision.node))
        return decision

    def refusals(self, pod: PodRequest) -> dict[str, Reasons]:
        """Say which nodes cannot take ``pod`` now, and why; every other one is feasible."""
        search = _Search(PodFilter(pod))
        for state in self._walk_list():
            search.check(state)
        return search.refusals

    def totals(self, pod: PodRequest, names: Sequence[str]) -> dict[str, int]:
        """Score the nodes ``names`` as if a walk had found just them: scores depend on each other.

        :raises KeyError: for a node that is not known.
        """
        states = [self._states[name] for name in names]
        return dict(zip(names, self._score(pod, states), strict=True))

    def _score(self, pod: PodRequest, states: Sequence[NodeState]) -> list[int]:
        sizes = self._images.scaled_sizes(pod.images, len(self._walk_list()))
        return total_scores(pod, states, self._scoring, sizes)

    def _decide(self, pod: PodRequest) -> Decision:
        if pod.gated:
            return Decision(None, GATED)
        walk = self._walk_list()
        if not walk:
            return Decision(None, NO_NODES)
        allowed = _allowed_names(pod)
        refused_at_once = pod.unsupported or (
            "pod affinity terms conflict" if allowed == frozenset() else ""
        )
        if refused_at_once:
            return Decision(None, f"0/{len(walk)} nodes are available: {refused_at_once}.")
        search = _Search(PodFilter(pod))
        if pod.nominated in self._order and search.check(self._states[pod.nominated]):
            return Decision(pod.nominated, "the nominated node fits")
        self._find_feasible(search, walk, allowed)
        return self._choose(pod, search, len(walk), restricted=allowed is not None)

    def _find_feasible(
        self, search: "_Search", walk: Sequence[NodeState], allowed: frozenset[str] | None
    ) -> None:
        nodes = walk if allowed is None else [s for s in walk if s.name in allowed]
        wanted = nodes_to_score(len(nodes), self._percentage)
        count = len(nodes)
        for i in range(count):
            state = nodes[(self._start + i) % count]
            if search.check(state) and len(search.feasible) > wanted:
                search.feasible.pop()
                break
        self._start = (self._start + len(search.feasible) + len(search.refusals)) % len(walk)

    def _choose(
        self, pod: PodRequest, search: "_Search", all_nodes: int, *, restricted: bool
    ) -> Decision:
        refusals = MappingProxyType(search.refusals)
        if not search.feasible:
            return Decision(
                None, _event_text(search.refusals, all_nodes, restricted), refusals=refusals
            )
        if len(search.feasible) == 1:
            name = search.feasible[0].name
            return Decision(name, "the only feasible node found", refusals=refusals)
        totals = self._score(pod, search.feasible)
        top = heap_top(totals)
        return Decision(
            node=search.feasible[top].name,
            reason=f"best of {len(totals)} scored nodes with {totals[top]}",
            scored=len(totals),
            totals=MappingProxyType({
                s.name: total for s, total in zip(search.feasible, totals, strict=True)
            }),
            refusals=refusals,
        )

    def _walk_list(self) -> list[NodeState]:
        if self._walk is None:
            self._walk = [self._states[name] for name in self._order]
        return self._walk

    def _state(self, name: str) -> NodeState:
        if name not in self._states:
            self._states[name] = NodeState(name)
        return self._states[name]

    def _drop_if_unused(self, name: str) -> None:
        state = self._states[name]
        if name not in self._order and not state.pods and not state.nominated:
            del self._states[name]


class _Search:
    """The feasible nodes found so far, in order, and why the others were not."""

    __slots__ = ("_filter", "feasible", "refusals")

    def __init__(self, pod_filter: PodFilter) -> None:
        self._filter = pod_filter
        self.feasible: list[NodeState] = []
        self.refusals: dict[str, Reasons] = {}

    def check(self, state: NodeState) -> bool:
        reasons = self._filter.reasons(state)
        if reasons:
            self.refusals[state.name] = reasons
            return False
        self.feasible.append(state)
        return True


def nodes_to_score(nodes: int, percentage: int = 0) -> int:
    """Say how many feasible nodes are enough; the walk ends on meeting one more.

    :param percentage: percentageOfNodesToScore; 0 is adaptive: 50 less one per 125 nodes, >= 5.

    >>> [nodes_to_score(n) for n in (99, 100, 500, 1523, 5000)]
    [99, 100, 230, 578, 500]
    """
    if nodes < _FEWEST_SCORED:
        return nodes
    share = percentage or max(_LOWEST_PERCENTAGE, 50 - nodes // 125)
    return max(_FEWEST_SCORED, nodes * share // 100)


def _allowed_names(pod: PodRequest) -> frozenset[str] | None:
    """Give the names that required terms leave, None when some term names no node."""
    if not pod.required:
        return None
    names: frozenset[str] = frozenset()
    for term in pod.required:
        if term.node_names is None:
            return None
        names |= term.node_names
    return names


def _event_text(refusals: Mapping[str, Reasons], all_nodes: int, restricted: bool) -> str:
    counts: Counter[str] = Counter()
    for reasons in refusals.values():
        counts.update(reasons)
    if restricted and len(refusals) < all_nodes:
        counts["node(s) didn't satisfy plugin(s) [NodeAffinity]"] += all_nodes - len(refusals)
    listed = sorted(f"{count} {reason}" for reason, count in counts.items())
    return f"0/{all_nodes} nodes are available: {', '.join(listed)}."
