"""List: selection, pages, and the meaning of resourceVersion.

Source: Kubernetes API concepts (https://kubernetes.io/docs/reference/using-api/api-concepts).
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.conversions import to_served
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.requests import Query, Target
from nightshift.embedded.kube.resources import Resource, resource_of_key
from nightshift.embedded.kube.selectors import (
    Selection,
    parse_field_selector,
    parse_label_selector,
)
from nightshift.embedded.kube.validation_faults import Faults

_MATCHES = ("Exact", "NotOlderThan", "")


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, all of it at one version.

    :param token: asks for the rest; "" when this is the end.
    :param remaining: how many objects follow; None when unknown (a selector narrows the list).
    """

    items: Sequence[Object]
    version: int
    token: str = ""
    remaining: int | None = None


def parse_selection(target: Target, query: Query) -> Selection:
    """Read which objects of the collection are meant.

    :raises StatusError: 400 BadRequest.
    """
    fields = parse_field_selector(query.text("fieldSelector"), target.resource.stored_as)
    if target.name:
        named = f"metadata.name={target.name}"
        fields = (*fields, *parse_field_selector(named, target.resource.stored_as))
    return Selection(target.namespace, parse_label_selector(query.text("labelSelector")), fields)


def list_page(api: Api, target: Target, query: Query) -> Page:
    """List what the query selects, ``limit`` objects at most.

    :raises StatusError: 400; 410 for a version that is no longer kept; 504 for one to come.
    """
    selection = parse_selection(target, query)
    version, after = _starting_point(api, query)
    kind = target.resource.stored_as
    if version == api.store.resource_version:
        objects = api.store.list(kind, target.namespace)
    else:
        objects = api.store.list_at(kind, version)
    chosen = [obj for obj in objects if selection.includes(obj) and _place(obj) > after]
    limit = query.integer("limit") or len(chosen)
    rest = len(chosen) - limit
    shown = [to_served(target.resource, obj) for obj in chosen[:limit]]
    if rest <= 0:
        return Page(shown, version)
    token = _write_token(version, _place(chosen[limit - 1]))
    return Page(shown, version, token, None if selection.is_partial else rest)


def list_object(target: Target, page: Page) -> Object:
    """Build the list object that a client gets."""
    resource = target.resource
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.api_version,
        "metadata": list_metadata(page),
        "items": [_untyped(resource, obj) for obj in page.items],
    }


def _untyped(resource: Resource, obj: Object) -> Object:
    """Leave out what the list says for all its items; custom resources keep it."""
    if resource_of_key(resource.stored_as) is None:
        return obj
    return {field: value for field, value in obj.items() if field not in {"kind", "apiVersion"}}


def list_metadata(page: Page) -> Object:
    """Build a list's metadata: the version, and how to go on."""
    metadata: Object = {"resourceVersion": str(page.version)}
    if page.token:
        metadata["continue"] = page.token
    if page.remaining is not None:
        metadata["remainingItemCount"] = page.remaining
    return metadata


def parse_version(text: str) -> int | None:
    """Read a resourceVersion; None for "" (the latest) and 0 (any).

    :raises StatusError: 400 BadRequest.
    """
    if text in {"", "0"}:
        return None
    if not (text.isascii() and text.isdigit()):
        raise statuses.bad_request(f'Invalid value: "{text}": resourceVersion must be a number')
    return int(text)


def require_reached(api: Api, version: int) -> None:
    """Refuse a version that the cluster has not come to.

    :raises StatusError: 504, as a real server does after waiting.
    """
    current = api.store.resource_version
    if version > current:
        message = f"Too large resource version: {version}, current: {current}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        raise StatusError(
            HTTPStatus.GATEWAY_TIMEOUT,
            "Timeout",
            message,
            {"causes": [cause], "retryAfterSeconds": 1},
        )


def _starting_point(api: Api, query: Query) -> tuple[int, tuple[str, str]]:
    match = query.text("resourceVersionMatch")
    version = parse_version(query.text("resourceVersion"))
    _check_match(match, query.text("resourceVersion"))
    if token := query.text("continue"):
        return _read_token(token)
    if version is not None:
        require_reached(api, version)
        if match == "Exact":
            return version, ("", "")
    return api.store.resource_version, ("", "")


def _check_match(match: str, version: str) -> None:
    faults = Faults()
    if match and not version:
        text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        faults.forbidden("resourceVersionMatch", text)
    if match not in _MATCHES:
        faults.not_supported("resourceVersionMatch", match, _MATCHES)
    if error := faults.error("ListOptions", "meta.k8s.io", ""):
        raise error


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _write_token(version: int, place: tuple[str, str]) -> str:
    raw = json.dumps({"v": version, "after": place}).encode()
    return base64.urlsafe_b64encode(raw).decode()


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        raw = json.loads(base64.urlsafe_b64decode(token.encode()))
        namespace, name = raw["after"]
        return int(raw["v"]), (str(namespace), str(name))
    except (ValueError, KeyError, TypeError) as error:
        raise statuses.bad_request("continue key is not valid: list again without it") from error
