"""The nodes of a cluster as arrays: what the simulator knows of them, in the scheduler's order.

Index i is the i-th node of the scheduler's walk (zones in turn). Amounts are milli-cores and bytes
in int64, so that every division is the scheduler's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nightshift.domain.nodes import Node
from nightshift.domain.nodeterms import NodeTerm, Operator, Requirement
from nightshift.domain.placement.nodestates import NodeOrder
from nightshift.domain.resources import Resources

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Indexes = npt.NDArray[np.intp]


class NodeTable:
    """Room and use of every node, and who matches a selector.

    :param nodes: what they say is requested is a base load. Images are not scored.
    :raises ValueError: if a node is there twice.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        order = NodeOrder()
        by_name = {str(node.name): node for node in nodes}
        if len(by_name) != len(nodes):
            raise ValueError("a node is there twice")
        for node in nodes:
            order.put(node)
        self.nodes = [by_name[name] for name in order]
        self.names = [str(node.name) for node in self.nodes]
        self.index_of = {name: i for i, name in enumerate(self.names)}
        self.room = _amounts(node.allocatable for node in self.nodes)
        """(2, N): CPU and memory that pods may use, as in all that follows."""
        self.used = _amounts(node.requested for node in self.nodes)
        self.scored = self.used.copy()
        self.promised = np.zeros_like(self.room)
        self.slots = _column(node.pod_slots for node in self.nodes)
        self.slots_used = _column(node.pods for node in self.nodes)
        self.slots_promised = np.zeros_like(self.slots)
        self.changes: list[int] = []
        """Indexes of nodes whose use or promises changed, oldest first."""
        self.label_changes = 0
        self._by_label: dict[str, dict[str, Indexes]] = {}
        self._by_term: dict[NodeTerm, Indexes] = {}

    def __len__(self) -> int:
        return len(self.nodes)

    def set_labels(self, key: str, values: Mapping[str, str]) -> None:
        """Give nodes, by name, a value of the label ``key``; the others lose it."""
        for i, node in enumerate(self.nodes):
            labels = {k: v for k, v in node.labels.items() if k != key}
            if node.name in values:
                labels[key] = values[node.name]
            self.nodes[i] = replace(node, labels=labels)
        self._by_label.pop(key, None)
        self._by_term = {
            term: found
            for term, found in self._by_term.items()
            if all(requirement.key != key for requirement in term.expressions)
        }
        self.label_changes += 1

    def matching(self, term: NodeTerm) -> Indexes:
        """List the indexes of the nodes that match a term."""
        found = self._by_term.get(term)
        if found is None:
            found = self._by_term[term] = self._match(term)
        return found

    def _match(self, term: NodeTerm) -> Indexes:
        match term:
            case NodeTerm((), (Requirement(_, Operator.IN, (name,)),)):
                return _indexes([self.index_of[name]] if name in self.index_of else [])
            case NodeTerm((Requirement(key, Operator.IN, values),), ()):
                known = self._values_of(key)
                parts = [known[value] for value in dict.fromkeys(values) if value in known]
                return np.concatenate(parts) if parts else _indexes([])
        return _indexes([i for i, n in enumerate(self.nodes) if term.matches(n.name, n.labels)])

    def _values_of(self, key: str) -> dict[str, Indexes]:
        if key not in self._by_label:
            held: dict[str, list[int]] = {}
            for i, node in enumerate(self.nodes):
                if key in node.labels:
                    held.setdefault(node.labels[key], []).append(i)
            self._by_label[key] = {value: _indexes(found) for value, found in held.items()}
        return self._by_label[key]


def amounts_of(resources: Resources) -> Ints:
    """Give CPU and memory as a column."""
    return np.array([[resources.cpu_millis], [resources.memory_bytes]], dtype=np.int64)


def _amounts(resources: Iterable[Resources]) -> Ints:
    columns = [(r.cpu_millis, r.memory_bytes) for r in resources]
    return np.array(columns, dtype=np.int64).reshape(-1, 2).T.copy()


def _column(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def _indexes(values: Sequence[int]) -> Indexes:
    return np.array(values, dtype=np.intp)
