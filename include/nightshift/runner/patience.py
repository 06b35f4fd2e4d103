"""Waits for a database that restarts: tries a call again, with growing pauses, for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

from nightshift.errors import Conflict, StoreBusy

PATIENCE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 8.0

T = TypeVar("T")


class Patience:
    """How long to go on trying; each success fills it up again.

    :param clock: monotonic, in seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        seconds: float = PATIENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._sleep = sleep

    def call(self, act: Callable[[], T]) -> T:
        """Call ``act``, which is safe to call again, until it works or the time is over.

        :raises StoreBusy: or Conflict, the last one, when the time is over.
        """
        deadline = self._clock() + self._seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return act()
            except (StoreBusy, Conflict):
                if self._clock() + pause > deadline:
                    raise
            self._sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
