"""From ranked nodes to a pod's affinity: preferred terms only, so that no pod waits because of us.

The primary weighs 100, backup r = 1, 2, .. weighs 16 - r. Kubernetes accepts 1 to 100 and refuses
the whole pod otherwise, so there are at most 15 backups. One term names one node: ``matchFields``
takes exactly one value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.domain.ids import NodeName
from nightshift.domain.kubejson import as_mapping
from nightshift.domain.nodeterms import parse_preferred_terms

MAX_BACKUPS = 15
PRIMARY_WEIGHT = 100
MAX_TERMS = MAX_BACKUPS + 1

_SOFT = "preferredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, slots=True)
class WeightedNode:
    """One preferred term: the node and what it adds to its score, 1 to 100."""

    node: NodeName
    weight: int


def weigh_nodes(ranked: Sequence[NodeName]) -> tuple[WeightedNode, ...]:
    """Give the best node 100 and its backups 15, 14 .. 1; there are no more than 16 terms."""
    weights = [PRIMARY_WEIGHT, *range(MAX_BACKUPS, 0, -1)]
    return tuple(WeightedNode(*pair) for pair in zip(ranked, weights, strict=False))


def build_affinity(terms: Sequence[WeightedNode]) -> dict[str, Any]:
    """Write the terms as Kubernetes' Affinity (camelCase JSON); empty without terms.

    :raises ValueError: if Kubernetes would refuse it.
    """
    if not terms:
        return {}
    affinity = {"nodeAffinity": {_SOFT: [_build_term(term) for term in terms]}}
    check_affinity(affinity)
    return affinity


def check_affinity(affinity: Mapping[str, Any]) -> None:
    """Refuse an affinity that the API server would refuse, or that we never mean to send.

    :raises ValueError: with the path of the fault: anything but preferred node terms, a weight
        outside 1 to 100, not exactly one value in a ``matchFields``, an empty term, more than 16
        terms, or a node that is named twice (weights would add up).
    """
    if not affinity:
        return
    _check_keys(affinity, "nodeAffinity", "affinity")
    node_affinity = as_mapping(affinity["nodeAffinity"], "affinity.nodeAffinity")
    _check_keys(node_affinity, _SOFT, "affinity.nodeAffinity")
    where = f"affinity.nodeAffinity.{_SOFT}"
    terms = parse_preferred_terms(node_affinity[_SOFT], where)
    if not 1 <= len(terms) <= MAX_TERMS:
        raise ValueError(f"{where}: has {len(terms)} terms, allowed are 1 to {MAX_TERMS}")
    names = [name for item in terms for name in item.term.node_names or ()]
    if len(set(names)) != len(names):
        raise ValueError(f"{where}: a node is named twice")
    if not all(item.term.fields or item.term.expressions for item in terms):
        raise ValueError(f"{where}: an empty term matches no node")


def _build_term(term: WeightedNode) -> dict[str, Any]:
    named = {"key": "metadata.name", "operator": "In", "values": [str(term.node)]}
    return {"weight": term.weight, "preference": {"matchFields": [named]}}


def _check_keys(raw: Mapping[str, Any], only: str, where: str) -> None:
    if set(raw) != {only}:
        raise ValueError(
            f"{where}: only {only} is allowed, not {', '.join(sorted(raw)) or 'nothing'}"
        )
