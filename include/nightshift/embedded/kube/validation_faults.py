"""Collects what is wrong with an object, in the words of Kubernetes' own validation.

Source: k8s.io/apimachinery/pkg/util/validation/field (errors.go, path.go), release 1.36.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object, StatusError

NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"


class Faults:
    """A list of (reason, field, text) that grows; equal entries count once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        return iter(self._found)

    def required(self, path: str, detail: str = "") -> None:
        """Report a value that is missing."""
        self._add("FieldValueRequired", path, "Required value", detail)

    def forbidden(self, path: str, detail: str) -> None:
        """Report a value that is well-formed, but not allowed here."""
        self._add("FieldValueForbidden", path, "Forbidden", detail)

    def invalid(self, path: str, value: Any, detail: str) -> None:  # noqa: ANN401 - JSON
        """Report a malformed value."""
        self._add("FieldValueInvalid", path, f"Invalid value: {_shown(value)}", detail)

    def not_supported(self, path: str, value: Any, allowed: Collection[str]) -> None:  # noqa: ANN401 - JSON
        """Report a value outside an enumeration."""
        listed = ", ".join(json.dumps(one) for one in allowed)
        self._add(
            "FieldValueNotSupported",
            path,
            f"Unsupported value: {_shown(value)}",
            f"supported values: {listed}",
        )

    def duplicate(self, path: str, value: Any) -> None:  # noqa: ANN401 - JSON
        """Report a value that must be unique."""
        self._add("FieldValueDuplicate", path, f"Duplicate value: {_shown(value)}")

    def not_found(self, path: str, value: Any) -> None:  # noqa: ANN401 - JSON
        """Report a reference to nothing."""
        self._add("FieldValueNotFound", path, f"Not found: {_shown(value)}")

    def too_long(self, path: str, limit_bytes: int) -> None:
        """Report a value that is too long to be shown."""
        self._add(
            "FieldValueTooLong", path, "Too long", f"may not be more than {limit_bytes} bytes"
        )

    def each(self, path: str, value: Any, details: Collection[str]) -> None:  # noqa: ANN401 - JSON
        """Report ``value`` once for each thing that a format check found wrong with it."""
        for detail in details:
            self.invalid(path, value, detail)

    def non_negative(self, path: str, value: int | None) -> None:
        """Require a number of at least 0; None passes."""
        if value is not None and value < 0:
            self.invalid(path, value, NEGATIVE)

    def one_of(self, path: str, value: str | None, allowed: Collection[str]) -> None:
        """Require one of an enumeration."""
        if not value:
            self.required(path)
        elif value not in allowed:
            self.not_supported(path, value, allowed)

    def unchanged(self, path: str, value: Any, old: Any) -> None:  # noqa: ANN401 - JSON
        """Require that a field keeps its value."""
        if value != old:
            self.invalid(path, value, IMMUTABLE)

    def error(self, kind: str, group: str, name: str) -> StatusError | None:
        """Build the 422 answer, None when nothing is wrong."""
        return statuses.invalid(kind, group, name, list(self._found)) if self._found else None

    def _add(self, reason: str, path: str, text: str, detail: str = "") -> None:
        self._found[reason, path, f"{text}: {detail}" if detail else text] = None


def in_range(low: int, high: int) -> str:
    """Word Kubernetes' complaint about a number outside a range, both ends included."""
    return f"must be between {low} and {high}, inclusive"


def items(obj: Object | None, field: str) -> list[Any]:
    """Read a list field that may be absent."""
    return list((obj or {}).get(field) or ())


def _shown(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
