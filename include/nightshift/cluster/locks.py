"""One hand on the cluster's capacity at a time: a Kubernetes Lease as the lock.

Source: client-go's leader election: who holds a Lease renews it; one that was not renewed for its
duration may be taken. All writes carry the resourceVersion, so of two takers one gets a Conflict.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nightshift.clock import Clock
from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.objects import parse_time
from nightshift.errors import Conflict, NotFound

_GROUP = "apis/coordination.k8s.io/v1"
HELD_FOR = dt.timedelta(minutes=2)
"""After so long without a renewal a holder counts as dead; a beat comes at least every minute."""


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
        _write(self, _read(self))

    def release(self) -> None:
        """Give the lock up; nothing if it is not ours any more."""
        there = _read(self)
        if there is not None and _holder(there) == self.holder:
            body = {"metadata": _version(there), "spec": {"holderIdentity": ""}}
            self.cluster.patch(_path(self), body)


@contextmanager
def hold_lock(cluster: Cluster, name: str, holder: str, clock: Clock) -> Iterator[Lock]:
    """Hold the lock for a block.

    :raises Conflict: if somebody holds it; the text says who and since when.
    """
    lock = Lock(cluster, name, holder, clock)
    _write(lock, _read(lock))
    try:
        yield lock
    finally:
        lock.release()


def _write(lock: Lock, there: Object | None) -> None:
    now = lock.clock()
    spec = {
        "holderIdentity": lock.holder,
        "leaseDurationSeconds": int(HELD_FOR.total_seconds()),
        "renewTime": f"{now.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    if there is None:
        meta = {"name": lock.name, "namespace": lock.cluster.namespace}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta}
        lock.cluster.create(lock.cluster.path("leases", group=_GROUP), {**body, "spec": spec})
        return
    _refuse_if_held(lock, there, now)
    lock.cluster.patch(_path(lock), {"metadata": _version(there), "spec": spec})


def _refuse_if_held(lock: Lock, there: Object, now: dt.datetime) -> None:
    holder, renewed = _holder(there), _renewed(there)
    if holder in {"", lock.holder} or renewed is None or now - renewed > HELD_FOR:
        return
    raise Conflict(
        f"{holder} is changing capacity (the Lease {lock.cluster.namespace}/{lock.name} was "
        f"renewed {(now - renewed).total_seconds():.0f} s ago); wait until it has ended",
        retry_after_seconds=HELD_FOR.total_seconds(),
    )


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
