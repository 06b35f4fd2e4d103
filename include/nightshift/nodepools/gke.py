"""``gke``: a node pool of Google Kubernetes Engine. Needs the extra ``gke``.

Here all numbers are of the whole pool. GKE's own are either for each zone or ``total_*``, never
both: bounds for each zone become total ones where they do not divide by the zones, and what they
were is written down and put back when the lease ends. A pool without an autoscaler has the sum of
its instance groups' sizes.

A smaller size removes nodes at random, so emptied nodes go by name: their instances are deleted
from the managed instance group, which lowers its size, as the cluster's autoscaler does it.

Leases are in a ConfigMap of the cluster: to change the labels of a node pool recreates its nodes.
A lease is written before it lowers anything and taken away after everything is back, so that a
crash in between leaves a lease and never a lowered pool without one.

Permissions: container.clusters.get and update, container.operations.get;
compute.instanceGroupManagers.get and update; in Kubernetes what ``deploy/weekend`` gives.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    FieldValue,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Patch,
    TargetId,
)
from nightshift.domain.leases.annotations import LEASE
from nightshift.errors import Conflict, Invalid, PermanentError
from nightshift.nodepools.drivers import Capabilities, Tempo
from nightshift.nodepools.gke_bounds import Bounds, read_bounds, write_bounds
from nightshift.nodepools.google_errors import google_errors
from nightshift.nodepools.instance_groups import (
    TIMEOUT_SECONDS,
    Group,
    InstanceGroups,
    is_leaving,
)
from nightshift.nodepools.kube_nodes import count_ready, provider_of
from nightshift.nodepools.pool_notes import Notes, PoolNotes
from nightshift.nodepools.waiting import keep_trying, wait_until

if TYPE_CHECKING:
    from google.cloud.container_v1 import ClusterManagerClient
    from google.cloud.container_v1.types import NodePool, Operation

NODE_LABEL = "cloud.google.com/gke-nodepool"
PER_ZONE = "nightshift/gke-per-zone"
"""In the notes: the pool's bounds were for each zone before the lease."""
_BUSY = frozenset({"PROVISIONING", "RECONCILING"})
_USABLE = frozenset({"RUNNING", "RUNNING_WITH_ERROR"})


@dataclass(frozen=True, slots=True)
class GkePool:
    """One node pool.

    :param name: of the pool in the policy.
    :param kube: the cluster that the nodes are of.
    :param place: ``projects/<project>/locations/<location>``.
    :param cluster: the cluster's name in GKE, and ``pool`` the node pool's.
    :param tempo: how long Google's operations are waited for.
    """

    name: str
    kube: Cluster
    clusters: "ClusterManagerClient"
    groups: InstanceGroups
    place: str
    cluster: str
    pool: str
    tempo: Tempo

    @property
    def capabilities(self) -> Capabilities:
        """It deletes the instances that we name, and drains nothing when it does."""
        return Capabilities(
            victim_choice=True, self_drains=False, respects_pdb=False, zero_ok=True, per_zone=False
        )

    def get_state(self) -> LiveTarget | None:
        """Read the pool's bounds or size, and our notes.

        :raises NotFound: if there is no such node pool.
        """
        there = self._read()
        return self._parse(there, self._groups(there), self._notes.read())

    def set_bounds(self, patch: Patch) -> LiveTarget:
        """Write sizes and notes, if both are still as they were read.

        :raises ClusterUnavailable: if Google has not carried it out at the timeout.
        """
        there, notes = self._read(), self._notes.read()
        groups = self._groups(there)
        if self._parse(there, groups, notes).resource_version != patch.resource_version:
            raise Conflict(f"the node pool {self.pool} has changed since it was read")
        adds: dict[str, str | None] = {k: v for k, v in patch.annotations.items() if v is not None}
        removes: dict[str, str | None] = {k: v for k, v in patch.annotations.items() if v is None}
        bounds = self._bounds_after(there, groups, patch, notes)
        if bounds is not None and bounds.per_zone < read_bounds(there).per_zone:
            adds[PER_ZONE] = "true"
        elif LEASE in removes and PER_ZONE in notes.annotations:
            removes[PER_ZONE] = None
        count = self._count_after(there, groups, patch.fields)
        written = self._notes.write(notes, adds)
        try:
            self._resize(there, groups, bounds, count)
        except PermanentError:  # refused: nothing was lowered; else the next look writes it again
            self._notes.write(written, {key: notes.annotations.get(key) for key in adds})
            raise
        self._notes.write(written, removes)
        live = self.get_state()
        assert live is not None  # noqa: S101 - a pool that is there has a state
        return live

    def set_target(self, count: int, token: str) -> None:
        """Ask for so many nodes; only to have more: Google chooses which go."""
        there = self._read()
        groups = self._groups(there)
        asked = self._count_after(there, groups, {FieldName.TARGET_NODES: count})
        self._resize(there, groups, None, asked)

    def remove(self, nodes: Sequence[str], token: str) -> None:
        """Delete these nodes' instances and take their places away; again is no change."""
        for node in nodes:
            provider = provider_of(self.kube, node, "gce", NODE_LABEL, self.pool)
            if provider is None:
                continue
            _, zone, instance = (["", "", *provider.split("/")])[-3:]
            keep_trying(partial(self._delete, zone, instance, token), self.tempo)
            wait_until(
                partial(self._why_there, zone, instance),
                self.tempo,
                f"the instance {instance}, which Google was asked to delete,",
            )

    def wait(self, tempo: Tempo) -> None:
        """Wait until the pool and its instance groups have nothing left to do.

        :raises Invalid: if Google says that the pool is broken.
        """
        wait_until(self._why_busy, tempo, f"the node pool {self.pool}")

    @property
    def _notes(self) -> PoolNotes:
        return PoolNotes(self.kube, self.pool)

    @property
    def _path(self) -> str:
        return f"{self.place}/clusters/{self.cluster}/nodePools/{self.pool}"

    def _read(self) -> "NodePool":
        with google_errors(f"read the node pool {self.pool}"):
            return self.clusters.get_node_pool(name=self._path, retry=None, timeout=TIMEOUT_SECONDS)

    def _groups(self, there: "NodePool") -> list[Group]:
        return self.groups.read(there.instance_group_urls)

    def _parse(self, there: "NodePool", groups: Sequence[Group], notes: Notes) -> LiveTarget:
        size = sum(group.size for group in groups)
        fields: dict[FieldName, FieldValue] = {FieldName.TARGET_NODES: size}
        if there.autoscaling.enabled:
            bounds = read_bounds(there)
            fields = {FieldName.MIN_NODES: bounds.low, FieldName.MAX_NODES: bounds.high}
        return LiveTarget(
            id=TargetId(ObjectKind.NODE_POOL, "", self.name),
            resource_version=_digest(fields, notes),
            fields=fields,
            annotations=notes.annotations,
            status=LiveStatus(
                replicas=size,
                ready=count_ready(self.kube, NODE_LABEL, self.pool),
                rolling_out=there.status.name in _BUSY,
            ),
        )

    def _bounds_after(
        self, there: "NodePool", groups: Sequence[Group], patch: Patch, notes: Notes
    ) -> Bounds | None:
        """Give the bounds to write; None if they stay as they are."""
        names = {FieldName.MIN_NODES, FieldName.MAX_NODES}
        if not there.autoscaling.enabled:
            if names & set(patch.fields):
                raise Invalid(f"{self.pool} has no autoscaler, so it has no bounds; use its target")
            return None
        before = read_bounds(there)
        low = int(patch.fields.get(FieldName.MIN_NODES, before.low) or 0)
        high = int(patch.fields.get(FieldName.MAX_NODES, before.high) or 0)
        size = sum(group.size for group in groups)
        if low > high:
            raise Invalid(f"{self.pool}: the minimum {low} is above the maximum {high}")
        if high < size and FieldName.MAX_NODES in patch.fields:
            raise Invalid(f"{self.pool} has {size} nodes, above a maximum of {high}; drain first")
        ends = patch.annotations.get(LEASE, "") is None
        after = before.with_totals(low, high, again=ends and PER_ZONE in notes.annotations)
        return None if after == before else after

    def _count_after(
        self, there: "NodePool", groups: Sequence[Group], fields: Fields
    ) -> int | None:
        """Give the nodes of each zone to ask for, so that no zone loses one; None for no change."""
        if FieldName.TARGET_NODES not in fields:
            return None
        if there.autoscaling.enabled:
            raise Invalid(f"an autoscaler fills {self.pool}; its size is not ours to set")
        count, sizes = int(fields[FieldName.TARGET_NODES] or 0), [one.size for one in groups]
        if count < sum(sizes):
            raise Invalid("with fewer nodes Google would choose which go; drain and remove them")
        if count == sum(sizes):
            return None
        return max(-(-count // max(1, len(sizes))), *sizes)

    def _resize(
        self,
        there: "NodePool",
        groups: Sequence[Group],
        bounds: Bounds | None,
        zone_count: int | None,
    ) -> None:
        if bounds is not None:
            autoscaling = write_bounds(there, bounds)
            self._carry_out(
                lambda: self.clusters.set_node_pool_autoscaling(
                    request={"name": self._path, "autoscaling": autoscaling},
                    retry=None,
                    timeout=TIMEOUT_SECONDS,
                )
            )
        if zone_count is not None:
            self._carry_out(
                lambda: self.clusters.set_node_pool_size(
                    request={"name": self._path, "node_count": zone_count},
                    retry=None,
                    timeout=TIMEOUT_SECONDS,
                )
            )

    def _carry_out(self, call: "Callable[[], Operation]") -> None:
        """Begin an operation, again while another runs on the cluster, and wait for its end."""

        def begin() -> str:
            with google_errors(f"change the node pool {self.pool}"):
                return str(call().name)

        name = keep_trying(begin, self.tempo)
        wait_until(partial(self._why_running, name), self.tempo, f"Google's operation {name}")

    def _why_running(self, name: str) -> str:
        with google_errors(f"read the operation {name}"):
            found = self.clusters.get_operation(
                name=f"{self.place}/operations/{name}", retry=None, timeout=TIMEOUT_SECONDS
            )
        if found.status.name != "DONE":
            return f"is {found.status.name}"
        if found.error.code:
            raise Invalid(f"Google's operation {name} failed: {found.error.message}")
        return ""

    def _why_busy(self) -> str:
        there = self._read()
        if there.status.name in _BUSY:
            return f"is {there.status.name}"
        if there.status.name not in _USABLE:
            raise Invalid(f"the node pool {self.pool} says {there.status.name}; mend it in Google")
        moving = [group.name for group in self._groups(there) if not group.stable]
        return f"has instance groups that change: {', '.join(moving)}" if moving else ""

    def _delete(self, zone: str, instance: str, token: str) -> None:
        found = self.groups.find(self._groups(self._read()), zone, instance)
        if found is not None and not is_leaving(found[1]):
            self.groups.delete(found[0], instance, token)

    def _why_there(self, zone: str, instance: str) -> str:
        found = self.groups.find(self._groups(self._read()), zone, instance)
        return "" if found is None else f"is there: {found[1]}"


def _digest(fields: Mapping[FieldName, FieldValue], notes: Notes) -> str:
    text = json.dumps([dict(fields), dict(notes.annotations), notes.version], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
