"""What a node is, and what its containerd, CNI plugins and kubelet are told. Nothing is started."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from tests.kube.builds import Binaries
from tests.kube.layout import Layout
from tests.kube.networks import NodeNetwork

PAUSE_IMAGE = "nightshift-pause:1"
RUNTIME_SOCKET = "/run/containerd/containerd.sock"


@dataclass(frozen=True, slots=True)
class Node:
    """A node to start.

    :param api: the API server's URL.
    :param host: this machine on the bridge; also the DNS server that pods are told.
    """

    name: str
    network: NodeNetwork
    layout: Layout
    binaries: Binaries
    api: str
    host: IPv4Address

    @property
    def folder(self) -> Path:
        """The node's own directory."""
        return self.layout.node(self.name)


def containerd_config(node: Node, snapshotter: str, plugins: Path) -> str:
    """Write containerd's configuration (1.6 and later 1.x).

    :param plugins: the folder of the CNI plugins.

    ``restrict_oom_score_adj``: this process may lack the right to lower it (CAP_SYS_RESOURCE).
    """
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
address = "{RUNTIME_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/{PAUSE_IMAGE}"
restrict_oom_score_adj = true
disable_apparmor = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{node.folder / "cni"}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def cni_config(node: Node) -> dict[str, Any]:
    """Give pods an address of the node's subnet on a bridge inside the node."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": str(node.network.pods)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def kubelet_config(node: Node, cgroup: str, authority: Path) -> dict[str, object]:
    """Give the kubelet's configuration.

    Disk thresholds are low and images are never collected: the disk is this machine's, and an
    image that was imported cannot be pulled again.
    """
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(node.network.address),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{RUNTIME_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        "localStorageCapacityIsolation": False,
        "failSwapOn": False,
        "clusterDomain": "cluster.local",
        "clusterDNS": [str(node.host)],
        "readOnlyPort": 0,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "registerNode": True,
    }
