"""Running git: bounded in time and output, with all of its children ended at the end."""

import io
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from nightshift.domain.scans import Reason
from nightshift.git.commands import Git, build_environment
from nightshift.git.failures import GitFailure, build_failure, classify, redact

STDERR_BYTES = 16 * 1024
"""What is kept of the error output: its end, where the cause stands."""
GRACE_SECONDS = 2.0
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Finished:
    """What a git command printed. ``stderr`` is redacted and cut to its last 16 KiB."""

    code: int
    stdout: bytes
    stderr: str


def run_git(
    git: Git,
    what: str,
    argv: Sequence[str],
    *,
    timeout_seconds: float,
    timeout_reason: Reason = Reason.CONNECT,
    stdout_bytes: int = 1 << 20,
) -> Finished:
    """Run git to its end; the exit code is the caller's to judge.

    :param what: begins every message, such as ``ls-remote``.
    :raises GitFailure: for ``timeout_reason``, when time is up.
    :raises FetchFailed: when it prints more than ``stdout_bytes``.
    """
    with _started(git, argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        collected = _Collected(process, stdout_bytes)
        if not collected.read_until(time.monotonic() + timeout_seconds):
            raise build_failure(timeout_reason, f"{what}: not done within {timeout_seconds:g} s")
        if collected.overflowed:
            text = f"{what}: answered more than {stdout_bytes} bytes"
            raise build_failure(Reason.CLONE_FAILED, text)
        code = process.wait()
    return Finished(code, bytes(collected.stdout), _text(git, bytes(collected.stderr)))


def require_success(what: str, finished: Finished) -> bytes:
    """Give the output of a command that went well.

    :raises GitFailure: of the kind that its error output tells.
    """
    if finished.code != 0:
        raise _failure(what, finished.code, finished.stderr)
    return finished.stdout


class GitStream:
    """A running git to talk to through its pipes. Made by ``streaming_git``."""

    def __init__(
        self, git: Git, what: str, process: subprocess.Popen[bytes], errors: IO[bytes]
    ) -> None:
        if process.stdin is None or not isinstance(process.stdout, io.BufferedReader):
            raise TypeError("a stream needs both pipes, and buffers")
        self.input = process.stdin
        self.output = process.stdout
        self._git = git
        self._what = what
        self._process = process
        self._errors = errors

    def finish(self) -> None:
        """Wait for git's own end, and prove by it that what was read is complete.

        :raises GitFailure: if it did not end well; clone_failed if time was up.
        """
        with suppress(BrokenPipeError):
            self.input.close()
        code = self._process.wait()
        if code == -signal.SIGKILL:
            raise build_failure(Reason.CLONE_FAILED, f"{self._what}: stopped, time was up")
        if code != 0:
            self._errors.seek(0)
            raise _failure(self._what, code, _text(self._git, self._errors.read(STDERR_BYTES)))

    def fail(self) -> GitFailure:
        """Say why git stopped answering in the middle; gives the error to raise."""
        self.finish()
        return build_failure(Reason.CLONE_FAILED, f"{self._what}: ended before its answer did")


@contextmanager
def streaming_git(
    git: Git, what: str, argv: Sequence[str], *, timeout_seconds: float
) -> Iterator[GitStream]:
    """Start git to talk to; it is ended on the way out, wherever it is.

    A watchdog ends it when time is up, so that a read from it never waits for ever: the reader
    sees the stream end, and ``finish`` says why.
    """
    with (
        tempfile.TemporaryFile() as errors,
        _started(git, argv, stdin=subprocess.PIPE, stderr=errors) as process,
    ):
        watchdog = threading.Timer(max(timeout_seconds, 0.0), _kill_group, [process.pid])
        watchdog.daemon = True
        watchdog.start()
        try:
            yield GitStream(git, what, process, errors)
        finally:
            watchdog.cancel()
            watchdog.join()


@contextmanager
def _started(
    git: Git, argv: Sequence[str], *, stdin: int, stderr: int | IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        argv,
        env=build_environment(git),
        cwd=git.home,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None and process.poll() is None:
            _end_group(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


class _Collected:
    """Reads both pipes of a process at once; keeps stdout whole and the end of stderr."""

    def __init__(self, process: subprocess.Popen[bytes], stdout_bytes: int) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._stdout_bytes = stdout_bytes
        self._sinks = [(process.stdout, self.stdout), (process.stderr, self.stderr)]

    @property
    def overflowed(self) -> bool:
        """Tell whether stdout passed its bound; reading stopped there."""
        return len(self.stdout) > self._stdout_bytes

    def read_until(self, deadline: float) -> bool:
        """Read to the end of both pipes, or to the bound; False when the deadline came first."""
        with selectors.DefaultSelector() as selector:
            for pipe, sink in self._sinks:
                if pipe is not None:
                    selector.register(pipe, selectors.EVENT_READ, sink)
            while selector.get_map() and not self.overflowed:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    return False
                for key, _ in ready:
                    chunk = os.read(key.fd, _CHUNK)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    key.data.extend(chunk)
                del self.stderr[:-STDERR_BYTES]
        return True


def _failure(what: str, code: int, stderr: str) -> GitFailure:
    if code < 0:
        stderr += f"\nfatal: git died of signal {-code}"
    return classify(what, stderr)


def _text(git: Git, stderr: bytes) -> str:
    return redact(stderr.decode(errors="replace"), git.secrets).replace(str(git.home), "~")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children. It is reaped last, so that its id cannot be reused before."""
    _signal_group(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while not _is_zombie(process.pid) and time.monotonic() < deadline:
        time.sleep(0.002)
    _kill_group(process.pid)
    process.wait()


def _is_zombie(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(pid: int) -> None:
    _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
