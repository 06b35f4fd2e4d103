"""What earlier runs have done, as far as a new plan has to know it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from nightshift.domain.capacity.targets import LiveTarget, ObjectKind, TargetId
from nightshift.domain.leases.records import Lease, LeaseId, parse_lease_id, target_digest
from nightshift.domain.leases.recoveries import has_open_lease


@dataclass(frozen=True, slots=True)
class Ledger:
    """The store's leases; empty is a first run, and then annotations alone tell of leases.

    :param open_leases: of any window and policy of this cluster.
    :param closed: leases that were given back.
    :param dropped: leases that were written down and never applied.
    :param first_run: no run of this policy has ever been applied.
    :param policy_changed: the policy's digest is not that of the last run that was applied.
    """

    open_leases: tuple[Lease, ...] = ()
    closed: frozenset[LeaseId] = frozenset()
    dropped: frozenset[LeaseId] = frozenset()
    first_run: bool = True
    policy_changed: bool = True
    _returned: frozenset[tuple[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = [parse_lease_id(one) for one in self.closed]
        found = frozenset((name.window, name.digest) for name in names)
        object.__setattr__(self, "_returned", found)

    def has_open_lease(self, live: LiveTarget) -> bool:
        """Tell whether an object is under a lease, by the store or by its annotations."""
        return has_open_lease(live, self.open_leases, frozenset({*self.closed, *self.dropped}))

    def was_returned(self, window: str, target: TargetId) -> bool:
        """Tell whether a target was lowered in a window and given back in it already."""
        return (window, target_digest(target)) in self._returned

    def last_order(self, window: str) -> int:
        """Give the highest place that this window's leases have; 0 without any.

        A second plan goes on from there, so that what it lowers comes back first.
        """
        return max(self._orders(window), default=0)

    def nodes_at_rest(self, window: str) -> int:
        """Count the nodes that this window has claimed and not given back."""
        return sum(
            one.target.kind is ObjectKind.NODE and one.window == window for one in self.open_leases
        )

    def _orders(self, window: str) -> Iterable[int]:
        for lease in self.open_leases:
            if lease.window == window:
                yield lease.order
        for name in map(parse_lease_id, (*self.closed, *self.dropped)):
            if name.window == window:
                yield name.order
