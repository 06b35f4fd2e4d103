"""Faults in NetworkPolicies and Leases.

Source: pkg/apis/{networking,coordination}/validation, Kubernetes 1.36.
"""

import ipaddress

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_faults import NEGATIVE, Faults, in_range, items
from nightshift.embedded.kube.validation_selectors import check_selector

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_POLICY_TYPES = ("Ingress", "Egress")
_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_LAST_PORT = 65535

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_network_policy(faults: Faults, obj: Object) -> None:
    """Check a NetworkPolicy."""
    spec = obj.get("spec") or {}
    check_selector(faults, "spec.podSelector", spec.get("podSelector") or {})
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(items(spec, direction)):
            path = f"spec.{direction}[{index}]"
            for number, port in enumerate(items(rule, "ports")):
                _check_port(faults, f"{path}.ports[{number}]", port)
            for number, peer in enumerate(items(rule, peers)):
                _check_peer(faults, f"{path}.{peers}[{number}]", peer)
    for index, kind in enumerate(items(spec, "policyTypes")):
        if kind not in _POLICY_TYPES:
            faults.not_supported(f"spec.policyTypes[{index}]", kind, _POLICY_TYPES)


def check_lease(faults: Faults, obj: Object) -> None:
    """Check a Lease."""
    spec = obj.get("spec") or {}
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        faults.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    transitions = spec.get("leaseTransitions")
    if transitions is not None and transitions < 0:
        faults.invalid("spec.leaseTransitions", transitions, NEGATIVE)


def _check_port(faults: Faults, path: str, port: Object) -> None:
    protocol, number = port.get("protocol", "TCP"), port.get("port")
    if protocol not in _PROTOCOLS:
        faults.not_supported(f"{path}.protocol", protocol, _PROTOCOLS)
    if isinstance(number, int) and not 1 <= number <= _LAST_PORT:
        faults.invalid(f"{path}.port", number, in_range(1, _LAST_PORT))


def _check_peer(faults: Faults, path: str, peer: Object) -> None:
    block = peer.get("ipBlock")
    selectors = [name for name in ("podSelector", "namespaceSelector") if name in peer]
    if block is None and not selectors:
        faults.required(path, "must specify a peer")
    for name in selectors:
        check_selector(faults, f"{path}.{name}", peer[name] or {})
    if block is not None and selectors:
        faults.forbidden(path, "may not specify both ipBlock and another peer")
    elif block is not None:
        _check_block(faults, f"{path}.ipBlock", block)


def _check_block(faults: Faults, path: str, block: Object) -> None:
    network = _read_network(block.get("cidr"))
    if network is None:
        faults.invalid(f"{path}.cidr", block.get("cidr", ""), _CIDR)
    for index, text in enumerate(items(block, "except")):
        where, left_out = f"{path}.except[{index}]", _read_network(text)
        if left_out is None:
            faults.invalid(where, text, _CIDR)
        elif network is not None and not _is_strictly_inside(left_out, network):
            faults.invalid(where, text, "must be a strict subset of `cidr`")


def _read_network(text: object) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if isinstance(text, str) else None
    except ValueError:
        return None


def _is_strictly_inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner != outer and inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner != outer and inner.subnet_of(outer)
    return False
