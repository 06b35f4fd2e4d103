"""Every lease that there is: the store's, and those that only their objects still know of.

With the store lost, annotations alone give all of them back; with both, the store's words win, as
annotations are open to whoever may edit the object.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from nightshift.domain.capacity.targets import LiveTarget, Patch
from nightshift.domain.leases.annotations import LEASE, lease_on, read_lease, strip_lease
from nightshift.domain.leases.records import Lease, LeaseId, LeaseState


@dataclass(frozen=True, slots=True)
class Collected:
    """What was found.

    :param leases: open ones, each once.
    :param rebuilt: those of them that the store did not know.
    :param stale: objects that carry a lease which has ended, as after ``kubectl rollout undo``.
    :param faults: annotations that cannot be believed, with the object and what to do.
    """

    leases: tuple[Lease, ...]
    rebuilt: frozenset[LeaseId] = frozenset()
    stale: tuple[LiveTarget, ...] = ()
    faults: tuple[str, ...] = ()


def collect_leases(
    stored: Iterable[Lease], targets: Sequence[LiveTarget], ended: Collection[str] = ()
) -> Collected:
    """Put the store's open leases and the annotations of all objects together.

    :param targets: of every kind that a lease can be on, nodes and pools included.
    :param ended: leases that the store knows to have ended; empty with the store lost.
    """
    leases = {one.id: one for one in stored if one.is_open}
    rebuilt: set[LeaseId] = set()
    stale, faults = [], []
    for live in targets:
        if LEASE not in live.annotations:
            continue
        name = lease_on(live)
        if name is not None and name in leases:
            leases[name] = _as_applied(leases[name])
        elif name is not None and name in ended:
            stale.append(live)
        else:
            try:
                found = read_lease(live)
            except ValueError as error:
                faults.append(str(error))
                continue
            if found is not None:
                leases[found.id] = found
                rebuilt.add(found.id)
    return Collected(tuple(leases.values()), frozenset(rebuilt), tuple(stale), tuple(faults))


def plan_strip(live: LiveTarget) -> Patch:
    """Take a lease that has ended off its object; no field is touched."""
    return Patch({}, strip_lease(live.annotations), live.resource_version, live.annotations[LEASE])


def _as_applied(lease: Lease) -> Lease:
    """Believe the object: the PATCH went through, though the row does not say so."""
    return replace(lease, state=LeaseState.APPLIED) if lease.state is LeaseState.INTENT else lease
