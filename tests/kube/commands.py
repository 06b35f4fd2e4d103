"""Runs short commands; what they say is in the error when they fail."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kube.errors import HarnessError

Tell = Callable[[str], None]
"""Takes one line of progress."""

_TAIL_LINES = 15
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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


def run_in_foreground(
    argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> int:
    """Run a long command that prints for itself, and give its exit code.

    It has a session of its own and gets each signal that this process is told to end by, once; so
    it can end what it started, and this process waits for that before it ends anything itself.
    """
    with subprocess.Popen(
        [str(word) for word in argv], env=env, cwd=cwd, start_new_session=True
    ) as process:

        def pass_on(number: int, _: object) -> None:
            process.send_signal(number)

        before = {number: signal.signal(number, pass_on) for number in _ENDING}
        try:
            return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a closed terminal and SIGTERM end this process as Ctrl-C does, so that it cleans up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
