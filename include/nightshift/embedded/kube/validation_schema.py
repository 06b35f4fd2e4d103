"""What the API server does when it decodes an object: types, unknown fields, quantities.

A wrong type is 400 BadRequest; an unknown field is dropped and reported, so that the server can
warn or, asked for ``fieldValidation=Strict``, refuse. Source: KEP-2885 and
apimachinery/pkg/runtime/serializer, release 1.36.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

import functools
import re
from dataclasses import dataclass, field
from typing import Any

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.resources import resource_of_key
from nightshift.embedded.kube.validation_fields import FIELDS, ROOTS
from nightshift.embedded.kube.validation_quantities import canonical_quantity

_GO_TYPES = {
    "text": "string",
    "micro-time": "string",
    "int": "int64",
    "bool": "bool",
    "int-or-text": "int",
}
_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "int": (int,),
    "bool": (bool,),
    "int-or-text": (int, str),
    "quantity": (int, float, str),
    "micro-time": (str,),
}
_MICRO_TIME = "2006-01-02T15:04:05.000000Z07:00"
_MICRO_TIME_PATTERN = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)"
_QUANTITY_PATTERN = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"


@dataclass
class _Decoder:
    """One decoding: what it has come across."""

    kind: str
    version: str
    unknown: list[str] = field(default_factory=list)

    def struct(self, type_name: str, value: Any, path: str) -> Object:
        """Decode an object of a known type; null and empty lists count as absent."""
        if not isinstance(value, dict):
            raise self.mismatch(value, type_name, path, type_name)
        known = fields_of(type_name)
        decoded: Object = {}
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            kind = known.get(name)
            if kind is None:
                self.unknown.append(f'unknown field "{inner}"')
            elif item is not None:
                found = self.value(kind, item, inner, type_name)
                if not _is_omitted(kind, found):
                    decoded[name] = found
        return decoded

    def value(self, kind: str, value: Any, path: str, owner: str) -> Any:
        """Decode a value of any kind that the table knows."""
        if kind == "any":
            return value
        if kind.startswith("["):
            if not isinstance(value, list):
                raise self.mismatch(value, owner, path, f"[]{kind[1:-1]}")
            return [self.value(kind[1:-1], v, f"{path}[{i}]", owner) for i, v in enumerate(value)]
        if kind.startswith("{"):
            if not isinstance(value, dict):
                raise self.mismatch(value, owner, path, f"map[string]{kind[1:-1]}")
            return {k: self.value(kind[1:-1], v, f"{path}.{k}", owner) for k, v in value.items()}
        if kind in _PYTHON_TYPES:
            return self.scalar(kind, value, path, owner)
        return self.struct(kind, value, path)

    def scalar(self, kind: str, value: Any, path: str, owner: str) -> Any:
        """Decode text, a number, a boolean or a quantity."""
        is_number = kind in {"int", "int-or-text", "quantity"}
        fits: bool = isinstance(value, _PYTHON_TYPES[kind])
        if not fits or (is_number and isinstance(value, bool)):
            raise self.mismatch(value, owner, path, _GO_TYPES.get(kind, "resource.Quantity"))
        if kind == "micro-time" and not re.fullmatch(_MICRO_TIME_PATTERN, value):
            raise self.refuse(f'parsing time "{value}" as "{_MICRO_TIME}"')
        if kind != "quantity":
            return value
        try:
            return canonical_quantity(value)
        except ValueError as error:
            detail = f"quantities must match the regular expression '{_QUANTITY_PATTERN}'"
            raise self.refuse(detail) from error

    def mismatch(self, value: Any, owner: str, path: str, wanted: str) -> StatusError:
        """Word a wrong type as Go's JSON package does."""
        plain = "".join(part.partition("[")[0] + "." for part in path.split(".")).rstrip(".")
        got = {dict: "object", list: "array", str: "string", bool: "bool"}.get(
            type(value), "number"
        )
        if value is None:
            got = "null"
        where = f"Go struct field {owner}.{plain}" if plain else "Go value"
        return self.refuse(f"json: cannot unmarshal {got} into {where} of type {wanted}")

    def refuse(self, detail: str) -> StatusError:
        """Build the 400 answer."""
        return statuses.bad_request(
            f'{self.kind} in version "{self.version}" cannot be handled as a {self.kind}: {detail}'
        )


def decode(kind: str, obj: Object) -> tuple[Object, list[str]]:
    """Give ``obj`` without unknown fields, quantities canonical, and what was unknown.

    :param kind: a storage key such as ``pods``; kinds that are not in the table pass unchanged.
    :returns: a new object, and ``unknown field "spec.foo"`` for each field dropped.
    :raises StatusError: 400 BadRequest for a value of the wrong type.
    """
    root = ROOTS.get(kind)
    resource = resource_of_key(kind)
    if root is None or resource is None:
        return obj, []
    decoder = _Decoder(resource.kind, resource.api_version.rpartition("/")[2])
    decoded = decoder.struct(root, {k: v for k, v in obj.items() if k not in _TYPE_META}, "")
    return {**{k: obj[k] for k in _TYPE_META if k in obj}, **decoded}, decoder.unknown


_TYPE_META = ("apiVersion", "kind")


def strict_error(kind: str, unknown: list[str]) -> StatusError:
    """Refuse unknown fields, for ``fieldValidation=Strict``."""
    resource = resource_of_key(kind)
    named = resource.kind if resource else kind
    version = resource.api_version.rpartition("/")[2] if resource else "v1"
    return statuses.bad_request(
        f'{named} in version "{version}" cannot be handled as a {named}: strict decoding error:'
        f" {', '.join(unknown)}"
    )


def fields_of(type_name: str) -> dict[str, str]:
    """Give a type's fields with the kind of each: ``text``, ``int``, ``[Container]``, ``Probe``."""
    return _table()[type_name]


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for line in FIELDS.strip().replace("\n  ", " ").splitlines():
        name, _, listed = line.partition(": ")
        pairs = (entry.partition(":") for entry in listed.split())
        table[name] = {key: _kind(kind) for key, _, kind in pairs}
    return table


def _kind(written: str) -> str:
    if written in {"", "str"}:
        return "text"
    return written.replace("[str]", "[text]").replace("{str}", "{text}")


def _is_omitted(kind: str, value: Any) -> bool:
    return kind[0] in "[{" and not value
