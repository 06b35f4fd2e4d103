"""Readers of a kind's changes, each with a queue of its own."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object, WatchEvent

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class Change(NamedTuple):
    """One entry of a kind's history.

    :param previous: the object before, None when it was added; lets a selector tell an object
        that no longer matches from one that never did.
    """

    type: ChangeType
    object: Object
    previous: Object | None
    version: int


class Subscription:
    """An endless async iterator of one kind's changes; ``close`` ends it.

    :param backlog: what is to be read first.
    :param limit: end with 410 when the reader is this many more changes behind; None never does.
    """

    def __init__(self, backlog: Sequence[Change], limit: int | None = None) -> None:
        self._pending = deque(backlog)
        self._limit = None if limit is None else limit + len(backlog)
        self._behind = False
        self._closed = False
        self._wake = asyncio.Event()

    @property
    def ready(self) -> int:
        """How many changes wait to be read."""
        return len(self._pending)

    def push(self, change: Change) -> None:
        """Hand one change to the reader."""
        if self._limit is not None and len(self._pending) >= self._limit:
            self._behind = True
        else:
            self._pending.append(change)
        self._wake.set()

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self._wake.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Change:
        while not self._pending:
            if self._closed:
                raise StopAsyncIteration
            if self._behind:
                raise statuses.expired("the watch fell too far behind; list again")
            self._wake.clear()
            await self._wake.wait()
        return self._pending.popleft()


class Events:
    """A subscription as ``interfaces.WatchEvent``s; holds it alive."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> WatchEvent:
        change = await self._subscription.__anext__()
        return WatchEvent(change.type, change.object)
