"""From a request to the verb that answers it: get, list, watch, create, update, patch, delete.

Subresources with verbs of their own are in ``subresources``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from nightshift.embedded.kube import patches, statuses, subresources
from nightshift.embedded.kube.calls import Call
from nightshift.embedded.kube.conversions import to_served
from nightshift.embedded.kube.deletions import (
    delete_collection,
    delete_object,
    parse_delete_options,
)
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.lists import Page, list_metadata, list_object, list_page
from nightshift.embedded.kube.requests import parse_json, parse_object
from nightshift.embedded.kube.responses import (
    Rendering,
    encode,
    json_response,
    negotiate,
    partial_metadata,
)
from nightshift.embedded.kube.tables import render_table
from nightshift.embedded.kube.watches import EventType, parse_watch_options, watch_events
from nightshift.embedded.kube.writes import create_object, replace_object

_OBJECT_RENDERINGS = {"Table": "v1", "PartialObjectMetadata": "v1", "PartialObjectMetadataList": "v1"}
_PATCHES: dict[str, Callable[[Object, object], Object]] = {
    patches.JSON_PATCH: patches.apply_json_patch,
    patches.MERGE_PATCH: patches.apply_merge_patch,
    patches.STRATEGIC_PATCH: patches.apply_strategic_patch,
}

Verb = Callable[[Call], Awaitable[web.StreamResponse]]


async def answer(call: Call) -> web.StreamResponse:
    """Answer a request for a resource.

    :raises StatusError: whatever Kubernetes would answer instead.
    """
    target, method = call.target, call.request.method
    if target.subresource and target.subresource != "status":
        return await subresources.answer(call)
    verbs = _OBJECT_VERBS if target.name else _COLLECTION_VERBS
    verb = verbs.get(method)
    if verb is None or (target.subresource and method in {"POST", "DELETE"}):
        raise statuses.method_not_allowed()
    return await verb(call)
