"""Label selectors: which objects a policy or a disruption budget is about.

Source: k8s.io/apimachinery/pkg/labels: everything must hold, ``!=`` and ``notin`` hold for a
missing label, and a selector without requirements matches every object.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.domain.kubejson import as_list, as_mapping, as_strings
from nightshift.domain.nodeterms import Operator, Requirement

_PREFIX = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_WORD = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:{_PREFIX}/)?{_WORD}"
_EQUALITY = re.compile(rf"(?P<key>{_KEY})\s*(?P<sign>==|!=|=)\s*(?P<value>({_WORD})?)")
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<sign>in|notin)\s*\((?P<values>[^()]*)\)")
_EXISTENCE = re.compile(rf"(?P<sign>!?)\s*(?P<key>{_KEY})")
_COMMA = re.compile(r",(?![^()]*\))")
_VALUE = re.compile(rf"({_WORD})?")

_RULE = "is no label selector such as tier=batch,app in (api, worker),!canary"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements on labels, all of which must hold."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels is meant."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        """Write it as kubectl and the API's ``labelSelector`` parameter take it."""
        return ",".join(_write(requirement) for requirement in self.requirements)


def parse_label_selector(text: str) -> LabelSelector:
    """Read a selector as kubectl takes it.

    :raises ValueError: with the part that is none; an empty text is none either.

    >>> str(parse_label_selector("tier = batch, app in (api,worker), !canary"))
    'tier=batch,app in (api,worker),!canary'
    """
    return LabelSelector(tuple(_parse_part(part.strip(), text) for part in _COMMA.split(text)))


def read_label_selector(raw: Any, where: str) -> LabelSelector:
    """Read ``matchLabels`` and ``matchExpressions`` of an API object, such as a disruption budget.

    :raises ValueError: with the path of the fault.
    """
    body = as_mapping(raw, where)
    equal = [
        Requirement(key, Operator.IN, (value,))
        for key, value in as_strings(body.get("matchLabels"), f"{where}.matchLabels").items()
    ]
    others = as_list(body.get("matchExpressions"), f"{where}.matchExpressions")
    return LabelSelector((
        *equal,
        *(
            _read_expression(item, f"{where}.matchExpressions[{i}]")
            for i, item in enumerate(others)
        ),
    ))


def _read_expression(raw: Any, where: str) -> Requirement:
    item = as_mapping(raw, where)
    key, values = item.get("key"), as_list(item.get("values"), f"{where}.values")
    if not isinstance(key, str) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{where}: expected a key and values that are text")
    try:
        operator = Operator(str(item.get("operator")))
    except ValueError as error:
        raise ValueError(f"{where}.operator: {error}") from error
    if operator in {Operator.GREATER, Operator.LESS}:
        raise ValueError(f"{where}.operator: {operator} is not for labels of objects")
    if bool(values) is not (operator in {Operator.IN, Operator.NOT_IN}):
        raise ValueError(f"{where}.values: In and NotIn have values, the others have none")
    return Requirement(key, operator, tuple(values))


def _parse_part(part: str, whole: str) -> Requirement:
    if found := _EQUALITY.fullmatch(part):
        operator = Operator.NOT_IN if found["sign"] == "!=" else Operator.IN
        return Requirement(found["key"], operator, (found["value"],))
    if found := _SET.fullmatch(part):
        values = tuple(value.strip() for value in found["values"].split(","))
        if all(_VALUE.fullmatch(value) for value in values):
            operator = Operator.IN if found["sign"] == "in" else Operator.NOT_IN
            return Requirement(found["key"], operator, values)
    elif found := _EXISTENCE.fullmatch(part):
        operator = Operator.DOES_NOT_EXIST if found["sign"] else Operator.EXISTS
        return Requirement(found["key"], operator)
    shown = f"{part!r} in {whole!r}" if part != whole else repr(whole)
    raise ValueError(f"{shown} {_RULE}")


def _write(requirement: Requirement) -> str:
    key, values = requirement.key, requirement.values
    match requirement.operator:
        case Operator.IN if len(values) == 1:
            return f"{key}={values[0]}"
        case Operator.NOT_IN if len(values) == 1:
            return f"{key}!={values[0]}"
        case Operator.IN | Operator.NOT_IN:
            word = "in" if requirement.operator is Operator.IN else "notin"
            return f"{key} {word} ({','.join(values)})"
        case Operator.DOES_NOT_EXIST:
            return f"!{key}"
        case _:
            return key
