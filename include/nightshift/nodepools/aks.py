"""``aks``: an agent pool of Azure Kubernetes Service. Needs the extra ``aks``.

An agent pool is written whole: it is read, changed and put back under its ETag, sizes and tags
together, so that a change in between is a conflict and nothing is written. A pool with an
autoscaler has its bounds, one without has its count. Lowering the count lets Azure choose which
nodes go, so emptied nodes go by name (``deleteMachines``), each with its place.

A tag's name takes no slash: ``nightshift/lease`` is the tag ``nightshift.lease``.

Permissions on the cluster: Microsoft.ContainerService/managedClusters/agentPools/read, write,
deleteMachines/action, and managedClusters/agentPools/machines/read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.targets import (
    FieldName,
    FieldValue,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Patch,
    TargetId,
)
from nightshift.errors import Conflict, Invalid, NotFound
from nightshift.nodepools.azure_errors import azure_errors
from nightshift.nodepools.drivers import Capabilities, Tempo
from nightshift.nodepools.kube_nodes import count_ready, provider_of
from nightshift.nodepools.waiting import keep_trying, wait_until

if TYPE_CHECKING:
    from azure.mgmt.containerservice import ContainerServiceClient
    from azure.mgmt.containerservice.models import AgentPool

NODE_LABEL = "kubernetes.azure.com/agentpool"
_PREFIX, _TAG_PREFIX = "nightshift/", "nightshift."
_MAX_TAG = 256
_SETTLED = frozenset({"Succeeded", "Failed", "Canceled"})


@dataclass(frozen=True, slots=True)
class AksPool:
    """One agent pool.

    :param name: of the pool in the policy.
    :param kube: the cluster that the nodes are of.
    :param group: the resource group of ``cluster``.
    :param pool: the agent pool.
    :param tempo: how long Azure's operations are waited for.
    """

    name: str
    kube: Cluster
    azure: "ContainerServiceClient"
    group: str
    cluster: str
    pool: str
    tempo: Tempo

    @property
    def capabilities(self) -> Capabilities:
        """It deletes the machines that we name; a system pool keeps a node. Asks Azure which it is.

        What a deletion does to pods is Azure's business; ours are empty by then.
        """
        user = self._properties(self._read()).mode != "System"
        return Capabilities(
            victim_choice=True, self_drains=False, respects_pdb=False, zero_ok=user, per_zone=False
        )

    def get_state(self) -> LiveTarget | None:
        """Read the agent pool's sizes and our tags.

        :raises NotFound: if there is no such agent pool.
        """
        return self._parse(self._read())

    def set_bounds(self, patch: Patch) -> LiveTarget:
        """Put the agent pool with sizes and tags changed, if it is still as it was read.

        :raises ClusterUnavailable: if Azure has not carried it out at the timeout.
        """
        there = self._read()
        if self._etag(there) != patch.resource_version:
            raise Conflict(f"the agent pool {self.pool} has changed since it was read")
        self._resize(there, patch.fields)
        self._tag(there, patch.annotations)
        self._put(there)
        return self._parse(self._read())

    def set_target(self, count: int, token: str) -> None:
        """Ask for so many nodes; only to have more: Azure chooses which go."""
        there = self._read()
        self._resize(there, {FieldName.TARGET_NODES: count})
        self._put(there)

    def remove(self, nodes: Sequence[str], token: str) -> None:
        """Delete these nodes' machines and take their places away; again is no change."""
        for node in nodes:
            if provider_of(self.kube, node, "azure", NODE_LABEL, self.pool) is not None:
                keep_trying(partial(self._delete, node), self.tempo)

    def wait(self, tempo: Tempo) -> None:
        """Wait until the agent pool's last operation has been carried out.

        :raises Invalid: if Azure says that it failed.
        """
        wait_until(self._why_busy, tempo, f"the agent pool {self.pool}")

    def _delete(self, machine: str) -> None:
        """Delete one machine; a node has its machine's name."""
        from azure.mgmt.containerservice.models import AgentPoolDeleteMachinesParameter

        self.wait(self.tempo)
        if self._is_gone(machine):
            return
        with azure_errors(f"delete the machine {machine}"):
            self.azure.agent_pools.begin_delete_machines(
                self.group,
                self.cluster,
                self.pool,
                AgentPoolDeleteMachinesParameter(machine_names=[machine]),
                polling=False,
            )
        self.wait(self.tempo)
        wait_until(
            lambda: "" if self._is_gone(machine) else "is there",
            self.tempo,
            f"the machine {machine}, which Azure was asked to delete,",
        )

    def _is_gone(self, machine: str) -> bool:
        try:
            with azure_errors(f"read the machine {machine}"):
                self.azure.machines.get(self.group, self.cluster, self.pool, machine)
        except NotFound:
            return True
        return False

    def _read(self) -> "AgentPool":
        with azure_errors(f"read the agent pool {self.pool}"):
            return self.azure.agent_pools.get(self.group, self.cluster, self.pool)

    def _put(self, there: "AgentPool") -> None:
        """Put the pool back and wait; again while Azure is busy: its ETag lets it count once."""
        found = self._properties(there)
        # Azure takes a node image that is named for a wish to go back to it
        found.node_image_version = found.status = None
        keep_trying(partial(self._put_once, there), self.tempo)
        self.wait(self.tempo)

    def _put_once(self, there: "AgentPool") -> None:
        from azure.core import MatchConditions

        with azure_errors(f"change the agent pool {self.pool}"):
            self.azure.agent_pools.begin_create_or_update(
                self.group,
                self.cluster,
                self.pool,
                there,
                etag=self._etag(there),
                match_condition=MatchConditions.IfNotModified,
                polling=False,
            )

    def _why_busy(self) -> str:
        found = self._properties(self._read())
        state = str(found.provisioning_state)
        if state not in _SETTLED:
            return f"is {state}"
        if state != "Succeeded":
            error = found.status.provisioning_error if found.status else None
            why = f": {error.message}" if error else ""
            raise Invalid(f"the agent pool {self.pool} says {state}{why}; mend it in Azure")
        return ""

    def _properties(self, pool: "AgentPool") -> Any:  # noqa: ANN401 - its model's name is 60 long
        if pool.properties is None:
            raise Invalid(f"Azure says nothing about the agent pool {self.pool}")
        return pool.properties

    def _etag(self, pool: "AgentPool") -> str:
        etag = self._properties(pool).e_tag
        if not etag:
            raise Invalid(f"Azure gives no ETag for the agent pool {self.pool}, so nothing is safe")
        return str(etag)

    def _parse(self, pool: "AgentPool") -> LiveTarget:
        found = self._properties(pool)
        sizes: dict[FieldName, FieldValue] = {FieldName.TARGET_NODES: found.count}
        if found.enable_auto_scaling:
            sizes = {FieldName.MIN_NODES: found.min_count, FieldName.MAX_NODES: found.max_count}
        return LiveTarget(
            id=TargetId(ObjectKind.NODE_POOL, "", self.name),
            resource_version=self._etag(pool),
            fields=sizes,
            annotations={
                _PREFIX + key.removeprefix(_TAG_PREFIX): str(value)
                for key, value in (found.tags or {}).items()
                if key.startswith(_TAG_PREFIX)
            },
            status=LiveStatus(
                replicas=int(found.count or 0),
                ready=count_ready(self.kube, NODE_LABEL, self.pool),
                rolling_out=found.provisioning_state not in _SETTLED,
            ),
        )

    def _resize(self, there: "AgentPool", fields: Mapping[FieldName, FieldValue]) -> None:
        found = self._properties(there)
        if FieldName.TARGET_NODES in fields:
            self._set_count(there, int(fields[FieldName.TARGET_NODES] or 0))
        if not {FieldName.MIN_NODES, FieldName.MAX_NODES} & set(fields):
            return
        if not found.enable_auto_scaling:
            raise Invalid(f"{self.pool} has no autoscaler, so it has no bounds; give its target")
        low = int(fields.get(FieldName.MIN_NODES, found.min_count) or 0)
        high = int(fields.get(FieldName.MAX_NODES, found.max_count) or 0)
        least = 1 if found.mode == "System" else 0
        if low > high:
            raise Invalid(f"{self.pool}: the minimum {low} is above the maximum {high}")
        if low < least:
            raise Invalid(f"{self.pool} is a system pool: its minimum is at least {least}")
        if high < int(found.count or 0):
            raise Invalid(
                f"{self.pool} has more nodes than a maximum of {high}; drain them first: Azure "
                "would choose which go"
            )
        found.min_count, found.max_count = low, high
        found.count = max(int(found.count or 0), low)

    def _set_count(self, there: "AgentPool", count: int) -> None:
        found = self._properties(there)
        if found.enable_auto_scaling:
            raise Invalid(f"an autoscaler fills {self.pool}; its size is not ours to set")
        if count < int(found.count or 0):
            raise Invalid("with fewer nodes Azure would choose which go; drain and remove them")
        found.count = count

    def _tag(self, there: "AgentPool", annotations: Mapping[str, str | None]) -> None:
        found = self._properties(there)
        tags = dict(found.tags or {})
        for key, value in annotations.items():
            name = _TAG_PREFIX + key.removeprefix(_PREFIX)
            tags.pop(name, None)
            if value is None:
                continue
            if len(value) > _MAX_TAG:
                raise Invalid(f"the tag {name} would have {len(value)} characters; Azure takes 256")
            tags[name] = value
        found.tags = tags
