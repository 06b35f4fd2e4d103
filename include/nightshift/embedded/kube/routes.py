"""From a request to the verb that answers it: get, list, watch, create, update, patch, delete.

Subresources with verbs of their own are in ``subresources``.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from nightshift.embedded.kube import statuses, subresources
from nightshift.embedded.kube.calls import PROTOBUF, Call
from nightshift.embedded.kube.conversions import to_served
from nightshift.embedded.kube.deletions import (
    delete_collection,
    delete_object,
    parse_delete_options,
)
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.lists import list_metadata, list_object, list_page
from nightshift.embedded.kube.patches import parse_patch
from nightshift.embedded.kube.responses import (
    Rendering,
    encode,
    json_response,
    negotiate,
    partial_metadata,
    start_stream,
)
from nightshift.embedded.kube.reviews import answer_review, is_review
from nightshift.embedded.kube.tables import render_table
from nightshift.embedded.kube.watches import EventType, parse_watch_options, watch_events
from nightshift.embedded.kube.writes import WriteOptions, create_object, replace_object

_RENDERINGS = {"Table": "v1", "PartialObjectMetadata": "v1", "PartialObjectMetadataList": "v1"}

Verb = Callable[[Call], Awaitable[web.StreamResponse]]


async def answer(call: Call) -> web.StreamResponse:
    """Answer a request for a resource.

    :raises StatusError: whatever Kubernetes would answer instead.
    """
    target = call.target
    if is_review(target):
        return await _review(call)
    if target.subresource and target.subresource != "status":
        return await subresources.answer(call)
    if target.subresource:
        verbs = _STATUS_VERBS
    else:
        verbs = _OBJECT_VERBS if target.name else _COLLECTION_VERBS
    verb = verbs.get(call.request.method)
    everywhere = target.resource.namespaced and target.namespace is None
    if verb is None or (everywhere and verb is not _list):
        raise statuses.method_not_allowed()
    return await verb(call)


async def _review(call: Call) -> web.StreamResponse:
    if call.request.method != "POST" or call.target.name:
        raise statuses.method_not_allowed()
    # kubectl asks in protobuf and reads JSON too; the answer does not depend on the question
    is_protobuf = call.request.content_type == PROTOBUF
    review = {"metadata": {}} if is_protobuf else await call.read_object()
    return json_response(answer_review(call.target, review), HTTPStatus.CREATED)


async def _get(call: Call) -> web.StreamResponse:
    if call.query.flag("watch"):
        return await _watch(call)
    rendering = negotiate(call.accept, _RENDERINGS)
    found = to_served(call.target.resource, call.api.store.get(*call.target.place))
    return _rendered(call, rendering, found)


async def _list(call: Call) -> web.StreamResponse:
    if call.query.flag("watch"):
        return await _watch(call)
    rendering = negotiate(call.accept, _RENDERINGS)
    page = list_page(call.api, call.target, call.query)
    if rendering.as_ == "Table":
        table = render_table(call.target.resource, page.items, call.api.now(), _includes(call))
        return json_response({**table, "metadata": list_metadata(page)})
    if rendering.as_:
        return json_response({
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": list_metadata(page),
            "items": [partial_metadata(obj) for obj in page.items],
        })
    return json_response(list_object(call.target, page))


async def _watch(call: Call) -> web.StreamResponse:
    rendering = negotiate(call.accept, _RENDERINGS)
    options = parse_watch_options(call.api, call.target, call.query)
    response = await start_stream(call.request, "application/json")
    async for type_, obj in watch_events(call.api, call.target, options):
        line = encode({"type": type_, "object": _watched(call, rendering, type_, obj)})
        await response.write(line + b"\n")
    await response.write_eof()
    return response


async def _create(call: Call) -> web.StreamResponse:
    negotiate(call.accept, _RENDERINGS)
    obj = await call.read_object()
    created = create_object(call.api, call.target, obj, _write_options(call))
    return json_response(created.obj, HTTPStatus.CREATED, created.warnings)


async def _update(call: Call) -> web.StreamResponse:
    negotiate(call.accept, _RENDERINGS)
    obj = await call.read_object()
    updated = replace_object(call.api, call.target, lambda _: obj, _write_options(call))
    return json_response(updated.obj, warnings=updated.warnings)


async def _patch(call: Call) -> web.StreamResponse:
    negotiate(call.accept, _RENDERINGS)
    edit = parse_patch(
        call.request.content_type, await call.request.read(), call.target.resource.schemaless
    )
    patched = replace_object(call.api, call.target, edit, _write_options(call))
    return json_response(patched.obj, warnings=patched.warnings)


def _write_options(call: Call) -> WriteOptions:
    strict = call.query.text("fieldValidation") == "Strict"
    return WriteOptions(dry_run=call.query.dry_run, strict=strict)


async def _delete(call: Call) -> web.StreamResponse:
    options = parse_delete_options(await call.request.read(), call.query)
    return json_response(delete_object(call.api, call.target, options))


async def _delete_collection(call: Call) -> web.StreamResponse:
    options = parse_delete_options(await call.request.read(), call.query)
    page = list_page(call.api, call.target, call.query)
    deleted = delete_collection(call.api, call.target, page.items, options)
    return json_response({**list_object(call.target, page), "items": deleted})


def _rendered(call: Call, rendering: Rendering, obj: Object) -> web.Response:
    if rendering.as_ == "Table":
        table = render_table(call.target.resource, [obj], call.api.now(), _includes(call))
        metadata = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return json_response({**table, "metadata": metadata})
    return json_response(partial_metadata(obj) if rendering.as_ else obj)


def _watched(call: Call, rendering: Rendering, type_: EventType, obj: Object) -> Object:
    if type_ == "ERROR" or not rendering.as_:
        return obj
    if rendering.as_ != "Table":
        return partial_metadata(obj)
    rows = [] if type_ == "BOOKMARK" else [obj]
    table = render_table(call.target.resource, rows, call.api.now(), _includes(call))
    return {**table, "metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}}


def _includes(call: Call) -> str:
    return call.query.text("includeObject", "Metadata")


_COLLECTION_VERBS: Mapping[str, Verb] = {
    "GET": _list,
    "POST": _create,
    "DELETE": _delete_collection,
}
_OBJECT_VERBS: Mapping[str, Verb] = {
    "GET": _get,
    "PUT": _update,
    "PATCH": _patch,
    "DELETE": _delete,
}
_STATUS_VERBS: Mapping[str, Verb] = {"GET": _get, "PUT": _update, "PATCH": _patch}
