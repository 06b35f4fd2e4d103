"""The nodes that a local cluster pretends to have, read from a file or from options.

A file is a YAML list of maps with ``name``, ``cpu``, ``memory`` and, if wanted, ``pods``,
``labels``, ``taints`` (key, value, effect) and ``unschedulable``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import yaml

from nightshift.domain.nodes import Taint, TaintEffect
from nightshift.domain.quantities import parse_quantity
from nightshift.embedded.kube.validation_names import dns_subdomain, label_value, qualified_name
from nightshift.errors import ConfigError, ConfigErrors

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_NODES = 20_000
DEFAULT_PODS = 110
_KEYS = frozenset({"name", "cpu", "memory", "pods", "labels", "taints", "unschedulable"})


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node of the local cluster.

    :param cpu: a Kubernetes quantity, as is ``memory``; capacity and allocatable alike.
    :param pods: how many pods it takes.
    """

    name: str
    cpu: str
    memory: str
    pods: int = DEFAULT_PODS
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


def read_node_file(path: Path) -> tuple[NodeSpec, ...]:
    """Read nodes from a YAML file.

    :raises ConfigErrors: with every fault, and its place in the file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigErrors("cannot read the nodes", [_fault(path, "is larger than 4 MiB")])
        raw = yaml.safe_load(content)
    except (OSError, yaml.YAMLError, RecursionError) as error:
        raise ConfigErrors("cannot read the nodes", [_fault(path, str(error))]) from error
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_NODES:
        problem = f"must be a list of 1 to {MAX_NODES} nodes"
        raise ConfigErrors("cannot read the nodes", [_fault(path, problem)])
    faults: list[ConfigError] = []
    nodes = [_read_node(item, f"{path}: [{i}]", faults) for i, item in enumerate(raw)]
    return _unique([node for node in nodes if node is not None], str(path), faults)


def parse_node_options(texts: list[str]) -> tuple[NodeSpec, ...]:
    """Read nodes from ``name=cpu,memory[,label=value..]``.

    :raises ConfigErrors: with every fault.
    """
    faults: list[ConfigError] = []
    nodes = [_parse_option(text, faults) for text in texts]
    return _unique([node for node in nodes if node is not None], "--node", faults)


def _parse_option(text: str, faults: list[ConfigError]) -> NodeSpec | None:
    name, _, rest = text.partition("=")
    parts = rest.split(",")
    if len(parts) < 2 or not all("=" in part for part in parts[2:]):
        faults.append(ConfigError(f"--node {text}", "write name=cpu,memory[,label=value..]"))
        return None
    labels = dict(part.split("=", 1) for part in parts[2:])
    raw = {"name": name, "cpu": parts[0], "memory": parts[1], "labels": labels}
    return _read_node(raw, f"--node {name}", faults)


def _read_node(raw: object, where: str, faults: list[ConfigError]) -> NodeSpec | None:
    if not isinstance(raw, dict):
        faults.append(ConfigError(where, "must be a map with name, cpu and memory"))
        return None
    found = [*_node_problems(raw)]
    if found:
        faults.extend(ConfigError(f"{where}{place}", problem) for place, problem in found)
        return None
    return NodeSpec(
        name=raw["name"],
        cpu=str(raw["cpu"]),
        memory=str(raw["memory"]),
        pods=raw.get("pods", DEFAULT_PODS),
        labels=MappingProxyType(dict(raw.get("labels") or {})),
        taints=tuple(
            Taint(item["key"], TaintEffect(item["effect"]), item.get("value", ""))
            for item in raw.get("taints") or ()
        ),
        unschedulable=raw.get("unschedulable", False),
    )


def _node_problems(raw: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key in sorted(str(key) for key in raw if key not in _KEYS):
        yield f".{key}", f"is unknown; known are {', '.join(sorted(_KEYS))}"
    name, pods = raw.get("name"), raw.get("pods", DEFAULT_PODS)
    if not isinstance(name, str) or dns_subdomain(name):
        yield ".name", "must be a DNS name such as node-1"
    for amount in ("cpu", "memory"):
        yield from _amount_problems(raw.get(amount), f".{amount}")
    if not isinstance(pods, int) or isinstance(pods, bool) or not 0 <= pods <= 10_000:
        yield ".pods", "must be a whole number, 0 to 10000"
    if not isinstance(raw.get("unschedulable", False), bool):
        yield ".unschedulable", "must be true or false"
    yield from _label_problems(raw.get("labels") or {})
    yield from _taint_problems(raw.get("taints") or [])


def _amount_problems(value: object, place: str) -> Iterator[tuple[str, str]]:
    try:
        positive = isinstance(value, str | int | float) and parse_quantity(value) > 0
    except ValueError:
        positive = False
    if not positive:
        yield place, "must be a quantity above zero, such as 4, 500m or 16Gi"


def _label_problems(labels: object) -> Iterator[tuple[str, str]]:
    if not isinstance(labels, dict):
        yield ".labels", "must be a map of strings"
        return
    for key, value in labels.items():
        if not isinstance(key, str) or not isinstance(value, str):
            yield f".labels.{key}", "must be text; quote true, false and numbers"
        else:
            for problem in (*qualified_name(key), *label_value(value)):
                yield f".labels.{key}", problem


def _taint_problems(taints: object) -> Iterator[tuple[str, str]]:
    if not isinstance(taints, list):
        yield ".taints", "must be a list"
        return
    effects = ", ".join(TaintEffect)
    for index, taint in enumerate(taints):
        if not isinstance(taint, dict) or not isinstance(taint.get("key"), str):
            yield f".taints[{index}]", "must be a map with key and effect"
        elif taint.get("effect") not in list(TaintEffect):
            yield f".taints[{index}].effect", f"must be one of {effects}"
        elif not isinstance(taint.get("value", ""), str):
            yield f".taints[{index}].value", "must be text"


def _unique(nodes: list[NodeSpec], where: str, faults: list[ConfigError]) -> tuple[NodeSpec, ...]:
    seen: set[str] = set()
    for node in nodes:
        if node.name in seen:
            faults.append(ConfigError(where, f"has two nodes named {node.name}"))
        seen.add(node.name)
    if faults:
        raise ConfigErrors("cannot use the nodes", faults)
    return tuple(nodes)


def _fault(path: Path, problem: str) -> ConfigError:
    return ConfigError(str(path), problem)
