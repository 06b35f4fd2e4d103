"""What a node's parts are told."""

import tomllib
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests.kube.builds import Binaries
from tests.kube.layout import Layout
from tests.kube.networks import Network
from tests.kube.node_configs import (
    PAUSE_IMAGE,
    Node,
    cni_config,
    containerd_config,
    kubelet_config,
)

NETWORK = Network(IPv4Network("10.80.0.0/16"))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    binaries = Binaries(tmp_path / "bin", "v1.2.3", tmp_path / "etcd")
    layout = Layout.of(tmp_path / "data")
    return Node("node-2", NETWORK.node(2), layout, binaries, "https://10.80.0.1:1", NETWORK.host)


def test_containerd_pulls_nothing_and_finds_its_plugins(node: Node) -> None:
    config = tomllib.loads(containerd_config(node, "native", Path("/plugins")))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == f"docker.io/library/{PAUSE_IMAGE}"
    assert cri["cni"] == {"bin_dir": "/plugins", "conf_dir": str(node.folder / "cni")}
    assert cri["containerd"]["snapshotter"] == "native"
    assert not PAUSE_IMAGE.endswith(":latest"), "the kubelet would try to pull it"


def test_pods_get_addresses_of_their_nodes_subnet(node: Node) -> None:
    (plugin,) = cni_config(node)["plugins"]
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.80.2.0/24"}]]
    assert plugin["ipMasq"] is False, "a pod is seen by its own address"


def test_the_kubelet_serves_its_own_address_to_those_it_knows(node: Node) -> None:
    config = kubelet_config(node, "/cluster/node-2", Path("/ca.crt"))
    assert config["address"] == str(node.network.address) == "10.80.0.12"
    assert config["authentication"] == {
        "anonymous": {"enabled": False},
        "webhook": {"enabled": True},
        "x509": {"clientCAFile": "/ca.crt"},
    }
    assert config["authorization"] == {"mode": "Webhook"}
    assert (config["cgroupRoot"], config["readOnlyPort"]) == ("/cluster/node-2", 0)
