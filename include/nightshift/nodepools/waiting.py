"""How drivers wait for a cloud: look again and again, until it is done or the time is over."""

from collections.abc import Callable
from typing import TypeVar

from nightshift.errors import ClusterUnavailable, Conflict, RetryableError
from nightshift.nodepools.drivers import Tempo

T = TypeVar("T")


def wait_until(why_not_yet: Callable[[], str], tempo: Tempo, what: str) -> None:
    """Look until nothing is left to wait for; a cloud that is busy is asked again.

    :param why_not_yet: gives what is still to come, "" if nothing is.
    :param what: is waited for, for the message.
    :raises ClusterUnavailable: if it has not come at the timeout.
    """
    until = tempo.clock().timestamp() + tempo.timeout_seconds
    while True:
        pause = tempo.every_seconds
        try:
            why = why_not_yet()
        except RetryableError as error:
            why, pause = str(error), max(pause, error.retry_after_seconds or 0)
        if not why:
            return
        if tempo.clock().timestamp() >= until:
            raise ClusterUnavailable(f"{what} {why} after {tempo.timeout_seconds:.0f} s")
        tempo.sleep(pause)


def keep_trying(call: Callable[[], T], tempo: Tempo) -> T:
    """Make a call that is safe to repeat, again while the cloud is busy.

    :raises RetryableError: the last one, at the timeout; ``Conflict`` at once.
    """
    until = tempo.clock().timestamp() + tempo.timeout_seconds
    while True:
        try:
            return call()
        except Conflict:
            raise
        except RetryableError as error:
            if tempo.clock().timestamp() >= until:
                raise
            tempo.sleep(max(tempo.every_seconds, error.retry_after_seconds or 0))
