"""How often to look, and for how long: passed in, so that tests wait for nothing."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nightshift.clock import monotonic_seconds


@dataclass(frozen=True, slots=True)
class Pace:
    """A way to wait.

    :param timeout_seconds: when to give up.
    :param every_seconds: how long to sleep between two looks.
    """

    timeout_seconds: float
    every_seconds: float = 2.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = monotonic_seconds

    def looks(self) -> Iterator[float]:
        """Give the seconds that have passed, once a look; the last look is at the timeout."""
        start = self.monotonic()
        while (passed := self.monotonic() - start) < self.timeout_seconds:
            yield passed
            self.sleep(min(self.every_seconds, max(0.0, self.timeout_seconds - passed)))
        yield passed
