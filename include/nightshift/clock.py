"""The only clock. Everything else is handed ``now`` or a ``Clock``."""

import datetime as dt
import time
from collections.abc import Callable

Clock = Callable[[], dt.datetime]
"""Gives the current instant, always aware and in UTC."""


def utc_now() -> dt.datetime:
    """Read the system clock: aware, UTC."""
    return dt.datetime.now(dt.UTC)


def monotonic_seconds() -> float:
    """Read a clock that never jumps; only differences mean something. Unit: seconds."""
    return time.monotonic()
