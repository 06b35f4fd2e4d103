"""Shapes inside Kubernetes JSON, checked where they are read, with the path of the fault."""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_MAX_ITEMS = 1_000


def as_mapping(raw: Any, where: str) -> Mapping[str, Any]:
    """Read an object; absent is empty.

    :raises ValueError: if it is something else.
    """
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise ValueError(f"{where}: expected an object")
    return raw


def as_list(raw: Any, where: str) -> list[Any]:
    """Read a list of at most 1,000 items; absent is empty.

    :raises ValueError: if it is something else, or longer.
    """
    if raw is None:
        return []
    if not isinstance(raw, list) or len(raw) > _MAX_ITEMS:
        raise ValueError(f"{where}: expected a list of at most {_MAX_ITEMS}")
    return raw


def as_objects(raw: Any, where: str) -> list[Mapping[str, Any]]:
    """Read a list of at most 1,000 objects; absent is empty.

    :raises ValueError: with the index of what is no object.
    """
    return [as_mapping(item, f"{where}[{i}]") for i, item in enumerate(as_list(raw, where))]


def as_strings(raw: Any, where: str) -> Mapping[str, str]:
    """Read an object whose values are text, such as labels; absent is empty.

    :raises ValueError: with the key whose value is no text.
    """
    values = as_mapping(raw, where)
    for key, value in values.items():
        if not isinstance(value, str):
            raise ValueError(f"{where}.{key}: expected text")
    return MappingProxyType(dict(values))


def as_int(raw: Any, where: str) -> int:
    """Read a whole number; absent is 0.

    :raises ValueError: if it is something else; true and false are.
    """
    if raw is None:
        return 0
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise ValueError(f"{where}: expected a whole number")
    return raw
