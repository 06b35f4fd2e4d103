"""Label and field selectors: which objects a list or a watch is about.

Source: k8s.io/apimachinery/pkg/labels (grammar), pkg/registry (fields that a kind offers).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object

Operator = Literal["=", "!=", "in", "notin", "exists", "!", ">", "<"]

_KEY = r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EQUALITY = re.compile(rf"({_KEY})\s*(==|!=|=|>|<)\s*([A-Za-z0-9_.-]*)")
_EXISTENCE = re.compile(rf"(!?)\s*({_KEY})")
_COMMA = re.compile(r",(?![^()]*\))")

MATCHABLE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicationcontrollers": ("status.replicas",),
    "replicasets.apps": ("status.replicas",),
    "jobs.batch": ("status.successful",),
}
"""Fields that a kind can be selected by, beside metadata.name and metadata.namespace."""

_READ_DIFFERENTLY: Mapping[str, Callable[[Object], object]] = {
    "source": lambda event: (event.get("source") or {}).get("component"),
    "spec.unschedulable": lambda node: bool((node.get("spec") or {}).get("unschedulable")),
    "spec.hostNetwork": lambda pod: bool((pod.get("spec") or {}).get("hostNetwork")),
    "status.podIPs": lambda pod: (pod.get("status") or {}).get("podIP"),
    "status.successful": lambda job: (job.get("status") or {}).get("succeeded", 0),
    "status.replicas": lambda obj: (obj.get("status") or {}).get("replicas", 0),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label; all conditions of a selector must hold."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether ``labels`` fulfil it; ``!=`` and ``notin`` hold without the key."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "=" | "in":
                return value in self.values
            case "!=" | "notin":
                return value not in self.values
            case ">" | "<":
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        try:
            left, right = int(value or ""), int(self.values[0])
        except ValueError:
            return False
        return left > right if self.operator == ">" else left < right


def parse_label_selector(text: str) -> tuple[Requirement, ...]:
    """Read ``a=b,c!=d,e in (f,g),!h``; empty text selects everything.

    :raises StatusError: 400 BadRequest.
    """
    return tuple(_parse_requirement(part.strip()) for part in _COMMA.split(text) if part.strip())


def _parse_requirement(text: str) -> Requirement:
    if found := _SET.fullmatch(text):
        values = tuple(value.strip() for value in found[3].split(","))
        return Requirement(found[1], "in" if found[2] == "in" else "notin", values)
    if found := _EQUALITY.fullmatch(text):
        operators: dict[str, Operator] = {"==": "=", "=": "=", "!=": "!=", ">": ">", "<": "<"}
        return Requirement(found[1], operators[found[2]], (found[3],))
    if found := _EXISTENCE.fullmatch(text):
        return Requirement(found[2], "!" if found[1] else "exists")
    raise statuses.bad_request(
        f"unable to parse requirement: {text!r} is not a label selector such as 'a=b', 'a!=b',"
        " 'a in (b,c)', 'a notin (b,c)', 'a' or '!a'"
    )


def requirements_of(selector: Object | None) -> tuple[Requirement, ...] | None:
    """Read a LabelSelector object (matchLabels, matchExpressions).

    :returns: None, which selects nothing, for a missing selector; () selects everything.
    """
    if selector is None:
        return None
    operators: dict[str, Operator] = {
        "In": "in",
        "NotIn": "notin",
        "Exists": "exists",
        "DoesNotExist": "!",
    }
    equal = [
        Requirement(key, "=", (value,))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    return (
        *equal,
        *(
            Requirement(item["key"], operators[item["operator"]], tuple(item.get("values") or ()))
            for item in selector.get("matchExpressions") or ()
        ),
    )


def labels_match(requirements: tuple[Requirement, ...] | None, obj: Object) -> bool:
    """Tell whether an object's labels fulfil every requirement; None matches nothing."""
    if requirements is None:
        return False
    labels = obj["metadata"].get("labels") or {}
    return all(requirement.holds(labels) for requirement in requirements)


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field of an object."""

    path: str
    equal: bool
    value: str

    def holds(self, obj: Object) -> bool:
        """Tell whether the object's field has the value (or not, for ``!=``)."""
        return (read_field(obj, self.path) == self.value) is self.equal


def parse_field_selector(text: str, key: str) -> tuple[FieldRequirement, ...]:
    """Read ``status.phase=Running,spec.nodeName!=a`` for the kind stored as ``key``.

    :raises StatusError: 400 BadRequest, also for a field that the kind does not offer.
    """
    return tuple(_parse_field(part, key) for part in text.split(",") if part)


def _parse_field(text: str, key: str) -> FieldRequirement:
    found = re.fullmatch(r"([A-Za-z.]+)\s*(==|!=|=)(.*)", text)
    if found is None:
        raise statuses.bad_request(
            f"invalid selector: {text!r}; can't understand {text!r}: write field=value"
        )
    path = found[1]
    if key == "events" and path.startswith("regarding."):
        path = path.replace("regarding.", "involvedObject.", 1)
    offered = ("metadata.name", "metadata.namespace", *MATCHABLE_FIELDS.get(key, ()))
    if path not in offered:
        raise statuses.bad_request(f"field label not supported: {path}")
    return FieldRequirement(path, found[2] != "!=", found[3])


def read_field(obj: Object, path: str) -> str:
    """Read a field as selectors compare it: text, "" when it is not there."""
    value: object
    if path in _READ_DIFFERENTLY:
        value = _READ_DIFFERENTLY[path](obj)
    else:
        value = obj
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list or a watch is about: a namespace (None is every one), labels and fields."""

    namespace: str | None = None
    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldRequirement, ...] = ()

    def includes(self, obj: Object) -> bool:
        """Tell whether the object is selected."""
        if self.namespace is not None and obj["metadata"].get("namespace") != self.namespace:
            return False
        return labels_match(self.labels, obj) and all(field.holds(obj) for field in self.fields)

    @property
    def is_partial(self) -> bool:
        """Whether labels or fields narrow the list."""
        return bool(self.labels or self.fields)
