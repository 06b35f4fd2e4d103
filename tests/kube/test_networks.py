"""Addresses of a cluster, chosen beside those that the machine uses."""

import json
from ipaddress import IPv4Network
from itertools import combinations

import pytest

from tests.kube.errors import HarnessError
from tests.kube.networks import MOST_NODES, Network, choose_block, parse_routes

BLOCK = IPv4Network("10.80.0.0/16")


def test_subnets_of_a_block_never_overlap() -> None:
    network = Network(BLOCK)
    nodes = [network.node(number) for number in range(1, MOST_NODES + 1)]
    subnets = [node.pods for node in nodes] + [network.services, IPv4Network("10.80.0.0/24")]
    assert all(subnet.subnet_of(BLOCK) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))
    addresses = {network.host, *(node.address for node in nodes)}
    assert len(addresses) == MOST_NODES + 1
    assert all(address in IPv4Network("10.80.0.0/24") for address in addresses)


@pytest.mark.parametrize("number", [0, MOST_NODES + 1])
def test_numbers_that_do_not_fit_are_refused(number: int) -> None:
    with pytest.raises(HarnessError, match="1 to 100"):
        Network(BLOCK).node(number)


def test_a_block_is_kept_while_it_is_free_and_left_when_it_is_not() -> None:
    first = choose_block("abc123", [])
    assert choose_block("abc123", []) == first
    other = choose_block("abc123", [IPv4Network(f"{first.network_address}/24")])
    assert not other.overlaps(first)
    with pytest.raises(HarnessError, match="no free"):
        choose_block("abc123", [IPv4Network("10.0.0.0/8")])


def test_what_ip_prints_is_read() -> None:
    routes = [
        {"dst": "default", "gateway": "10.0.0.1"},
        {"dst": "10.9.0.0/16"},
        {"dst": "10.1.2.3"},
    ]
    addresses = [{"addr_info": [{"local": "10.7.1.5", "prefixlen": 24}]}, {"ifname": "no-address"}]
    taken = parse_routes(json.dumps(routes), json.dumps(addresses))
    assert taken == [IPv4Network(n) for n in ("10.9.0.0/16", "10.1.2.3/32", "10.7.1.0/24")]
    assert parse_routes("", "") == []
