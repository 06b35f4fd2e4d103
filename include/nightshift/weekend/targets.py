"""Everything that can be lowered behind one door: objects of Kubernetes, node pools, Airflow's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from nightshift.cluster.client import Cluster
from nightshift.cluster.targets import patch_target, read_target
from nightshift.domain.capacity.targets import LiveTarget, ObjectKind, Patch, TargetId
from nightshift.errors import ConfigError, NotFound
from nightshift.nodepools.drivers import NodePoolDriver


class Targets(Protocol):
    """Reads and writes targets, whatever they are."""

    def read(self, target: TargetId) -> LiveTarget | None:
        """Read one target by its name; None if it is gone."""

    def patch(self, target: TargetId, patch: Patch) -> LiveTarget:
        """Write fields and annotations together.

        :raises Conflict: if it has changed since it was read; nothing was written.
        :raises NotFound: if it is gone.
        """


class AirflowPools(Protocol):
    """Airflow's pools; their leases are kept in their descriptions."""

    def read(self, name: str) -> LiveTarget | None:
        """Read one pool; None if there is none of that name."""

    def patch(self, name: str, patch: Patch) -> LiveTarget:
        """Write its slots and its description; see ``Targets.patch``."""


@dataclass(frozen=True, slots=True)
class AllTargets:
    """The targets of one cluster and one policy.

    :param pools: drivers by the policy's names of node pools.
    :param airflow: None where Airflow cannot be reached, as on a laptop with only a kubeconfig.
    """

    cluster: Cluster
    pools: Mapping[str, NodePoolDriver] = field(default_factory=lambda: MappingProxyType({}))
    airflow: AirflowPools | None = None

    def read(self, target: TargetId) -> LiveTarget | None:
        """Read one target by its name; None if it is gone."""
        match target.kind:
            case ObjectKind.NODE_POOL:
                return self._pool(target.name).get_state()
            case ObjectKind.AIRFLOW_POOL:
                return self._airflow(target).read(target.name)
            case _:
                return read_target(self.cluster, target)

    def patch(self, target: TargetId, patch: Patch) -> LiveTarget:
        """Write fields and annotations together; see ``Targets.patch``."""
        match target.kind:
            case ObjectKind.NODE_POOL:
                return self._pool(target.name).set_bounds(patch)
            case ObjectKind.AIRFLOW_POOL:
                return self._airflow(target).patch(target.name, patch)
            case _:
                return patch_target(self.cluster, target, patch)

    def _pool(self, name: str) -> NodePoolDriver:
        if name not in self.pools:
            raise NotFound(
                f"the policy has no node pool {name} any more: put it back into the policy until "
                "its lease has ended, or set its bounds by hand and close the lease"
            )
        return self.pools[name]

    def _airflow(self, target: TargetId) -> AirflowPools:
        if self.airflow is None:
            raise ConfigError(
                target.ref, "Airflow's API is not known here; set its connection, see the guide"
            )
        return self.airflow
