"""What every step works with, and how it takes a server that is busy or gone for a while."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from nightshift.clock import Clock
from nightshift.domain.capacity.evictions import retry_wait_seconds
from nightshift.errors import Conflict, RetryableError
from nightshift.weekend.journals import Journal
from nightshift.weekend.targets import Targets

T = TypeVar("T")

PATIENCE = 8
"""Tries of one call; with the waits of a drain that is about three minutes."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a run works with; clock and sleep are passed in.

    :param pending: counts the pods that wait for a node now.
    """

    targets: Targets
    journal: Journal
    clock: Clock
    sleep: Callable[[float], None]
    pending: Callable[[], int] = lambda: 0

    def patiently(self, call: Callable[[], T]) -> T:
        """Make a call that changes nothing, again while the other side is busy.

        :raises RetryableError: the last one, when our patience ends.
        """
        for tries in range(PATIENCE - 1):
            try:
                return call()
            except Conflict:
                raise
            except RetryableError as error:
                self.pause(tries, error)
        return call()

    def pause(self, tries: int, error: RetryableError) -> None:
        """Wait before the next try: what the other side asked for, else longer each time."""
        self.journal.beat()
        self.sleep(retry_wait_seconds(tries, 0.5, error.retry_after_seconds))
