"""Amounts of CPU, memory and other resources, exact."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of what a node has and a pod asks for.

    :param cpu_millis: CPU in thousandths of a core.
    :param memory_bytes: memory in bytes.
    :param extended: every other resource by its Kubernetes name (``nvidia.com/gpu``,
        ``ephemeral-storage``), in its base unit.
    """

    cpu_millis: int = 0
    memory_bytes: int = 0
    extended: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __add__(self, other: "Resources") -> "Resources":
        return _combine(self, other, lambda a, b: a + b)

    def __sub__(self, other: "Resources") -> "Resources":
        """May go below zero: a node can be over-committed, and we say so."""
        return _combine(self, other, lambda a, b: a - b)

    def at_least(self, other: "Resources") -> "Resources":
        """Take the larger amount of each resource."""
        return _combine(self, other, max)

    def fits_in(self, room: "Resources") -> bool:
        """Tell whether every amount that is asked for (above zero) is there in ``room``."""
        return all(asked <= 0 or asked <= room.get(name) for name, asked in self.items())

    def get(self, name: str) -> int:
        """Read one resource by its Kubernetes name: cpu in millis, memory in bytes; 0 if absent."""
        if name == "cpu":
            return self.cpu_millis
        if name == "memory":
            return self.memory_bytes
        return self.extended.get(name, 0)

    def items(self) -> Iterable[tuple[str, int]]:
        """List (name, amount), cpu and memory first, then the others by name."""
        yield "cpu", self.cpu_millis
        yield "memory", self.memory_bytes
        yield from sorted(self.extended.items())


def _combine(a: Resources, b: Resources, op: Callable[[int, int], int]) -> Resources:
    names = {*a.extended, *b.extended}
    return Resources(
        op(a.cpu_millis, b.cpu_millis),
        op(a.memory_bytes, b.memory_bytes),
        MappingProxyType({n: op(a.extended.get(n, 0), b.extended.get(n, 0)) for n in names}),
    )


def sum_resources(amounts: Iterable[Resources]) -> Resources:
    """Add amounts up; nothing at all is zero."""
    total = Resources()
    for amount in amounts:
        total += amount
    return total
