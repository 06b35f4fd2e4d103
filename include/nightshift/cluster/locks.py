"""One hand on the cluster's capacity at a time: a Kubernetes Lease as the lock.

Source: client-go's leader election: who holds a Lease renews it; one that was not seen to be
renewed for its duration may be taken. Two machines' clocks are never compared to take it: whoever
wants it watches it for that long on its own clock. All writes carry the resourceVersion, so of two
takers one gets a Conflict.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nightshift.clock import Clock
from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.objects import parse_time
from nightshift.errors import Conflict, NotFound

_GROUP = "apis/coordination.k8s.io/v1"
HELD_FOR = dt.timedelta(minutes=2)
"""So long without a renewal, as we saw it, a holder counts as dead; a beat comes every minute."""
_LOOK = dt.timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that we hold.

    :param holder: who we are: a Dag run, or a user and host.
    """

    cluster: Cluster
    name: str
    holder: str
    clock: Clock

    def renew(self) -> None:
        """Say that we are alive.

        :raises Conflict: if somebody else holds it by now: stop.
        """
        there = _read(self)
        if there is not None and _holder(there) not in {"", self.holder}:
            raise _held(self, there)
        _write(self, there)

    def release(self) -> None:
        """Give the lock up; nothing if it is not ours any more."""
        there = _read(self)
        if there is not None and _holder(there) == self.holder:
            body = {"metadata": _version(there), "spec": {"holderIdentity": ""}}
            self.cluster.patch(_path(self), body)


@contextmanager
def hold_lock(
    cluster: Cluster, name: str, holder: str, clock: Clock, sleep: Callable[[float], None]
) -> Iterator[Lock]:
    """Hold the lock for a block.

    Somebody's lock that looks fresh is refused at once, which is safe whatever the clocks say. One
    that looks old, or comes from the future, is watched first: up to HELD_FOR.

    :raises Conflict: if somebody holds it; the text says who.
    """
    lock = Lock(cluster, name, holder, clock)
    there = _read(lock)
    if there is not None and _holder(there) not in {"", holder}:
        there = _watch(lock, there, sleep)
    _write(lock, there)
    try:
        yield lock
    finally:
        lock.release()


def _watch(lock: Lock, there: Object, sleep: Callable[[float], None]) -> Object | None:
    """Give the Lease of a holder that is not seen to renew it.

    :raises Conflict: if the holder lives, or may.
    """
    began, first = lock.clock(), _record(there)
    renewed = _renewed(there)
    if renewed is not None and dt.timedelta(0) <= began - renewed <= HELD_FOR:
        raise _held(lock, there)
    while (left := HELD_FOR - (lock.clock() - began)) >= dt.timedelta(0):
        sleep(min(left + dt.timedelta(milliseconds=1), _LOOK).total_seconds())
        found = _read(lock)
        if found is None or _holder(found) in {"", lock.holder}:
            return found
        if _record(found) != first:
            raise _held(lock, found)
        there = found
    return there


def _write(lock: Lock, there: Object | None) -> None:
    spec = {
        "holderIdentity": lock.holder,
        "leaseDurationSeconds": int(HELD_FOR.total_seconds()),
        "renewTime": f"{lock.clock().astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    if there is None:
        meta = {"name": lock.name, "namespace": lock.cluster.namespace}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta}
        lock.cluster.create(lock.cluster.path("leases", group=_GROUP), {**body, "spec": spec})
        return
    lock.cluster.patch(_path(lock), {"metadata": _version(there), "spec": spec})


def _held(lock: Lock, there: Object) -> Conflict:
    return Conflict(
        f"{_holder(there)} is changing capacity and holds the Lease "
        f"{lock.cluster.namespace}/{lock.name}; wait until it has ended",
        retry_after_seconds=HELD_FOR.total_seconds(),
    )


def _record(obj: Object) -> tuple[str, object]:
    """Give what changes with every renewal and with every holder."""
    return _holder(obj), (obj.get("spec") or {}).get("renewTime")


def _read(lock: Lock) -> Object | None:
    try:
        return lock.cluster.get(_path(lock))
    except NotFound:
        return None


def _path(lock: Lock) -> str:
    return lock.cluster.path("leases", lock.name, group=_GROUP)


def _version(obj: Object) -> Object:
    return {"resourceVersion": obj["metadata"]["resourceVersion"]}


def _holder(obj: Object) -> str:
    return str((obj.get("spec") or {}).get("holderIdentity") or "")


def _renewed(obj: Object) -> dt.datetime | None:
    text = (obj.get("spec") or {}).get("renewTime")
    try:
        return parse_time(str(text)) if text else None
    except ValueError:
        return None  # nobody could have written that who keeps to the rules
