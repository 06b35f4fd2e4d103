"""Locks between processes; the kernel lets go when the holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kube.commands import Tell


@contextmanager
def locked(path: Path, waiting_for: str, tell: Tell) -> Iterator[None]:
    """Hold a lock file for the block; waits for another holder, and says so.

    :param waiting_for: what the other one does: "another build".
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            tell(f"waiting for {waiting_for} to end ({path})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
