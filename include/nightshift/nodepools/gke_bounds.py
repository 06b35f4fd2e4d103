"""An autoscaler's bounds in GKE: for each zone, or in total; here always read as totals."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud.container_v1.types import NodePool, NodePoolAutoscaling


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a whole pool.

    :param per_zone: GKE has them for each of the ``zones``.
    """

    low: int
    high: int
    zones: int
    per_zone: bool

    def with_totals(self, low: int, high: int, *, again: bool) -> "Bounds":
        """Give new bounds, for each zone only if these are so and the new ones divide.

        :param again: they were for each zone once and are to be so again; what does not divide is
            rounded up: more capacity, not less.

        >>> Bounds(3, 9, 3, True).with_totals(1, 4, again=False)
        Bounds(low=1, high=4, zones=3, per_zone=False)
        >>> Bounds(1, 4, 3, False).with_totals(3, 10, again=True)
        Bounds(low=3, high=12, zones=3, per_zone=True)
        """
        if again:
            low, high = (-(-one // self.zones) * self.zones for one in (low, high))
            return Bounds(low, high, self.zones, per_zone=True)
        divides = low % self.zones == 0 and high % self.zones == 0
        return replace(self, low=low, high=high, per_zone=self.per_zone and divides)


def read_bounds(pool: "NodePool") -> Bounds:
    """Read the bounds of a pool with an autoscaler."""
    found, zones = pool.autoscaling, max(1, len(pool.locations))
    if found.total_max_node_count:
        return Bounds(found.total_min_node_count, found.total_max_node_count, zones, per_zone=False)
    return Bounds(found.min_node_count * zones, found.max_node_count * zones, zones, per_zone=True)


def write_bounds(pool: "NodePool", bounds: Bounds) -> "NodePoolAutoscaling":
    """Give the autoscaler's whole configuration with other bounds; it is written whole."""
    from google.cloud.container_v1.types import NodePoolAutoscaling

    now = pool.autoscaling
    made = NodePoolAutoscaling(
        enabled=True, autoprovisioned=now.autoprovisioned, location_policy=now.location_policy
    )
    if bounds.per_zone:
        made.min_node_count = bounds.low // bounds.zones
        made.max_node_count = bounds.high // bounds.zones
    else:
        made.total_min_node_count, made.total_max_node_count = bounds.low, bounds.high
    return made
