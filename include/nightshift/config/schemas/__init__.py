"""The JSON Schemas (draft 2020-12) of our files, and faults against them in plain words."""

import difflib
import functools
import json
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

import jsonschema

_MAX_SHOWN = 60


@functools.cache
def load_validator(name: str) -> jsonschema.Draft202012Validator:
    """Load the schema ``<name>.schema.json`` that ships beside this module."""
    text = resources.files(__package__).joinpath(f"{name}.schema.json").read_text("utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def find_faults(name: str, document: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:  # noqa: ANN401 - JSON
    """Give (path, problem) for each fault of ``document`` against the schema called ``name``.

    Several missing keys are one fault, though the validator reports each of them.
    """
    errors = load_validator(name).iter_errors(document)
    yield from dict.fromkeys((tuple(error.absolute_path), _describe(error)) for error in errors)


def format_path(path: Sequence[str | int]) -> str:
    """Write a path into a document.

    >>> format_path(("jobs", 3, "cpu"))
    'jobs[3].cpu'
    """
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return "".join(parts).lstrip(".")


def shorten(value: Any) -> str:  # noqa: ANN401 - JSON
    """Show a value on one line, cut, and without the login of a URL."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = re.sub(r"//[^/@\s]*@", "//***@", json.dumps(value, default=str))
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}.."


def _describe(error: jsonschema.ValidationError) -> str:
    instance: Any = error.instance
    wanted: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "additionalProperties":
            return _describe_strange_keys(instance, schema)
        case "required":
            return f"lacks {', '.join(key for key in wanted if key not in instance)}"
        case "minItems":
            return "is empty; it needs at least one"
        case "maxItems":
            return f"has {len(instance):,} items; at most {wanted:,} are allowed"
        case "uniqueItems":
            return "names something twice"
        case "type" if wanted in ("object", "array"):
            return (
                f"{shorten(instance)}; expected {'an object' if wanted == 'object' else 'a list'}"
            )
        case _:
            rule = f"{error.validator} {wanted}"
            return f"{shorten(instance)}; expected {schema.get('description', rule)}"


def _describe_strange_keys(instance: dict[str, Any], schema: dict[str, Any]) -> str:
    known = list(schema["properties"])
    strange = sorted((key for key in instance if key not in known), key=str)
    close = difflib.get_close_matches(str(strange[0]), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"it may have {', '.join(known)}"
    return f"has no key {', '.join(shorten(key) for key in strange[:3])}; {hint}"
