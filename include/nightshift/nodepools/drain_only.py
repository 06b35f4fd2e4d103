"""``drain_only``: cordon and evict, nothing else.

The nodes stay and still cost money, unless an autoscaler of the cluster takes empty nodes away; the
diff says so. It works on every cluster and needs no permission beyond those of draining.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nightshift.domain.capacity.targets import LiveTarget, Patch
from nightshift.errors import Invalid
from nightshift.nodepools.drivers import Capabilities, Tempo


@dataclass(frozen=True, slots=True)
class DrainOnly:
    """A pool that nobody resizes."""

    name: str

    @property
    def capabilities(self) -> Capabilities:
        """It removes nothing, so a pool may be emptied but never shrinks."""
        return Capabilities(
            victim_choice=False, self_drains=False, respects_pdb=True, zero_ok=True, per_zone=False
        )

    def get_state(self) -> LiveTarget | None:
        """There is nothing to set."""
        return None

    def set_bounds(self, patch: Patch) -> LiveTarget:
        """Refuse: there are no bounds."""
        raise self._cannot("set the bounds of")

    def set_target(self, count: int, token: str) -> None:
        """Refuse: there is nobody to ask for nodes."""
        raise self._cannot("resize")

    def remove(self, nodes: Sequence[str], token: str) -> None:
        """Refuse: emptied nodes stay until an autoscaler takes them."""
        raise self._cannot("remove nodes of")

    def wait(self, tempo: Tempo) -> None:
        """Nothing is ever under way."""

    def _cannot(self, what: str) -> Invalid:
        return Invalid(f"the driver drain_only cannot {what} the pool {self.name}")
