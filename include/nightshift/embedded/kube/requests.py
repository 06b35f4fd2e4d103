"""What a request asks for: the resource in its path, its query, its body.

Source: Kubernetes API conventions and k8s.io/apiserver/pkg/endpoints/request.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import Registry, Resource

MAX_BODY_BYTES = 3 * 1024 * 1024  # as kube-apiserver
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class Target:
    """The place in the API that a request is about.

    :param namespace: None for a cluster-scoped resource, or for a list of all namespaces.
    :param name: "" for a collection.
    """

    resource: Resource
    namespace: str | None = None
    name: str = ""
    subresource: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """(kind, name, namespace), as the store takes them."""
        return self.resource.stored_as, self.name, self.namespace or ""


def parse_target(registry: Registry, raw_path: str) -> Target:
    """Read ``/api/v1/..`` or ``/apis/GROUP/VERSION/..``.

    :param raw_path: the path as it was sent, still percent-encoded.
    :raises StatusError: 404 when nothing is served there.
    """
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise statuses.path_not_found()
    namespace: str | None = None
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, rest = rest[1], rest[2:]
    resource = registry.find(group, version, rest[0])
    if resource is None or len(rest) > 3 or not all(rest):
        raise statuses.path_not_found()
    return _checked(Target(resource, namespace, *rest[1:]))


def _checked(target: Target) -> Target:
    resource = target.resource
    misplaced = (
        target.namespace is not None if not resource.namespaced
        else target.namespace is None and bool(target.name)
    )  # fmt: skip
    unknown = target.subresource and target.subresource not in resource.subresources
    if misplaced or unknown:
        raise statuses.path_not_found()
    return target


class Query:
    """A request's query, by the rules that Kubernetes reads it by."""

    def __init__(self, pairs: Mapping[str, Sequence[str]]) -> None:
        self._pairs = pairs

    def text(self, name: str, default: str = "") -> str:
        """Read the first value of a parameter."""
        values = self._pairs.get(name)
        return values[0] if values else default

    def texts(self, name: str) -> tuple[str, ...]:
        """Read every value of a parameter that may repeat."""
        return tuple(self._pairs.get(name, ()))

    def flag(self, name: str) -> bool:
        """Read a boolean in any case (Python's clients send ``True``); an empty value is true.

        :raises StatusError: 400 BadRequest.
        """
        if name not in self._pairs:
            return False
        value = self.text(name).lower()
        if value in {"", "1", "t", "true"}:
            return True
        if value in {"0", "f", "false"}:
            return False
        raise statuses.bad_request(f"invalid boolean for {name}: {value!r}")

    def integer(self, name: str) -> int | None:
        """Read a whole number that is not negative; None when it is not given.

        :raises StatusError: 400 BadRequest.
        """
        number = self.number(name)
        if number is None:
            return None
        if number != int(number):
            raise statuses.bad_request(f"invalid whole number for {name}: {number}")
        return int(number)

    def number(self, name: str) -> float | None:
        """Read a number that is not negative; None when it is not given.

        :raises StatusError: 400 BadRequest.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < 0:
            raise statuses.bad_request(f"invalid number for {name}: {text!r}")
        return number

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be stored.

        :raises StatusError: 422 for a value other than ``All``.
        """
        values = [value for value in self.texts("dryRun") if value]
        return is_dry_run(values)


def is_dry_run(values: Sequence[object]) -> bool:
    """Read the ``dryRun`` option: ``All`` or nothing.

    :raises StatusError: 422 for another value.
    """
    if any(value != "All" for value in values):
        cause = ("FieldValueNotSupported", "dryRun", 'Unsupported value: supported values: "All"')
        raise statuses.invalid("Options", "meta.k8s.io", "", [cause])
    return bool(values)


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Read a JSON body; NaN and Infinity are no JSON.

    :raises StatusError: 400 BadRequest.
    """
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise statuses.bad_request(f"couldn't read the body as JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def parse_object(body: bytes) -> Object:
    """Read a JSON object whose ``metadata``, if any, is an object of sane parts.

    :raises StatusError: 400 BadRequest.
    """
    obj = parse_json(body)
    if not isinstance(obj, dict):
        raise statuses.bad_request("the body must be a JSON object")
    return check_shape(obj)


def check_shape(obj: Object) -> Object:
    """Check what every handler relies on: metadata, its strings and its maps of strings.

    :raises StatusError: 400 BadRequest.
    """
    metadata = obj.setdefault("metadata", {})
    if metadata is None:
        metadata = obj["metadata"] = {}
    if not isinstance(metadata, dict):
        raise statuses.bad_request("metadata must be an object")
    for field in ("name", "namespace", "generateName", "uid", "resourceVersion"):
        if not isinstance(metadata.get(field, ""), str | None):
            raise statuses.bad_request(f"metadata.{field} must be a string")
    for field in ("labels", "annotations"):
        _check_strings(metadata.get(field), f"metadata.{field}")
    for field in ("spec", "status"):
        if field in obj and not isinstance(obj[field], dict | None):
            raise statuses.bad_request(f"{field} must be an object")
    for field in ("conditions", "containerStatuses", "initContainerStatuses"):
        _check_list((obj.get("status") or {}).get(field), dict, f"status.{field}")
    _check_list(metadata.get("finalizers"), str, "metadata.finalizers")
    return obj


def _check_list(value: object, kind: type, where: str) -> None:
    if value is None:
        return
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        what = "strings" if kind is str else "objects"
        raise statuses.bad_request(f"{where} must be a list of {what}")


def _check_strings(value: object, where: str) -> None:
    if value is None:
        return
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise statuses.bad_request(f"{where} must be a map of strings")
