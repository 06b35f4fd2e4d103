"""Untrusted text to plain values: bounded, without duplicate keys, with the place of each fault."""

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from nightshift.errors import ConfigError

MEGABYTE = 1_000_000
MAX_DEPTH = 20
"""No file of ours nests deeper; a bomb of brackets is refused before it is built."""


def read_text(path: Path, *, max_bytes: int) -> str:
    """Read a whole file.

    :raises ConfigError: if it is missing, unreadable, larger than ``max_bytes`` or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror or error}") from error
    return decode(data, str(path), max_bytes=max_bytes)


def decode(data: bytes, source: str, *, max_bytes: int) -> str:
    """Turn a file's bytes into text; a byte order mark is dropped.

    :raises ConfigError: if there are more than ``max_bytes``, or they are not UTF-8.
    """
    if len(data) > max_bytes:
        limit = max_bytes // MEGABYTE
        raise ConfigError(source, f"is larger than {limit} MB; split it into several files")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(source, f"is not UTF-8: byte {error.start} cannot be read") from error


def parse_json(text: str, source: str) -> Any:  # noqa: ANN401 - untyped until its schema has been checked
    """Read JSON as the standard has it: no NaN, no key twice.

    :raises ConfigError: with the line and column of the fault.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise ConfigError(source, f"is not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise ConfigError(source, "is nested too deeply") from error
    except ValueError as error:
        raise ConfigError(source, f"is not JSON that we accept: {error}") from error


def parse_plain_yaml(text: str, source: str) -> Any:  # noqa: ANN401 - untyped until its schema has been checked
    """Read one YAML document as YAML 1.2 has it: ``off``, ``on``, ``05:30`` and dates are text.

    PyYAML speaks 1.1, where they are false, true, 330 and objects. Else as ``parse_yaml``.

    :raises ConfigError: with the line and column of the fault.
    """
    return _parse_yaml(text, source, _PlainLoader)


def parse_yaml(text: str, source: str) -> Any:  # noqa: ANN401 - untyped until its schema has been checked
    """Read one YAML document of plain values: no aliases, no tags, no key twice.

    Aliases are refused because a few bytes of them can stand for gigabytes.

    :raises ConfigError: with the line and column of the fault.
    """
    return _parse_yaml(text, source, _StrictLoader)


def _parse_yaml(text: str, source: str, loader: "type[_StrictLoader]") -> Any:  # noqa: ANN401 - as parse_yaml
    try:
        _check_events(text, source)
        return yaml.load(text, Loader=loader)  # noqa: S506 - derives from CSafeLoader
    except yaml.MarkedYAMLError as error:
        problem = error.problem or error.context or "it cannot be parsed"
        raise ConfigError(source, f"is not YAML: {problem}{_place(error.problem_mark)}") from error
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise ConfigError(source, f"is not YAML: {str(error).splitlines()[0]}") from error
    except ValueError as error:  # a date such as 2024-13-45
        raise ConfigError(source, f"is not YAML that we accept: {error}") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice in one object")
    return found


def _check_events(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            where = _place(event.start_mark)
            raise ConfigError(source, f"uses the alias *{event.anchor}{where}; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(source, f"is nested too deeply{_place(event.start_mark)}")


def _place(mark: Any) -> str:  # noqa: ANN401 - PyYAML's C parser and its Python one have different marks
    return f" at line {mark.line + 1} column {mark.column + 1}" if mark is not None else ""


class _StrictLoader(yaml.CSafeLoader):
    """PyYAML's safe loader, which would let the last of two equal keys win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping.

        :raises yaml.constructor.ConstructorError: on the second of two equal keys.
        """
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a plain word", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _PlainLoader(_StrictLoader):
    """The strict loader with the plain scalars of YAML 1.2's core schema, decimal numbers only."""


_PlainLoader.yaml_implicit_resolvers = {}

for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"null|Null|NULL|~|", "nN~"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), [*_first, ""]
    )
