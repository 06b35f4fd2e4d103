"""How answers are written: which format a client takes, and JSON bodies.

JSON only. Beside plain objects there are the three renderings that kubectl and metadata clients
ask for in their Accept header: Table, PartialObjectMetadata(List) and APIGroupDiscoveryList.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object, StatusError

_JSON_TYPES = frozenset({"application/json", "application/*", "*/*"})
OFFERED = "application/json"
_STREAMING = web.RequestKey("nightshift.streaming", bool)


@dataclass(frozen=True, slots=True)
class Rendering:
    """What the client wants: ``as_`` is "", Table, PartialObjectMetadata .. in ``version``."""

    as_: str = ""
    group: str = ""
    version: str = ""


def negotiate(accept: str, offered: Mapping[str, str] | None = None) -> Rendering:
    """Choose the first format of an Accept header that is spoken here.

    :param offered: renderings and their versions, such as ``{"Table": "v1"}``.
    :raises StatusError: 406 when there is none.
    """
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        media_type, *parameters = (item.strip() for item in part.split(";"))
        if media_type.lower() not in _JSON_TYPES:
            continue
        options = dict(item.split("=", 1) for item in parameters if "=" in item)
        wanted = options.get("as", "")
        if not wanted:
            return Rendering()
        if (offered or {}).get(wanted) == options.get("v"):
            return Rendering(wanted, options.get("g", ""), options.get("v", ""))
    raise statuses.not_acceptable(OFFERED)


def encode(obj: object) -> bytes:
    """Write JSON as compactly as Kubernetes does."""
    return json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode()


def json_response(
    obj: object, code: int = HTTPStatus.OK, warnings: Sequence[str] = ()
) -> web.Response:
    """Answer with a JSON body, and with warnings that kubectl shows (RFC 7234, code 299)."""
    response = web.Response(body=encode(obj), status=code, content_type="application/json")
    for warning in warnings:
        response.headers.add("Warning", f"299 - {json.dumps(warning)}")
    return response


async def start_stream(request: web.Request, content_type: str) -> web.StreamResponse:
    """Start an answer that is written piece by piece; from now on no Status can be sent."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.enable_chunked_encoding()
    request[_STREAMING] = True
    await response.prepare(request)
    return response


def is_streaming(request: web.Request) -> bool:
    """Tell whether the answer has been started by ``start_stream``."""
    return _STREAMING in request


def error_response(error: StatusError) -> web.Response:
    """Answer with a Status object; with Retry-After where the client is to come back."""
    response = json_response(statuses.status_object(error), error.code)
    retry_after = error.details.get("retryAfterSeconds")
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def partial_metadata(obj: Object) -> Object:
    """Give only an object's metadata, as metadata clients ask for."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
