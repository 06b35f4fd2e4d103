"""The CPU-to-memory ratio method: tells whether a batch is heavy in CPU or in memory.

    ratio = sum(CPU cores) / sum(memory bytes) * 4,000,000,000

1 is a common node, 4 cores to 16 GB (a GB is 10^9 bytes, a Gi is not). Below 1 a batch is
memory-heavy and free memory ranks the nodes, above 1 it is CPU-heavy and free CPU does. At
exactly 1 the method is silent; we rank by CPU.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from nightshift.domain.resources import Resources

_BYTES_PER_CORE = 4_000_000_000
_MILLIS = 1_000
_SHOWN_DECIMALS = 10


class Heaviness(StrEnum):
    """Which resource a batch runs out of first."""

    CPU = "cpu-heavy"
    MEMORY = "memory-heavy"
    COMMON = "common"


@dataclass(frozen=True, slots=True)
class Ratio:
    """What the method says of a demand.

    :param value: exact; None when CPU but no memory is asked for (beyond any number).
    :param reason: one sentence for people; starts with ``no_requests`` if nothing is asked for.
    """

    value: Fraction | None
    heaviness: Heaviness
    reason: str

    @property
    def ranks_by(self) -> str:
        """The resource whose free amount ranks nodes: ``cpu`` or ``memory``."""
        return "memory" if self.heaviness is Heaviness.MEMORY else "cpu"


def compute_ratio(demand: Resources) -> Ratio:
    """Compute the ratio of a sum of effective requests.

    >>> compute_ratio(Resources(200, 2_000_000_000)).value
    Fraction(2, 5)
    """
    if not demand.memory_bytes:
        if not demand.cpu_millis:
            return Ratio(Fraction(1), Heaviness.COMMON, "no_requests: ranked by free cpu")
        reason = "no memory is asked for: cpu-heavy, ranked by free cpu"
        return Ratio(None, Heaviness.CPU, reason)
    value = Fraction(demand.cpu_millis * _BYTES_PER_CORE, demand.memory_bytes * _MILLIS)
    heaviness = _heaviness(value)
    ranked_by = "memory" if heaviness is Heaviness.MEMORY else "cpu"
    reason = f"ratio {format_ratio(value)}: {heaviness}, ranked by free {ranked_by}"
    return Ratio(value, heaviness, reason)


def format_ratio(value: Fraction) -> str:
    """Write a ratio with up to ten decimals, rounded half to even, without trailing zeros.

    >>> format_ratio(Fraction(4, 7)), format_ratio(Fraction(2))
    ('0.5714285714', '2')
    """
    whole, rest = divmod(round(value * 10**_SHOWN_DECIMALS), 10**_SHOWN_DECIMALS)
    return f"{whole}.{rest:0{_SHOWN_DECIMALS}d}".rstrip("0").rstrip(".")


def _heaviness(value: Fraction) -> Heaviness:
    if value == 1:
        return Heaviness.COMMON
    return Heaviness.MEMORY if value < 1 else Heaviness.CPU
