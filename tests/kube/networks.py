"""The network: one bridge for control plane and nodes, one cable a node, one pod subnet a node.

Node i has address <block>.0.(10+i) and pods in <block>.i.0/24; the host is <block>.0.1, which pods
reach through their node. Nodes route to each other's pods themselves, so that the host forwards
nothing and none of its settings change. There is no way out to the internet.
"""

import ipaddress
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from tests.kube.commands import run
from tests.kube.errors import HarnessError
from tests.kube.layout import Layout

MOST_NODES = 100
_CANDIDATES = tuple(IPv4Network((f"10.{second}.0.0", 16)) for second in range(64, 256))
_FIRST_NODE = 10
_LINKS = Path("/sys/class/net")
_REMOVE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class NodeNetwork:
    """A node's place in the network, counted from 1."""

    number: int
    address: IPv4Address
    pods: IPv4Network


@dataclass(frozen=True, slots=True)
class Network:
    """A /16 block, cut up."""

    block: IPv4Network

    @property
    def host(self) -> IPv4Address:
        """The host on the bridge: the API server, and what tests serve to pods."""
        return self.block[1]

    @property
    def services(self) -> IPv4Network:
        """Virtual addresses of Services; nobody routes them, as there is no kube-proxy."""
        return IPv4Network((self.block[252 * 256], 22))

    def node(self, number: int) -> NodeNetwork:
        """Give node ``number``'s addresses.

        :raises HarnessError: for a number that does not fit.
        """
        if not 1 <= number <= MOST_NODES:
            raise HarnessError(f"a cluster has 1 to {MOST_NODES} nodes, not {number}")
        pods = IPv4Network((self.block[number * 256], 24))
        return NodeNetwork(number, self.block[_FIRST_NODE + number], pods)


def choose_block(identity: str, taken: Iterable[IPv4Network]) -> IPv4Network:
    """Choose the first free block, beginning at a place that the identity gives.

    :raises HarnessError: if the machine's routes cover all of them.
    """
    used = list(taken)
    start = int(identity, 16) % len(_CANDIDATES)
    for block in _CANDIDATES[start:] + _CANDIDATES[:start]:
        if not any(block.overlaps(other) for other in used):
            return block
    raise HarnessError("no free 10.x.0.0/16 for the cluster: the machine's routes cover them all")


def parse_routes(routes: str, addresses: str) -> list[IPv4Network]:
    """Read what ``ip -json route`` and ``ip -json address`` say is in use; default routes aside."""
    taken = [
        ipaddress.IPv4Network(route["dst"], strict=False)
        for route in json.loads(routes or "[]")
        if route["dst"] != "default"
    ]
    for link in json.loads(addresses or "[]"):
        for entry in link.get("addr_info", ()):
            text = f"{entry['local']}/{entry['prefixlen']}"
            taken.append(ipaddress.IPv4Network(text, strict=False))
    return taken


def create_bridge(layout: Layout) -> Network:
    """Choose a block and make the bridge; the caller holds the machine-wide lock.

    :raises HarnessError: if the bridge is there already, or ``ip`` refuses.
    """
    routes = run(["ip", "-json", "-4", "route", "show", "table", "all"], "read the routes")
    addresses = run(["ip", "-json", "-4", "address"], "read the addresses")
    network = Network(choose_block(layout.identity, parse_routes(routes, addresses)))
    bridge = layout.bridge
    _batch(
        [
            f"link add {bridge} type bridge",
            f"address add {network.host}/24 dev {bridge}",
            f"link set {bridge} up",
        ],
        "make the bridge",
    )
    return network


def connect_node(layout: Layout, network: Network, number: int, pid: int, nodes: int) -> None:
    """Connect a node's network namespace to the bridge, and route to the other nodes' pods.

    :param pid: a process in the namespace.
    :param nodes: how many nodes the cluster has.
    """
    node, link = network.node(number), layout.link(number)
    _batch(
        [
            f"link add {link} type veth peer name eth0 netns {pid}",
            f"link set {link} master {layout.bridge} up",
            f"route add {node.pods} via {node.address}",
        ],
        f"connect node {number}",
    )
    others = (network.node(other) for other in range(1, nodes + 1) if other != number)
    _batch(
        [
            "link set lo up",
            f"address add {node.address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {network.host}",
            *(f"route add {other.pods} via {other.address}" for other in others),
        ],
        f"set up the network of node {number}",
        inside=pid,
    )
    run(
        ["nsenter", f"--target={pid}", "--net", "tee", "/proc/sys/net/ipv4/ip_forward"],
        "let a node forward to its pods",
        stdin="1",
    )


def list_links(layout: Layout) -> list[str]:
    """List the cluster's bridge and cables as the kernel shows them."""
    cables = f"{layout.bridge}-"
    names = (link.name for link in _LINKS.iterdir()) if _LINKS.is_dir() else iter(())
    return sorted(name for name in names if name == layout.bridge or name.startswith(cables))


def remove_links(layout: Layout) -> None:
    """Remove the bridge, its routes and the cables.

    A cable also goes by itself, a moment after its node's namespace, so a refusal is asked again.

    :raises HarnessError: if one stays.
    """
    refusal = ""
    deadline = time.monotonic() + _REMOVE_SECONDS
    while links := list_links(layout):
        if time.monotonic() > deadline:
            raise HarnessError(f"the network device {links[0]} stays: {refusal}")
        try:
            run(["ip", "link", "delete", links[0]], f"remove {links[0]}")
        except HarnessError as error:
            refusal = str(error)
            time.sleep(0.05)


def _batch(lines: Sequence[str], what: str, *, inside: int | None = None) -> None:
    """Run several ``ip`` commands in one process, in a process's network namespace if given."""
    enter = [] if inside is None else ["nsenter", f"--target={inside}", "--net"]
    run([*enter, "ip", "-batch", "-"], what, stdin="\n".join(lines) + "\n")
