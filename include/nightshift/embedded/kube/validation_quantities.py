"""Quantities as the API server stores them: in canonical form (``1000m`` is read back as ``1``).

Source: apimachinery/pkg/api/resource/quantity.go (CanonicalizeBytes), release 1.36.
"""

import math
from fractions import Fraction

from nightshift.domain.quantities import parse_quantity

_DECIMAL = {18: "E", 15: "P", 12: "T", 9: "G", 6: "M", 3: "k", 0: "", -3: "m"}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def canonical_quantity(value: str | int | float) -> str:
    """Write a quantity as Kubernetes does, keeping its family of suffixes.

    Finer than a thousandth is rounded up, as amounts of resources are.

    >>> [canonical_quantity(q) for q in ("1000m", "0.5", "1.5Gi", "1024Mi", 4000, "1e3")]
    ['1', '500m', '1536Mi', '1Gi', '4k', '1e3']

    :raises ValueError: if it is no quantity.
    """
    text = str(value)
    amount = parse_quantity(value)
    if text.endswith("i"):
        return _binary(amount)
    if text[-1:].isdigit() and ("e" in text.lower()):
        return _decimal(amount, exponent=True)
    return _decimal(amount)


def _decimal(amount: Fraction, *, exponent: bool = False) -> str:
    if not amount:
        return "0"
    for power, suffix in _DECIMAL.items():
        scaled = amount / Fraction(10) ** power
        if scaled.denominator == 1:
            ending = f"e{power}" if exponent and power else ("" if exponent else suffix)
            return f"{scaled.numerator}{ending}"
    milli = math.ceil(abs(amount) * 1000)
    return _decimal(Fraction(milli if amount > 0 else -milli, 1000), exponent=exponent)


def _binary(amount: Fraction) -> str:
    if abs(amount) < 1024 or amount.denominator != 1:
        return _decimal(amount)
    whole, power = amount.numerator, 0
    while whole % 1024 == 0 and power < len(_BINARY) - 1:
        whole, power = whole // 1024, power + 1
    return f"{whole}{_BINARY[power]}"
