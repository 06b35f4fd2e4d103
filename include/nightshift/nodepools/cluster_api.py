"""``cluster_api``: a MachineDeployment of the Cluster API (cluster.x-k8s.io).

A node is removed by marking its Machine and lowering ``spec.replicas`` by one, in that order, so
that the MachineSet takes exactly this one. Where the cluster's autoscaler fills the pool, its
bounds are the annotations ``cluster-api-autoscaler-node-group-{min,max}-size``.

Permissions on the management cluster, in the MachineDeployment's namespace: get and patch
machinedeployments.cluster.x-k8s.io; list and patch machines.cluster.x-k8s.io.

A MachineDeployment that a ClusterClass manages belongs to its Cluster and is left alone: whatever
is set here, the topology controller puts back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.objects import read_object
from nightshift.domain.capacity.targets import (
    OUR_MANAGER,
    FieldName,
    FieldValue,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Owner,
    Patch,
    TargetId,
)
from nightshift.domain.kubejson import as_int, as_mapping, as_strings
from nightshift.errors import Conflict, Invalid
from nightshift.nodepools.drivers import Capabilities, Tempo
from nightshift.nodepools.waiting import wait_until

GROUP = "cluster.x-k8s.io"
DELETE_MARK = f"{GROUP}/delete-machine"
MIN_SIZE = f"{GROUP}/cluster-api-autoscaler-node-group-min-size"
MAX_SIZE = f"{GROUP}/cluster-api-autoscaler-node-group-max-size"
REMOVED = "nightshift/removed"
"""On the MachineDeployment: the Machines that we have removed, so that none is counted twice."""
_DEPLOYMENT_LABEL = f"{GROUP}/deployment-name"
_TOPOLOGY_LABEL = "topology.cluster.x-k8s.io/owned"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class ClusterApiPool:
    """One MachineDeployment.

    :param name: of the pool in the policy.
    :param cluster: the management cluster.
    """

    name: str
    cluster: Cluster
    namespace: str
    deployment: str

    @property
    def capabilities(self) -> Capabilities:
        """Marked Machines go first; the controller drains them too, and asks disruption budgets."""
        return Capabilities(
            victim_choice=True, self_drains=True, respects_pdb=True, zero_ok=True, per_zone=False
        )

    def get_state(self) -> LiveTarget | None:
        """Read the MachineDeployment.

        :raises NotFound: if it, or the Cluster API, is not there.
        """
        return read_object(self.cluster, self._read(), self._parse)

    def set_bounds(self, patch: Patch) -> LiveTarget:
        """Write bounds and annotations in one PATCH."""
        annotations: dict[str, str | None] = dict(patch.annotations)
        for name, key in ((FieldName.MIN_NODES, MIN_SIZE), (FieldName.MAX_NODES, MAX_SIZE)):
            if name in patch.fields:
                annotations[key] = str(patch.fields[name])
        body: Object = {"metadata": {"resourceVersion": patch.resource_version}}
        body["metadata"]["annotations"] = annotations
        if FieldName.TARGET_NODES in patch.fields:
            body["spec"] = {"replicas": patch.fields[FieldName.TARGET_NODES]}
        return read_object(self.cluster, self._patch(body), self._parse)

    def set_target(self, count: int, token: str) -> None:
        """Ask for so many Machines, through the scale subresource."""
        path = f"{self._path()}/scale"
        self.cluster.patch(path, {"spec": {"replicas": count}}, manager=OUR_MANAGER)

    def remove(self, nodes: Sequence[str], token: str) -> None:
        """Mark the Machines of these nodes and lower the replicas by as many; again is no change.

        :raises Conflict: while the MachineDeployment rolls out: a second MachineSet would not know
            of the marks.
        """
        machines = self._machines_of(nodes)
        for machine in machines:
            self._mark(machine, token)
        if machines:
            self._lower_replicas(machines)

    def wait(self, tempo: Tempo) -> None:
        """Wait until there are as many ready Machines as were asked for."""
        wait_until(self._why_busy, tempo, f"the node pool {self.name}")

    def _why_busy(self) -> str:
        obj = self._read()
        status = read_object(self.cluster, obj, self._parse).status
        wanted = as_int(as_mapping(obj.get("spec"), "spec").get("replicas"), "spec.replicas")
        if status.ready == status.replicas == wanted:
            return ""
        return f"has {status.ready} ready of {wanted} nodes"

    def _parse(self, obj: Object) -> LiveTarget:
        meta, spec, status = (as_mapping(obj.get(k), k) for k in ("metadata", "spec", "status"))
        labels = as_strings(meta.get("labels"), "metadata.labels")
        annotations = as_strings(meta.get("annotations"), "metadata.annotations")
        owned = _TOPOLOGY_LABEL in labels
        return LiveTarget(
            id=TargetId(ObjectKind.NODE_POOL, "", self.name),
            resource_version=str(meta.get("resourceVersion", "")),
            fields=self._fields(annotations, spec),
            labels=labels,
            annotations=annotations,
            owner=Owner("Cluster", labels.get(f"{GROUP}/cluster-name", "")) if owned else None,
            status=LiveStatus(
                replicas=as_int(status.get("replicas"), "status.replicas"),
                ready=as_int(status.get("readyReplicas"), "status.readyReplicas"),
                rolling_out=self._is_rolling_out(status),
            ),
        )

    def _fields(
        self, annotations: Mapping[str, str], spec: Mapping[str, Any]
    ) -> Mapping[FieldName, FieldValue]:
        """Give the bounds; a pool that nobody else fills has its replicas, which are its size."""
        replicas = as_int(spec.get("replicas"), "spec.replicas")
        if MIN_SIZE not in annotations and MAX_SIZE not in annotations:
            return {FieldName.TARGET_NODES: replicas}
        found: dict[FieldName, FieldValue] = {}
        for name, key in ((FieldName.MIN_NODES, MIN_SIZE), (FieldName.MAX_NODES, MAX_SIZE)):
            if key in annotations:
                if not annotations[key].isdecimal():
                    raise ValueError(f"metadata.annotations.{key}: expected a whole number")
                found[name] = int(annotations[key])
        return found

    def _is_rolling_out(self, status: Mapping[str, Any]) -> bool:
        updated = status.get("upToDateReplicas", status.get("updatedReplicas"))
        return updated is not None and updated != status.get("replicas", 0)

    def _machines_of(self, nodes: Sequence[str]) -> list[str]:
        """Find the Machines behind nodes; one that is being deleted already is left out."""
        wanted, found = set(nodes), []
        path = f"/{self._group()}/namespaces/{self.namespace}/machines"
        label = f"{_DEPLOYMENT_LABEL}={self.deployment}"
        for machine in self.cluster.iterate(path, labelSelector=label):
            meta, status = machine.get("metadata") or {}, machine.get("status") or {}
            node = (status.get("nodeRef") or {}).get("name")
            if node in wanted and "deletionTimestamp" not in meta:
                found.append(str(meta["name"]))
        return sorted(found)

    def _mark(self, machine: str, token: str) -> None:
        path = f"/{self._group()}/namespaces/{self.namespace}/machines/{machine}"
        body = {"metadata": {"annotations": {DELETE_MARK: token}}}
        self.cluster.patch(path, body, manager=OUR_MANAGER)

    def _lower_replicas(self, machines: Sequence[str]) -> None:
        """Lower the replicas by the Machines that were not counted yet, conditionally."""
        for _ in range(_TRIES):
            obj = self._read()
            live = read_object(self.cluster, obj, self._parse)
            if live.status.rolling_out:
                raise Conflict(f"the MachineDeployment {self.deployment} rolls out; wait for it")
            counted = [one for one in live.annotations.get(REMOVED, "").split(",") if one]
            fresh = [one for one in machines if one not in counted]
            if not fresh:
                return
            replicas = as_int((obj.get("spec") or {}).get("replicas"), "spec.replicas")
            if replicas < len(fresh):
                raise Invalid(f"{self.deployment} has only {replicas} replicas")
            body: Object = {
                "metadata": {
                    "resourceVersion": live.resource_version,
                    "annotations": {REMOVED: ",".join([*counted, *fresh][-100:])},
                },
                "spec": {"replicas": replicas - len(fresh)},
            }
            try:
                self._patch(body)
            except Conflict:
                continue
            return
        raise Conflict(f"the MachineDeployment {self.deployment} kept changing under us")

    def _read(self) -> Object:
        return self.cluster.get(self._path())

    def _patch(self, body: Object) -> Object:
        return self.cluster.patch(self._path(), body, manager=OUR_MANAGER)

    def _path(self) -> str:
        group, where = self._group(), f"namespaces/{self.namespace}/machinedeployments"
        return f"/{group}/{where}/{self.deployment}"

    def _group(self) -> str:
        """Give the API's path in the version that the server prefers."""
        found = self.cluster.get(f"/apis/{GROUP}")
        preferred = as_mapping(found.get("preferredVersion"), "preferredVersion")
        return f"apis/{GROUP}/{preferred.get('version', 'v1beta2')}"
