"""A schema as a list of fields, for the generated reference pages."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.config.schemas import load_validator

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """A field of a file.

    :param path: such as ``spec.tiers[].name``; ``<name>`` stands for a key of one's own.
    :param default: as JSON; "" where there is none.
    """

    path: str
    required: bool
    default: str
    what: str


def describe_schema(name: str) -> Iterator[FieldDescription]:
    """List the fields that the schema called ``name`` allows, in its own order."""
    schema = load_validator(name).schema
    assert isinstance(schema, Mapping)  # noqa: S101 - ours are objects
    yield from _fields(schema, schema, "")


def _fields(root: Schema, schema: Schema, at: str) -> Iterator[FieldDescription]:
    required = set(schema.get("required", ()))
    for key, raw in schema.get("properties", {}).items():
        if "const" in raw and len(raw) == 1:
            continue  # what a kind is called, said by its heading
        path = f"{at}.{key}" if at else key
        found = _resolve(root, raw)
        default = json.dumps(found["default"]) if "default" in found else ""
        yield FieldDescription(path, key in required, default, str(found.get("description", "")))
        yield from _below(root, found, path)


def _below(root: Schema, schema: Schema, path: str) -> Iterator[FieldDescription]:
    if "items" in schema:
        path, schema = f"{path}[]", _resolve(root, schema["items"])
    elif isinstance(schema.get("additionalProperties"), Mapping):
        path, schema = f"{path}.<name>", _resolve(root, schema["additionalProperties"])
    yield from _fields(root, schema, path)
    if "then" in schema:
        yield from _fields(root, _resolve(root, schema["then"]), path)
    for branch in schema.get("allOf", ()):
        for kind in branch["if"]["properties"].values():
            yield from _fields(root, _resolve(root, branch["then"]), f"{path} {kind['const']}")


def _resolve(root: Schema, schema: Schema) -> Schema:
    """Follow a reference; what stands beside it comes first."""
    if "$ref" not in schema:
        return schema
    found: Schema = root
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**_resolve(root, found), **beside}
