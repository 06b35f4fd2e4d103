"""Node and Lease objects of the nodes that a local cluster pretends to have."""

import datetime as dt
import platform

from nightshift.embedded.kube.discovery import VERSION
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.nodespecs import NodeSpec

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40


def node_object(spec: NodeSpec, now: dt.datetime) -> Object:
    """Build the Node that registers ``spec``: ready, with its addresses and its host name label."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    amounts = {
        "cpu": spec.cpu,
        "memory": spec.memory,
        "pods": str(spec.pods),
        "ephemeral-storage": "100Gi",
    }
    labels = {
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": _architecture(),
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": _architecture(),
    }
    node: Object = {
        "metadata": {"name": spec.name, "labels": {**labels, **spec.labels}},
        "spec": {},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": _conditions(stamp),
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": spec.name},
            ],
            "nodeInfo": _node_info(spec.name),
        },
    }
    if spec.taints:
        node["spec"]["taints"] = [
            {"key": t.key, "value": t.value, "effect": t.effect.value} for t in spec.taints
        ]
    if spec.unschedulable:
        node["spec"]["unschedulable"] = True
    return node


def _conditions(stamp: str) -> list[Object]:
    healthy = (
        ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID"),
        ("Ready", "True", "KubeletReady"),
    )
    return [
        {
            "type": type_,
            "status": status,
            "reason": reason,
            "message": "the local kubelet is running" if type_ == "Ready" else "none",
            "lastHeartbeatTime": stamp,
            "lastTransitionTime": stamp,
        }
        for type_, status, reason in healthy
    ]


def _node_info(name: str) -> Object:
    return {
        "machineID": name,
        "systemUUID": name,
        "bootID": name,
        "kernelVersion": platform.release(),
        "osImage": platform.system(),
        "containerRuntimeVersion": "processes://1",
        "kubeletVersion": VERSION["gitVersion"],
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": _architecture(),
    }


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def lease_object(name: str, now: dt.datetime) -> Object:
    """Build the Lease by which a node says that it is alive."""
    return {
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": micro_time(now),
        },
    }


def micro_time(now: dt.datetime) -> str:
    """Write a MicroTime: RFC 3339, UTC, with microseconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
