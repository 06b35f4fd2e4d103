"""What a node pool driver can do, and what it says that it cannot.

The planner refuses what a driver cannot do safely: nodes are removed only where the driver removes
exactly those that were emptied.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from nightshift.clock import Clock
from nightshift.domain.capacity.snapshots import PoolFacts
from nightshift.domain.capacity.targets import LiveTarget, Patch


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a driver's pools can do.

    :param victim_choice: removes the nodes that we name, and no others.
    :param self_drains: evicts pods itself before it removes a node.
    :param respects_pdb: asks disruption budgets when it does.
    :param zero_ok: a pool may be empty.
    :param per_zone: its numbers count for each zone.
    """

    victim_choice: bool
    self_drains: bool
    respects_pdb: bool
    zero_ok: bool
    per_zone: bool


@dataclass(frozen=True, slots=True)
class Tempo:
    """How a driver waits; passed in, so that tests wait for nothing."""

    clock: Clock
    sleep: Callable[[float], None]
    timeout_seconds: float = 900.0
    every_seconds: float = 10.0


class NodePoolDriver(Protocol):
    """One pool of nodes."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def get_state(self) -> LiveTarget | None:
        """Read its bounds, and its tags as annotations; None if it has no bounds to set.

        :raises NotFound: if the pool itself is gone.
        """

    def set_bounds(self, patch: Patch) -> LiveTarget:
        """Write bounds and tags, if the pool is still as it was read.

        :raises Conflict: if it has changed since.
        """

    def set_target(self, count: int, token: str) -> None:
        """Ask for so many nodes.

        :param token: of the lease; a call that is sent twice counts once where the cloud knows it.
        """

    def remove(self, nodes: Sequence[str], token: str) -> None:
        """Remove exactly these nodes, which are empty.

        :param nodes: their names in Kubernetes.
        :raises PermanentError: if the driver cannot choose.
        """

    def wait(self, tempo: Tempo) -> None:
        """Wait until the pool's last change has been carried out.

        :raises RetryableError: if it has not at the timeout.
        """


def pool_facts(name: str, driver: NodePoolDriver) -> PoolFacts:
    """Read a pool for the planner."""
    can = driver.capabilities
    return PoolFacts(name, driver.get_state(), removes=can.victim_choice, zero_ok=can.zero_ok)
