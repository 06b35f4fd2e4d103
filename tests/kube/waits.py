"""Waits with a deadline that say what was waited for."""

import time
from collections.abc import Callable

from tests.kube.errors import HarnessError

POLL_SECONDS = 0.1


def wait_for(
    what: str,
    held: Callable[[], bool],
    seconds: float,
    *,
    alive: Callable[[], None] = lambda: None,
    poll_seconds: float = POLL_SECONDS,
    explain: Callable[[], str] = lambda: "",
) -> None:
    """Wait until something holds.

    :param what: for the error: "the API server to be ready".
    :param alive: raises when waiting has become pointless, as when a process has ended.
    :param explain: asked at the deadline for what is known.
    :raises HarnessError: at the deadline.
    """
    deadline = time.monotonic() + seconds
    while not held():
        alive()
        if time.monotonic() > deadline:
            detail = explain()
            raise HarnessError(f"waited {seconds:.0f} s for {what}{': ' if detail else ''}{detail}")
        time.sleep(poll_seconds)
