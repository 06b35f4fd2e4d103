"""Every object that carries a lease of ours, whatever the store knows: what annotations tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nightshift.cluster.client import Cluster
from nightshift.cluster.targets import KUBERNETES_KINDS, list_targets
from nightshift.domain.capacity.targets import LiveTarget
from nightshift.domain.leases.annotations import LEASE
from nightshift.domain.leases.collecting import Collected, collect_leases
from nightshift.domain.leases.records import Lease
from nightshift.errors import NightshiftError
from nightshift.nodepools.drivers import NodePoolDriver


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked through.

    :param unread: what could not be read, and why: a lease on it is not known.
    """

    targets: Sequence[LiveTarget]
    unread: tuple[str, ...] = ()
    leased: Mapping[str, LiveTarget] = field(default_factory=dict)


def find_leased(
    cluster: Cluster,
    drivers: Mapping[str, NodePoolDriver],
    others: Iterable[LiveTarget] = (),
) -> Found:
    """Read every object that a lease can be on, and keep those that carry one.

    A kind that may not be read is named; the others come back all the same.

    :param others: Airflow's pools, where they are known.
    """
    found: list[LiveTarget] = list(others)
    unread: list[str] = []
    for kind in KUBERNETES_KINDS:
        try:
            found.extend(list_targets(cluster, kind))
        except NightshiftError as error:
            unread.append(f"{kind}s: {error}")
    for name, driver in drivers.items():
        try:
            live = driver.get_state()
        except NightshiftError as error:
            unread.append(f"the node pool {name}: {error}")
            continue
        if live is not None:
            found.append(live)
    leased = [live for live in found if LEASE in live.annotations]
    return Found(leased, tuple(unread), {live.id.ref: live for live in leased})


def leases_by_annotations(found: Found) -> Collected:
    """Rebuild every lease from annotations alone, with the store lost."""
    return collect_leases((), found.targets)


def leases_of_policy(leases: Iterable[Lease], policy: str) -> list[Lease]:
    """Keep the leases of one policy; "" keeps all."""
    return [one for one in leases if policy in {"", one.window.partition("/")[0]}]
