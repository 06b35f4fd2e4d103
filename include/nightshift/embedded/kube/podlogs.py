"""GET .../log: the log of one container, at once or as it grows."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import web

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.calls import Call
from nightshift.embedded.kube.interfaces import LogOptions, Object
from nightshift.embedded.kube.requests import Query
from nightshift.embedded.kube.responses import start_stream
from nightshift.embedded.kube.validation_faults import NEGATIVE, Faults

FIRST_LINE_SECONDS = 0.2
"""How long a followed log may stay silent before the answer starts without a line."""


async def stream_log(call: Call) -> web.StreamResponse:
    """Answer with a container's log; nothing for a pod that has no node yet, as in Kubernetes.

    :raises StatusError: 400 while the container waits, or for an unknown one; 404.
    """
    pod = call.api.store.get(*call.target.place)
    options = parse_log_options(pod, call.query)
    if not (pod.get("spec") or {}).get("nodeName"):
        return web.Response(status=HTTPStatus.NO_CONTENT)
    if call.api.runtime is None:
        raise statuses.service_unavailable("this cluster runs no pods")
    return await _send(call, call.api.runtime.logs(pod, options))


async def _send(call: Call, lines: AsyncIterator[bytes]) -> web.StreamResponse:
    first: asyncio.Future[bytes | None] = asyncio.ensure_future(_next(lines))
    try:
        # a refusal must come before the headers, but the headers must not wait for the first line
        await asyncio.wait({first}, timeout=FIRST_LINE_SECONDS)
        if first.done():
            first.result()
        response = await start_stream(call.request, "text/plain; charset=utf-8")
        chunk = await first
        while chunk is not None:
            await response.write(chunk)
            chunk = await _next(lines)
        await response.write_eof()
    finally:
        first.cancel()
    return response


async def _next(lines: AsyncIterator[bytes]) -> bytes | None:
    return await anext(lines, None)


def parse_log_options(pod: Object, query: Query) -> LogOptions:
    """Read the query of a log request.

    :raises StatusError: 400 for an unknown or ambiguous container, or what is no number; 422 for a
        number out of its range.
    """
    _check_ranges(pod, query)
    return LogOptions(
        container=choose_container(pod, query.text("container")),
        follow=query.flag("follow"),
        timestamps=query.flag("timestamps"),
        since_seconds=query.integer("sinceSeconds"),
        since_time=query.text("sinceTime") or None,
        tail_lines=query.integer("tailLines"),
        limit_bytes=query.integer("limitBytes"),
        previous=query.flag("previous"),
    )


def _check_ranges(pod: Object, query: Query) -> None:
    faults = Faults()
    for name, least, text in (
        ("tailLines", 0, NEGATIVE),
        ("limitBytes", 1, "must be greater than 0"),
        ("sinceSeconds", 1, "must be greater than 0"),
    ):
        given = _whole(query.text(name))
        if given is not None and given < least:
            faults.invalid(name, given, text)
    if query.text("sinceSeconds") and query.text("sinceTime"):
        faults.forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    if error := faults.error("PodLogOptions", "", pod["metadata"]["name"]):
        raise error


def _whole(text: str) -> int | None:
    """Read a whole number of any sign; what is none is left to who reads the option."""
    try:
        return int(text)
    except ValueError:
        return None


def choose_container(pod: Object, asked: str) -> str:
    """Find the container that is meant; without a name, the only one.

    :raises StatusError: 400.
    """
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    regular: list[str] = [container["name"] for container in spec.get("containers") or []]
    initial = [container["name"] for container in spec.get("initContainers") or []]
    if asked:
        if asked not in (*regular, *initial):
            raise statuses.bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(regular) == 1:
        return regular[0]
    choices = " ".join(regular)
    message = f"a container name must be specified for pod {name}, choose one of: [{choices}]"
    if initial:
        message += f" or one of the init containers: [{' '.join(initial)}]"
    raise statuses.bad_request(message)
