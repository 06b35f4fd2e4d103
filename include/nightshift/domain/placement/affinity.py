"""From planned nodes to a pod's affinity.

Preferred terms in every case, so that no pod waits because of us. The ranking strategies name nodes
one by one: the primary weighs 100, backup r = 1, 2, .. weighs 16 - r. Kubernetes accepts 1 to 100
and refuses the whole pod otherwise, so there are at most 15 backups. A ``matchFields`` takes
exactly one name; several nodes are meant by their hostname label or by the pool's label.

A required term is the pool's label, which can be put on more nodes while pods wait, or a list of
hosts long enough that not all of them fill up: names in a required term cannot be changed. With at
most 64 nodes to look at the scheduler scores every one, where else it would score a sample.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nightshift.domain.ids import NodeName
from nightshift.domain.kubejson import as_mapping
from nightshift.domain.nodeterms import NodeTerm, parse_node_terms, parse_preferred_terms

MAX_BACKUPS = 15
PRIMARY_WEIGHT = 100
MAX_TERMS = MAX_BACKUPS + 1
MAX_HOSTS = 64
MIN_REQUIRED_HOSTS = 16
"""Fewer might all be full at once, and a pod would hang on names that we chose."""
MAX_AFFINITY_BYTES = 8 * 1024
"""Of JSON a pod: 64 hostnames of full length are 4 KiB, and etcd keeps every pod of the batch."""
HOSTNAME_LABEL = "kubernetes.io/hostname"
POOL_LABEL = "nightshift/pool"
"""On nodes, while a batch that pools them runs; its values are those of PoolValue."""

_SOFT = "preferredDuringSchedulingIgnoredDuringExecution"
_HARD = "requiredDuringSchedulingIgnoredDuringExecution"


class PoolValue(StrEnum):
    """What the pool's label says of a node."""

    OPEN = "open"  # the plan opens it
    RESERVE = "reserve"  # to be taken when the opened ones are full


@dataclass(frozen=True, slots=True)
class WeightedNode:
    """One preferred term: the node and what it adds to its score, 1 to 100."""

    node: NodeName
    weight: int

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        return {"node": str(self.node), "weight": self.weight}


@dataclass(frozen=True, slots=True)
class WeightedHosts:
    """One preferred term for several nodes, by the value of their hostname label."""

    hosts: tuple[str, ...]
    weight: int

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        return {"hosts": list(self.hosts), "weight": self.weight}


@dataclass(frozen=True, slots=True)
class WeightedPool:
    """One preferred term for all nodes that carry one value of the pool's label."""

    value: PoolValue
    weight: int

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        return {"pool": self.value.value, "weight": self.weight}


Tier = WeightedHosts | WeightedPool


def weigh_nodes(ranked: Sequence[NodeName]) -> tuple[WeightedNode, ...]:
    """Give the best node 100 and its backups 15, 14 .. 1; there are no more than 16 terms."""
    weights = [PRIMARY_WEIGHT, *range(MAX_BACKUPS, 0, -1)]
    return tuple(WeightedNode(*pair) for pair in zip(ranked, weights, strict=False))


def build_affinity(
    terms: Sequence[WeightedNode],
    tiers: Sequence[Tier] = (),
    pool: Sequence[PoolValue] = (),
    spare: Sequence[str] = (),
) -> dict[str, Any]:
    """Write the terms as Kubernetes' Affinity (camelCase JSON); empty without terms.

    :param pool: the pod may only go to nodes whose pool label has one of these values; empty means
        that it may go anywhere.
    :param spare: hosts that the pod may go to beside those of the tiers, and nowhere else; empty
        means that it may go anywhere.
    :raises ValueError: if Kubernetes would refuse it.
    """
    node_affinity: dict[str, Any] = {}
    required = [_in(POOL_LABEL, pool)] if pool else []
    if spare:
        tiered = (host for tier in tiers if isinstance(tier, WeightedHosts) for host in tier.hosts)
        required.append(_in(HOSTNAME_LABEL, (*spare, *tiered)))
    if required:
        node_affinity[_HARD] = {"nodeSelectorTerms": [{"matchExpressions": required}]}
    preferred = [_build_term(term) for term in (*terms, *tiers)]
    if preferred:
        node_affinity[_SOFT] = preferred
    if not node_affinity:
        return {}
    affinity = {"nodeAffinity": node_affinity}
    check_affinity(affinity)
    return affinity


def check_affinity(affinity: Mapping[str, Any]) -> None:
    """Refuse an affinity that the API server would refuse, or that we never mean to send.

    :raises ValueError: with the path of the fault: anything but node terms, a required term other
        than the pool's label or one of 16 to 64 hosts, a weight outside 1 to 100, not exactly one
        value in a ``matchFields``, an empty term, more than 16 terms or 64 hostnames, a node that
        is named twice (weights would add up), or more than 8 KiB.
    """
    if not affinity:
        return
    _check_keys(affinity, {"nodeAffinity"}, "affinity")
    node_affinity = as_mapping(affinity["nodeAffinity"], "affinity.nodeAffinity")
    if _HARD in node_affinity:
        _check_required(node_affinity[_HARD], f"affinity.nodeAffinity.{_HARD}")
    if set(node_affinity) != {_HARD}:
        allowed = {_SOFT} | ({_HARD} & set(node_affinity))
        _check_keys(node_affinity, allowed, "affinity.nodeAffinity")
        _check_preferred(node_affinity[_SOFT], f"affinity.nodeAffinity.{_SOFT}")
    size = len(json.dumps(affinity))
    if size > MAX_AFFINITY_BYTES:
        raise ValueError(f"affinity: {size} bytes, allowed are {MAX_AFFINITY_BYTES}")


def _check_preferred(raw: object, where: str) -> None:
    terms = parse_preferred_terms(raw, where)
    if not 1 <= len(terms) <= MAX_TERMS:
        raise ValueError(f"{where}: has {len(terms)} terms, allowed are 1 to {MAX_TERMS}")
    _check_unique((n for item in terms for n in item.term.node_names or ()), "node", where)
    if not all(item.term.fields or item.term.expressions for item in terms):
        raise ValueError(f"{where}: an empty term matches no node")
    hosts = [host for item in terms for host in _hosts(item.term)]
    _check_unique(hosts, "host", where)
    if len(hosts) > MAX_HOSTS:
        raise ValueError(f"{where}: names {len(hosts)} hosts, allowed are {MAX_HOSTS}")


def _check_required(raw: object, where: str) -> None:
    """Refuse every required term but the pool's and many hosts: no pod may hang on a few names."""
    required = as_mapping(raw, where)
    terms = parse_node_terms(required.get("nodeSelectorTerms"), f"{where}.nodeSelectorTerms")
    keys = [[r.key for r in (*term.expressions, *term.fields)] for term in terms]
    if keys == [[HOSTNAME_LABEL]]:
        hosts = _hosts(terms[0])
        _check_unique(hosts, "host", where)
        if not MIN_REQUIRED_HOSTS <= len(hosts) <= MAX_HOSTS:
            allowed = f"{MIN_REQUIRED_HOSTS} to {MAX_HOSTS}"
            raise ValueError(f"{where}: names {len(hosts)} hosts, allowed are {allowed}")
    elif keys != [[POOL_LABEL]]:
        raise ValueError(
            f"{where}: only preferred terms and one of {POOL_LABEL} or of hosts are allowed"
        )


def _check_unique(names: Iterable[str], what: str, where: str) -> None:
    listed = list(names)
    if len(set(listed)) != len(listed):
        raise ValueError(f"{where}: a {what} is named twice")


def _hosts(term: NodeTerm) -> tuple[str, ...]:
    return tuple(v for r in term.expressions if r.key == HOSTNAME_LABEL for v in r.values)


def _build_term(term: WeightedNode | Tier) -> dict[str, Any]:
    match term:
        case WeightedNode():
            preference = {"matchFields": [_in("metadata.name", [term.node])]}
        case WeightedHosts():
            preference = {"matchExpressions": [_in(HOSTNAME_LABEL, term.hosts)]}
        case WeightedPool():
            preference = {"matchExpressions": [_in(POOL_LABEL, [term.value])]}
    return {"weight": term.weight, "preference": preference}


def _in(key: str, values: Iterable[str]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": [str(value) for value in values]}


def _check_keys(raw: Mapping[str, Any], only: set[str], where: str) -> None:
    if set(raw) != only:
        raise ValueError(
            f"{where}: only {', '.join(sorted(only))} is allowed, "
            f"not {', '.join(sorted(raw)) or 'nothing'}"
        )
