"""Kubernetes quantities as exact numbers, and back.

The grammar is the one of ``apimachinery/pkg/api/resource/quantity.go``: a signed decimal number,
then ``n u m k M G T P E`` (powers of 1000), ``Ki Mi Gi Ti Pi Ei`` (powers of 1024) or a decimal
exponent (``1e3``, ``1E-3``). ``1E`` is exa, ``1E1`` is ten. Nothing becomes a float.

Deviation: Kubernetes rounds what is finer than a nano-unit up and caps binary amounts at 2^63 - 1;
we keep the exact value, and refuse amounts beyond 10^30, which no cluster has.
"""

import math
import re
from fractions import Fraction

_MAX_LENGTH = 64
_MAX_AMOUNT = 10**30
_MAX_EXPONENT = 40

_SCALES: dict[str, Fraction] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", 1)},
}
_BYTE_SUFFIXES = [(name, int(scale)) for name, scale in _SCALES.items() if scale > 1]

_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)"
    r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?[0-9]{1,4}))?",
    re.ASCII,
)


def parse_quantity(value: str | int | float) -> Fraction:
    """Read a quantity, exactly.

    :param value: text from the Kubernetes API, or a number from YAML or JSON. A float is read by
        its shortest decimal form, so that 0.1 is one tenth.
    :raises ValueError: with the text, if it is no quantity, too long or beyond 10^30.
    """
    text = _as_text(value)
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError(
            f"{_shown(text)} is not a Kubernetes quantity such as 500m, 2, 3.5G or 4Gi"
        )
    amount = Fraction(match["number"]) * _scale(match["suffix"], match["exponent"], text)
    if amount > _MAX_AMOUNT:
        raise ValueError(f"the quantity {_shown(text)} is beyond 10^30")
    return -amount if match["sign"] == "-" else amount


def cpu_millis(value: str | int | float) -> int:
    """Read CPU in thousandths of a core, rounded away from zero as Kubernetes does (0.1m is 1m).

    :raises ValueError: as parse_quantity.
    """
    return _round_away(parse_quantity(value) * 1000)


def memory_bytes(value: str | int | float) -> int:
    """Read an amount in whole units (bytes for memory, pieces for devices), rounded away from zero.

    :raises ValueError: as parse_quantity.
    """
    return _round_away(parse_quantity(value))


def format_cpu(millis: int) -> str:
    """Write CPU in canonical form: whole cores without a suffix, else thousandths with ``m``.

    >>> format_cpu(2000), format_cpu(1500)
    ('2', '1500m')
    """
    cores, rest = divmod(millis, 1000)
    return f"{millis}m" if rest else str(cores)


def format_bytes(amount: int) -> str:
    """Write bytes exactly, in the shortest form; where two are equally short the binary one.

    >>> format_bytes(4 * 1024**3), format_bytes(3_500_000_000), format_bytes(1025)
    ('4Gi', '3500M', '1025')
    """
    forms = [
        f"{amount // scale}{suffix}" for suffix, scale in _BYTE_SUFFIXES if amount % scale == 0
    ]
    if amount == 0 or not forms:
        return str(amount)
    return min(forms, key=lambda form: (len(form.removesuffix("i")), not form.endswith("i")))


def _as_text(value: str | int | float) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"a quantity is text or a number, not {type(value).__name__}")
    if isinstance(value, int) and abs(value) > _MAX_AMOUNT:
        raise ValueError("a quantity is at most 10^30")
    return str(value)


def _scale(suffix: str | None, exponent: str | None, text: str) -> Fraction:
    if exponent is None:
        return _SCALES[suffix or ""]
    power = int(exponent)
    if abs(power) > _MAX_EXPONENT:
        raise ValueError(f"the exponent of the quantity {_shown(text)} is beyond {_MAX_EXPONENT}")
    return Fraction(10) ** power


def _round_away(amount: Fraction) -> int:
    return math.ceil(amount) if amount > 0 else math.floor(amount)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]!r}.."
