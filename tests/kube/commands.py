"""Runs short commands; what they say is in the error when they fail."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.kube.errors import HarnessError

Tell = Callable[[str], None]
"""Takes one line of progress."""

_TAIL_LINES = 15


def run(
    argv: Sequence[str | Path],
    what: str,
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = 60,
) -> str:
    """Run a command to its end and give what it printed.

    :param what: its purpose, for the error: "set up the bridge".
    :raises HarnessError: if it is not there, fails or takes too long; with the end of its output.
    """
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            input=stdin,
            env=env,
            cwd=cwd,
            text=True,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise HarnessError(f"cannot {what}: {argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"cannot {what}: no end after {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        said = tail(f"{done.stdout}\n{done.stderr}")
        raise HarnessError(f"cannot {what} ({argv[0]} ended with {done.returncode}):\n{said}")
    return done.stdout


def tail(text: str, lines: int = _TAIL_LINES) -> str:
    """Give the last lines that are not empty."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def read_tail(file: Path, limit_bytes: int = 16_384) -> str:
    """Give the last lines of a log; a note if there is none."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - limit_bytes))
            return tail(stream.read().decode(errors="replace"))
    except OSError as error:
        return f"(no log: {error})"


def require_root(purpose: str) -> None:
    """Refuse to go on without root.

    :raises HarnessError: if this process is not root.
    """
    if os.geteuid() != 0:
        raise HarnessError(f"{purpose} needs root: run this as root (sudo), or use --fake")
