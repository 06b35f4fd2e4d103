"""Strict reading and stable writing of dataclasses as JSON, for files that cross a trust boundary.

Reading refuses unknown keys, wrong types and bad names, with the path of the fault. The domain
has no third-party code, which is why this is here and not a library's.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

import dataclasses
import json
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from nightshift.domain.ids import (
    parse_account_name,
    parse_commit_sha,
    parse_repository_name,
    parse_scan_name,
    parse_scanner_name,
    parse_shard_name,
)

T = TypeVar("T")

_CHECKS: dict[str, Any] = {
    "AccountName": parse_account_name,
    "RepositoryName": parse_repository_name,
    "ScannerName": parse_scanner_name,
    "CommitSha": parse_commit_sha,
    "ScanName": parse_scan_name,
    "ShardName": parse_shard_name,
}


def dump(value: Any) -> str:
    """Write a dataclass as JSON, keys sorted, so that equal values hash equal."""
    return json.dumps(dataclasses.asdict(value), sort_keys=True, ensure_ascii=False)


def load(kind: type[T], text: str) -> T:
    """Read a dataclass from JSON; ``load(type(x), dump(x)) == x``.

    :raises ValueError: with the path of the first fault; never another error, however bad the text.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{kind.__name__}: not JSON: {error}") from error
    value: T = _build(kind, raw, kind.__name__)
    return value


def _build(hint: Any, raw: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build_dataclass(hint, raw, where)
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        inner = next(a for a in get_args(hint) if a is not NoneType)
        return None if raw is None else _build(inner, raw, where)
    if origin is tuple:
        _expect(isinstance(raw, list), where, "a list")
        return tuple(_build(get_args(hint)[0], v, f"{where}[{i}]") for i, v in enumerate(raw))
    if origin is not None:  # Mapping[str, X]
        _expect(isinstance(raw, dict), where, "an object")
        return {k: _build(get_args(hint)[1], v, f"{where}.{k}") for k, v in raw.items()}
    return _build_scalar(hint, raw, where)


def _build_dataclass(kind: Any, raw: Any, where: str) -> Any:
    _expect(isinstance(raw, dict), where, "an object")
    hints = get_type_hints(kind)
    unknown = sorted(set(raw) - set(hints))
    _expect(not unknown, where, f"no key {unknown[:3]}")
    values = {
        name: _build(hints[name], raw[name], f"{where}.{name}") for name in hints if name in raw
    }
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def _build_scalar(hint: Any, raw: Any, where: str) -> Any:
    name = getattr(hint, "__name__", "")
    base = getattr(hint, "__supertype__", hint)
    if isinstance(base, type) and issubclass(base, StrEnum):
        try:
            return base(raw)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    if base is float and isinstance(raw, int) and not isinstance(raw, bool):
        raw = float(raw)
    _expect(type(raw) is base, where, f"{base.__name__}")
    try:
        return _CHECKS[name](raw) if name in _CHECKS else raw
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _expect(held: bool, where: str, what: str) -> None:
    if not held:
        raise ValueError(f"{where}: expected {what}")
