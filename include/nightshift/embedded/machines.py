"""A pretended cloud: a MachineDeployment's replicas become nodes of the local cluster.

It keeps the part of the Cluster API's contract that node pools rely on: marked Machines go first, a
Machine names its node, status counts. It drains nothing: whoever removes a node has emptied it.
Source: the Cluster API's MachineSet controller, release 1.10.
"""

from collections.abc import Iterable
from typing import Any

from nightshift.embedded.kube.cluster import LocalCluster
from nightshift.embedded.kube.nodeobjects import LEASE_NAMESPACE, lease_object, node_object
from nightshift.embedded.kube.nodespecs import NodeSpec

GROUP = "cluster.x-k8s.io"
DEPLOYMENTS, MACHINES = f"machinedeployments.{GROUP}", f"machines.{GROUP}"
DELETE_MARK = f"{GROUP}/delete-machine"
_LABEL = f"{GROUP}/deployment-name"
_LEASES = "leases.coordination.k8s.io"

Object = dict[str, Any]


def definitions(version: str = "v1beta2") -> list[Object]:
    """Give the CustomResourceDefinitions of both kinds."""
    return [
        _definition("machinedeployments", "MachineDeployment", version),
        _definition("machines", "Machine", version),
    ]


def machine_deployment(name: str, namespace: str, replicas: int, **annotations: str) -> Object:
    """Write a MachineDeployment whose Machines become nodes with the label ``pool=<name>``."""
    return {
        "apiVersion": f"{GROUP}/v1beta2",
        "kind": "MachineDeployment",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"replicas": replicas, "clusterName": "local"},
    }


def run_machines(local: LocalCluster, node: NodeSpec) -> None:
    """Take every MachineDeployment one step nearer to its replicas; call it again and again.

    :param node: what a new Machine becomes; its name and labels are replaced.
    """
    for deployment in list(local.store.list(DEPLOYMENTS)):
        meta = deployment["metadata"]
        machines = [
            one
            for one in local.store.list(MACHINES, meta["namespace"])
            if one["metadata"]["labels"].get(_LABEL) == meta["name"]
        ]
        wanted = int(deployment["spec"].get("replicas", 1))
        for machine in sorted(machines, key=_goes_first)[: max(0, len(machines) - wanted)]:
            _remove(local, machine)
        taken = {one["metadata"]["name"] for one in machines}
        for name in _free_names(meta["name"], taken, wanted - len(machines)):
            _add(local, deployment, name, node)
        _count(local, deployment, wanted)


def _definition(plural: str, kind: str, version: str) -> Object:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    served = {"name": version, "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"plural": plural, "kind": kind},
            "scope": "Namespaced",
            "versions": [{**served, "subresources": {"status": {}, "scale": scale}}],
        },
    }


def _goes_first(machine: Object) -> tuple[bool, str]:
    marked = DELETE_MARK in (machine["metadata"].get("annotations") or {})
    return not marked, machine["metadata"]["name"]


def _free_names(prefix: str, taken: set[str], count: int) -> Iterable[str]:
    serial = 0
    while count > 0:
        serial += 1
        name = f"{prefix}-{serial}"
        if name not in taken:
            count -= 1
            yield name


def _add(local: LocalCluster, deployment: Object, name: str, node: NodeSpec) -> None:
    meta, now = deployment["metadata"], local.options.clock()
    labels = {**node.labels, "pool": meta["name"]}
    spec = NodeSpec(name, node.cpu, node.memory, labels=labels)
    local.store.create("nodes", node_object(spec, now))
    local.store.create(_LEASES, lease_object(name, now))
    machine = {
        "apiVersion": deployment["apiVersion"],
        "kind": "Machine",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": {_LABEL: meta["name"]},
        },
        "spec": {"clusterName": "local"},
        "status": {"nodeRef": {"name": name}, "phase": "Running"},
    }
    local.store.create(MACHINES, machine)


def _remove(local: LocalCluster, machine: Object) -> None:
    meta = machine["metadata"]
    name = machine["status"]["nodeRef"]["name"]
    for key, namespace in (("nodes", ""), (_LEASES, LEASE_NAMESPACE)):
        if local.store.find(key, name, namespace) is not None:
            local.store.delete(key, name, namespace)
    local.store.delete(MACHINES, meta["name"], meta["namespace"])


def _count(local: LocalCluster, deployment: Object, wanted: int) -> None:
    meta = deployment["metadata"]
    names = ("replicas", "readyReplicas", "upToDateReplicas")
    status = dict.fromkeys(names, wanted)
    if deployment.get("status") != status:

        def change(obj: Object) -> None:
            obj["status"] = status

        local.store.mutate(DEPLOYMENTS, meta["name"], meta["namespace"], change)
