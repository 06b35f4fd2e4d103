"""The pending brake: no new pod while too many wait, as they would only make the queue longer."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PendingBrake:
    """When to start no more pods.

    :param most: so many pending pods are enough.
    :param longest_seconds: one that has been pending for so long shows that there is no room.
    """

    most: int = 20
    longest_seconds: float = 300.0

    def engages(self, ages: Sequence[float]) -> bool:
        """Tell whether to stop, given for how many seconds each pending pod has waited."""
        return len(ages) >= self.most or max(ages, default=0.0) >= self.longest_seconds

    def holds(self, ages: Sequence[float], engaged_at: int) -> bool:
        """Tell whether to stay stopped: until half of the pods are gone that were pending then."""
        return 2 * len(ages) > engaged_at
