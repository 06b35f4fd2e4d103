"""Subresources with verbs of their own: log, exec, binding, eviction, scale, finalize."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus

from aiohttp import web

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.calls import Call
from nightshift.embedded.kube.evictions import evict_pod
from nightshift.embedded.kube.execs import run_command
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.patches import parse_patch
from nightshift.embedded.kube.podlogs import stream_log
from nightshift.embedded.kube.requests import Target, check_shape
from nightshift.embedded.kube.responses import json_response
from nightshift.embedded.kube.scales import scale_of, with_scale
from nightshift.embedded.kube.storage import timestamp
from nightshift.embedded.kube.writes import WriteOptions, replace_object

Verb = Callable[[Call], Awaitable[web.StreamResponse]]


async def answer(call: Call) -> web.StreamResponse:
    """Answer a request for a subresource other than status.

    :raises StatusError: whatever Kubernetes would answer instead.
    """
    verb = _VERBS.get((call.target.subresource, call.request.method))
    if verb is None:
        raise statuses.method_not_allowed()
    return await verb(call)


async def _bind(call: Call) -> web.StreamResponse:
    binding = await call.read_object()
    target = binding.get("target")
    node = target.get("name") if isinstance(target, dict) else None
    if not isinstance(node, str) or not node:
        raise statuses.bad_request("a binding needs target.name, the node")
    pod = call.api.store.get(*call.target.place)
    if (pod.get("spec") or {}).get("nodeName") or "deletionTimestamp" in pod["metadata"]:
        bound = (pod.get("spec") or {}).get("nodeName", "")
        why = f'pod {call.target.name} is already assigned to node "{bound}"'
        raise statuses.conflict("pods/binding", call.target.name, why)
    if not call.query.dry_run:
        call.api.store.mutate(*call.target.place, lambda obj: _assign(call, obj, node))
    return json_response(statuses.success(), HTTPStatus.CREATED)


def _assign(call: Call, pod: Object, node: str) -> None:
    pod["spec"]["nodeName"] = node
    status = pod.setdefault("status", {})
    status.pop("nominatedNodeName", None)
    condition = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(call.api.now),
    }
    others = [c for c in status.get("conditions", []) if c["type"] != "PodScheduled"]
    status["conditions"] = [*others, condition]


async def _evict(call: Call) -> web.StreamResponse:
    eviction = await call.read_object()
    answered = evict_pod(call.api, call.target, eviction, dry_run=call.query.dry_run)
    return json_response(answered, HTTPStatus.CREATED)


async def _get_scale(call: Call) -> web.StreamResponse:
    found = call.api.store.get(*call.target.place)
    return json_response(scale_of(call.target.resource, found))


async def _put_scale(call: Call) -> web.StreamResponse:
    scale = await call.read_object()
    return _write_scale(call, lambda _: scale)


async def _patch_scale(call: Call) -> web.StreamResponse:
    body = await call.request.read()
    return _write_scale(call, parse_patch(call.request.content_type, body, schemaless=False))


def _write_scale(call: Call, edit: Callable[[Object], Object]) -> web.StreamResponse:
    resource = call.target.resource

    def scaled(obj: Object) -> Object:
        return with_scale(resource, obj, check_shape(edit(scale_of(resource, obj))))

    whole: Target = replace(call.target, subresource="")
    options = WriteOptions(dry_run=call.query.dry_run)
    written = replace_object(call.api, whole, scaled, options)
    return json_response(scale_of(resource, written.obj))


async def _finalize_namespace(call: Call) -> web.StreamResponse:
    wanted = (await call.read_object()).get("spec") or {}

    def change(namespace: Object) -> None:
        namespace["spec"] = {
            **(namespace.get("spec") or {}),
            "finalizers": wanted.get("finalizers"),
        }

    return json_response(call.api.store.mutate(*call.target.place, change))


_VERBS: Mapping[tuple[str, str], Verb] = {
    ("log", "GET"): stream_log,
    ("exec", "GET"): run_command,
    ("exec", "POST"): run_command,
    ("binding", "POST"): _bind,
    ("eviction", "POST"): _evict,
    ("scale", "GET"): _get_scale,
    ("scale", "PUT"): _put_scale,
    ("scale", "PATCH"): _patch_scale,
    ("finalize", "PUT"): _finalize_namespace,
}
