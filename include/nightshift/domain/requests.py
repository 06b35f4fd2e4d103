"""What does a pod need? Its effective requests, as the scheduler counts them.

    need = max(containers + sidecars, max over init containers i (i + sidecars declared before i))

per resource; a pod-level request for cpu, memory or huge pages replaces that; overhead is on top.
A sidecar is an init container with ``restartPolicy: Always``. Source: Kubernetes 1.36,
``component-helpers/resource/helpers.go``; KEPs 753 (sidecars), 1287 (resize), 2837 (pod level).

Sums are kept in billionths of a unit, the finest that Kubernetes knows, and rounded up once.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from nightshift.domain.kubejson import as_list, as_mapping, as_objects
from nightshift.domain.quantities import parse_quantity
from nightshift.domain.resources import Resources

_NANO = 10**9
_NANO_PER_MILLI = 10**6
_SCORING_DEFAULTS = {"cpu": 100 * _NANO_PER_MILLI, "memory": 200 * 1024 * 1024 * _NANO}
"""What scoring (not fitting) assumes of a container that asks for no CPU or no memory."""

Amounts = dict[str, int]
"""Resource name to billionths of its unit; a missing name differs from a zero."""


@dataclass(frozen=True, slots=True)
class EffectiveRequests:
    """What a pod takes from its node.

    :param need: what filters count and what free room is reduced by.
    :param scoring: CPU and memory that LeastAllocated and MostAllocated count while the pod is
        being placed: a container without a request counts 100m and 200 MiB. Pod-level requests
        are left out, as 1.36 does (NodeResourcesFit never hands that feature to its scorer).
    :param scoring_placed: the same once it is on a node, pod-level requests included: then only
        what is asked for nowhere is assumed.
    """

    need: Resources
    scoring: Resources
    scoring_placed: Resources


def effective_requests(pod: Mapping[str, Any]) -> EffectiveRequests:
    """Compute what ``pod`` (Kubernetes JSON) needs, resize in progress included.

    A container's missing request is taken from its limit, as the API server does at creation.

    :raises ValueError: with the path of the fault.
    """
    spec, status = as_mapping(pod.get("spec"), "spec"), as_mapping(pod.get("status"), "status")
    reader = _ContainerReader(_statuses(status), _is_resize_infeasible(status))
    containers = reader.read(spec, "containers")
    inits = reader.read(spec, "initContainers")
    need = _aggregate(containers, inits)
    pod_level = _pod_level(spec, status, need, reader.infeasible)
    overhead = _amounts(spec.get("overhead"), "spec.overhead")
    total = _total(need, pod_level, overhead)

    missing = {k: v for k, v in _SCORING_DEFAULTS.items() if not pod_level or k not in total}
    scoring = _plus(_aggregate(containers, inits, _SCORING_DEFAULTS), overhead)
    placed = _total(_aggregate(containers, inits, missing), pod_level, overhead)
    return EffectiveRequests(_resources(total), _cpu_and_memory(scoring), _cpu_and_memory(placed))


@dataclass(frozen=True, slots=True)
class _Container:
    amounts: Amounts
    sidecar: bool


@dataclass(frozen=True, slots=True)
class _ContainerReader:
    statuses: Mapping[str, Mapping[str, Any]]
    infeasible: bool

    def read(self, spec: Mapping[str, Any], key: str) -> list[_Container]:
        items = as_list(spec.get(key), f"spec.{key}")
        return [self._container(item, f"spec.{key}[{i}]") for i, item in enumerate(items)]

    def _container(self, raw: Any, where: str) -> _Container:
        item = as_mapping(raw, where)
        resources = as_mapping(item.get("resources"), f"{where}.resources")
        limits = _amounts(resources.get("limits"), f"{where}.resources.limits")
        asked = limits | _amounts(resources.get("requests"), f"{where}.resources.requests")
        sidecar = item.get("restartPolicy") == "Always"
        status = self.statuses.get(str(item.get("name")), {})
        if sidecar or where.startswith("spec.containers"):  # other init containers never resize
            asked = _resized(asked, status, self.infeasible, f"{where}: its status")
        return _Container(asked, sidecar)


def _resized(asked: Amounts, status: Mapping[str, Any], infeasible: bool, where: str) -> Amounts:
    if not isinstance(status.get("resources"), Mapping):
        return asked
    actuated = _amounts(status["resources"].get("requests"), f"{where}.resources.requests")
    allocated = _amounts(status.get("allocatedResources"), f"{where}.allocatedResources")
    return _largest(_largest({} if infeasible else asked, actuated), allocated)


def _aggregate(
    containers: Sequence[_Container],
    inits: Sequence[_Container],
    missing: Mapping[str, int] = MappingProxyType({}),
) -> Amounts:
    total: Amounts = {}
    for container in containers:
        total = _plus(total, {**missing, **container.amounts})
    sidecars: Amounts = {}
    peak: Amounts = {}
    for init in inits:
        amounts = {**missing, **init.amounts}
        during = _plus(amounts, sidecars)
        if init.sidecar:
            total, sidecars = _plus(total, amounts), during
        peak = _largest(peak, during)
    return _largest(total, peak)


def _pod_level(
    spec: Mapping[str, Any], status: Mapping[str, Any], need: Amounts, infeasible: bool
) -> Amounts:
    resources = as_mapping(spec.get("resources"), "spec.resources")
    limits = _amounts(resources.get("limits"), "spec.resources.limits")
    asked = _amounts(resources.get("requests"), "spec.resources.requests")
    if limits:  # the API server's defaulting: what containers ask for, else the limit
        asked = limits | {k: v for k, v in need.items() if not k.startswith("hugepages-")} | asked
    asked = {k: v for k, v in asked.items() if _is_pod_level(k)}
    counted = _resized(asked, status, infeasible, "status")
    return {name: counted.get(name, 0) for name in asked}


def _total(aggregate: Amounts, pod_level: Amounts, overhead: Amounts) -> Amounts:
    return _plus(aggregate | pod_level, overhead)


def _is_pod_level(name: str) -> bool:
    return name in {"cpu", "memory"} or name.startswith("hugepages-")


def _plus(a: Amounts, b: Amounts) -> Amounts:
    return a | {name: a.get(name, 0) + amount for name, amount in b.items()}


def _largest(a: Amounts, b: Amounts) -> Amounts:
    return a | {name: max(a.get(name, amount), amount) for name, amount in b.items()}


def _resources(amounts: Amounts) -> Resources:
    whole = {name: -(-amount // _NANO) for name, amount in amounts.items()}
    extended = {k: v for k, v in whole.items() if k not in {"cpu", "memory"}}
    return Resources(
        -(-amounts.get("cpu", 0) // _NANO_PER_MILLI),
        whole.get("memory", 0),
        MappingProxyType(extended),
    )


def _cpu_and_memory(amounts: Amounts) -> Resources:
    return _resources({k: v for k, v in amounts.items() if k in {"cpu", "memory"}})


def _statuses(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for key in ("containerStatuses", "initContainerStatuses"):
        for item in as_objects(status.get(key), f"status.{key}"):
            found[str(item.get("name"))] = item
    return found


def _is_resize_infeasible(status: Mapping[str, Any]) -> bool:
    for condition in as_objects(status.get("conditions"), "status.conditions"):
        if condition.get("type") == "PodResizePending":
            return bool(condition.get("reason") == "Infeasible")
    return False


def _amounts(raw: Any, where: str) -> Amounts:
    amounts = {}
    for name, text in as_mapping(raw, where).items():
        try:
            amounts[str(name)] = _nano(text)
        except ValueError as error:
            raise ValueError(f"{where}.{name}: {error}") from error
    return amounts


def _nano(value: Any) -> int:
    return _nano_of_text(value) if isinstance(value, str) else _exact_nano(value)


def _exact_nano(value: Any) -> int:
    amount = parse_quantity(value)
    if amount < 0:
        raise ValueError(f"{value!r} is below zero")
    return math.ceil(amount * _NANO)


_nano_of_text = functools.lru_cache(maxsize=4096)(_exact_nano)


def parse_resource_list(raw: Any, where: str) -> Resources:
    """Read a Kubernetes resource list (``allocatable``, ``requests``), rounded up to whole units.

    :raises ValueError: with the path of the fault.
    """
    return _resources(_amounts(raw, where))
