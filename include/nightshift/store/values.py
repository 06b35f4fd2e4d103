"""Our values as JSON for jsonb columns and for reports."""
# ruff: noqa: ANN401 - JSON has no narrower type

import dataclasses
import datetime as dt
from collections.abc import Mapping
from enum import Enum
from typing import Any


def as_json(value: Any) -> Any:
    """Turn dataclasses, enums, dates and containers into what ``json`` can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(as_json(key)): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_json(item) for item in value]
    if isinstance(value, Enum):
        return as_json(value.value)
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    return value
