"""Waiting longer after each failure: CrashLoopBackOff and ImagePullBackOff."""

from dataclasses import dataclass

from nightshift.embedded.kube.kubelet.options import Patience


@dataclass(slots=True)
class Backoff:
    """Doubling waits.

    :param next_seconds: the coming wait.
    """

    patience: Patience
    next_seconds: float

    def take(self) -> float:
        """Return the wait that is due, and double the one after it."""
        due = self.next_seconds
        doubled = max(self.patience.backoff, 2 * due)
        self.next_seconds = min(doubled, self.patience.backoff_most)
        return due

    def forget_after(self, ran_seconds: float, first: float) -> None:
        """Begin again with ``first`` if the last run was long enough."""
        if ran_seconds > 2 * self.patience.backoff_most:
            self.next_seconds = first


def format_seconds(seconds: float) -> str:
    """Write a wait as Go does for whole seconds: 10s, 1m20s, 5m0s.

    >>> format_seconds(10), format_seconds(80), format_seconds(300), format_seconds(0.5)
    ('10s', '1m20s', '5m0s', '500ms')
    """
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
