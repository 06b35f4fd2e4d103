"""Node selector terms: the nodes that a pod must have, and those that it would like.

The rules of ``component-helpers/scheduling/corev1/nodeaffinity``: inside a term everything must
hold, terms are alternatives, an empty term matches no node.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nightshift.domain.kubejson import as_list, as_mapping

_NAME_FIELD = "metadata.name"


class Operator(StrEnum):
    """How a requirement compares a label's value."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GREATER = "Gt"
    LESS = "Lt"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label, or on the field ``metadata.name``."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether it holds; NotIn and DoesNotExist hold for a missing label."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case Operator.GREATER | Operator.LESS:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        left, right = _as_int(value), _as_int(self.values[0])
        if left is None or right is None:
            return False
        return left > right if self.operator is Operator.GREATER else left < right


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """A ``nodeSelectorTerm``: all of its requirements on labels and on the node's name."""

    expressions: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a node of this name and these labels is meant; an empty term means none."""
        if not self.expressions and not self.fields:
            return False
        names = {_NAME_FIELD: name}
        return all(r.matches(labels) for r in self.expressions) and all(
            r.matches(names) for r in self.fields
        )

    @property
    def node_names(self) -> frozenset[str] | None:
        """The only names it can match, None when it does not restrict names with ``In``."""
        sets = [frozenset(r.values) for r in self.fields if r.operator is Operator.IN]
        return frozenset.intersection(*sets) if sets else None


@dataclass(frozen=True, slots=True)
class PreferredTerm:
    """A term that adds ``weight`` (1 to 100) to the score of the nodes that it matches."""

    weight: int
    term: NodeTerm


def parse_node_terms(raw: Any, where: str) -> tuple[NodeTerm, ...]:
    """Read ``nodeSelectorTerms``.

    :raises ValueError: with the path of the fault.
    """
    return tuple(_parse_term(term, f"{where}[{i}]") for i, term in enumerate(as_list(raw, where)))


def parse_preferred_terms(raw: Any, where: str) -> tuple[PreferredTerm, ...]:
    """Read ``preferredDuringSchedulingIgnoredDuringExecution``.

    :raises ValueError: with the path of the fault; a weight outside 1 to 100 is one.
    """
    terms = []
    for i, item in enumerate(as_list(raw, where)):
        weight = item.get("weight") if isinstance(item, Mapping) else None
        if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= 100:
            raise ValueError(f"{where}[{i}].weight: must be in the range 1-100")
        terms.append(
            PreferredTerm(weight, _parse_term(item.get("preference"), f"{where}[{i}].preference"))
        )
    return tuple(terms)


def _parse_term(raw: Any, where: str) -> NodeTerm:
    term = as_mapping(raw, where)
    expressions = _parse_requirements(term.get("matchExpressions"), f"{where}.matchExpressions")
    fields = _parse_requirements(term.get("matchFields"), f"{where}.matchFields")
    for i, field in enumerate(fields):
        path = f"{where}.matchFields[{i}]"
        if field.key != _NAME_FIELD:
            raise ValueError(f"{path}.key: only {_NAME_FIELD} is supported")
        if field.operator not in {Operator.IN, Operator.NOT_IN}:
            raise ValueError(f"{path}.operator: must be In or NotIn")
        if len(field.values) != 1:
            raise ValueError(f"{path}.values: must have one element")
    return NodeTerm(expressions, fields)


def _parse_requirements(raw: Any, where: str) -> tuple[Requirement, ...]:
    return tuple(
        _parse_requirement(item, f"{where}[{i}]") for i, item in enumerate(as_list(raw, where))
    )


def _parse_requirement(raw: Any, where: str) -> Requirement:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("key"), str):
        raise ValueError(f"{where}: expected an object with a key")
    try:
        operator = Operator(str(raw.get("operator")))
    except ValueError as error:
        raise ValueError(f"{where}.operator: {error}") from error
    values = tuple(as_list(raw.get("values"), f"{where}.values"))
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{where}.values: expected strings")
    _check_values(operator, values, f"{where}.values")
    return Requirement(raw["key"], operator, values)


def _check_values(operator: Operator, values: tuple[str, ...], where: str) -> None:
    if operator in {Operator.IN, Operator.NOT_IN}:
        held = bool(values)
    elif operator in {Operator.EXISTS, Operator.DOES_NOT_EXIST}:
        held = not values
    else:
        held = len(values) == 1 and _as_int(values[0]) is not None
    if not held:
        raise ValueError(f"{where}: not what the operator {operator} takes")


def _as_int(text: str | None) -> int | None:
    try:
        return int(text) if text is not None and len(text) < 20 else None
    except ValueError:
        return None
