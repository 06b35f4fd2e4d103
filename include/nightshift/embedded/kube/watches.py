"""Watch: a stream of JSON lines, one for each change of what is selected.

Source: Kubernetes API concepts; KEP-956 (bookmarks), KEP-3157 (sendInitialEvents).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.conversions import to_served
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.lists import parse_selection, parse_version
from nightshift.embedded.kube.requests import Query, Target
from nightshift.embedded.kube.selectors import Selection
from nightshift.embedded.kube.subscriptions import Change, Subscription

BACKLOG_LIMIT = 10_000
"""Changes that a client may be behind before its watch ends with 410 Expired."""

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch.

    :param since: the version after which changes are sent; None starts with what exists.
    :param seconds: how long the stream lasts.
    """

    selection: Selection
    since: int | None
    seconds: float
    bookmarks: bool
    marks_initial_end: bool


def parse_watch_options(api: Api, target: Target, query: Query) -> WatchOptions:
    """Read a watch request.

    :raises StatusError: 400, 422.
    """
    marks_initial_end = query.flag("sendInitialEvents")
    if marks_initial_end and query.text("resourceVersionMatch") != "NotOlderThan":
        text = "Forbidden: sendInitialEvents requires resourceVersionMatch=NotOlderThan"
        cause = ("FieldValueForbidden", "sendInitialEvents", text)
        raise statuses.invalid("ListOptions", "meta.k8s.io", "", [cause])
    since = parse_version(query.text("resourceVersion"))
    seconds = query.integer("timeoutSeconds")
    return WatchOptions(
        selection=parse_selection(target, query),
        since=None if marks_initial_end else since,
        seconds=seconds or api.rng.uniform(*api.watch_seconds),
        bookmarks=query.flag("allowWatchBookmarks"),
        marks_initial_end=marks_initial_end,
    )


async def watch_events(
    api: Api, target: Target, options: WatchOptions
) -> AsyncIterator[tuple[EventType, Object]]:
    """Give what happens, as (type, object), until the time is over.

    History that is no longer kept ends the stream with an ERROR event of code 410, as in
    Kubernetes, where the answer itself is a 200.
    """
    kind = target.resource.stored_as
    try:
        subscription = api.store.subscribe(kind, options.since, limit=BACKLOG_LIMIT)
    except StatusError as error:
        yield "ERROR", statuses.status_object(error)
        return
    if options.since is None:
        version = api.store.resource_version
        for _ in range(subscription.ready):
            obj = (await anext(subscription)).object
            if options.selection.includes(obj):
                yield "ADDED", to_served(target.resource, obj)
        if options.marks_initial_end:
            yield "BOOKMARK", _bookmark(target, version, initial_end=True)
    deadline = asyncio.get_running_loop().time() + options.seconds
    async for change in _until(subscription, deadline, api.bookmark_seconds):
        event = _event(api, target, options, change)
        if event is not None:
            yield event


def _event(
    api: Api, target: Target, options: WatchOptions, change: Change | StatusError | None
) -> tuple[EventType, Object] | None:
    if isinstance(change, StatusError):
        return "ERROR", statuses.status_object(change)
    if change is None:
        version = api.store.resource_version
        return ("BOOKMARK", _bookmark(target, version)) if options.bookmarks else None
    selected = _select(options.selection, change)
    return selected and (selected[0], to_served(target.resource, selected[1]))


async def _until(
    subscription: Subscription, deadline: float, pause: float
) -> AsyncIterator[Change | StatusError | None]:
    """Give changes until the deadline; None every ``pause`` seconds, and an error as a value."""
    clock: Callable[[], float] = asyncio.get_running_loop().time
    next_pause = clock() + pause
    while clock() < deadline:
        try:
            async with asyncio.timeout_at(min(deadline, next_pause)):
                change = await anext(subscription)
        except TimeoutError:
            next_pause = clock() + pause
            yield None
        except StatusError as error:
            yield error
            return
        else:
            yield change


def _select(selection: Selection, change: Change) -> tuple[EventType, Object] | None:
    """Tell what a change means to someone who sees only what is selected."""
    now = change.type != "DELETED" and selection.includes(change.object)
    before = change.previous is not None and selection.includes(change.previous)
    if now:
        return ("MODIFIED" if before else "ADDED"), change.object
    return ("DELETED", change.object) if before else None


def _bookmark(target: Target, version: int, *, initial_end: bool = False) -> Object:
    metadata: Object = {"resourceVersion": str(version)}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return {
        "kind": target.resource.kind,
        "apiVersion": target.resource.api_version,
        "metadata": metadata,
    }
