"""Free ports on an address, below those that the kernel gives to outgoing connections."""

import random
import socket
from ipaddress import IPv4Address

from tests.kube.errors import HarnessError

_RANGE = range(20_000, 32_000)  # Linux gives 32768 and up to connections by itself
_TRIES = 200


def choose_ports(address: IPv4Address, count: int) -> list[int]:
    """Choose ports on which nobody listens; at random, so that two starts rarely meet.

    :raises HarnessError: if none is found.
    """
    found: list[int] = []
    for port in random.sample(_RANGE, _TRIES):
        if len(found) == count:
            return found
        if _is_free(address, port):
            found.append(port)
    raise HarnessError(f"no {count} free ports on {address} in {_RANGE.start} to {_RANGE.stop}")


def _is_free(address: IPv4Address, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(address), port))
        except OSError:
            return False
        return True
