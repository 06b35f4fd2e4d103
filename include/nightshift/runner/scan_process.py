"""Runs one confined process to its end and watches what it takes: time, memory, room, processes."""

import os
import resource
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO

from nightshift.runner.sandbox import ConfinedCommand, Sandbox, Streams
from nightshift.runner.scan_tree import ProcessTree, signal_group

_FIRST_SAMPLES = (0.005, 0.01, 0.02, 0.04, 0.08)  # short scans are the most
_SAMPLE = 0.2
_CLOSED_LOG = 0.02  # a process that has closed its log has most likely ended
_ROOM_EVERY = 5  # samples between two looks at the disk, which cost more
_ROOM_ENTRIES = 100_000
_CHUNK = 1 << 16
_CUT = b"\n[the log was cut here]\n"


class StopCause(StrEnum):
    """Why the runner ended a process that had not ended by itself."""

    DEADLINE = "deadline"
    MEMORY = "memory"
    ROOM = "room"
    PROCESSES = "processes"
    POD = "pod"  # the pod was asked to end


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """What one process and its descendants may take.

    :param memory_bytes: resident memory of them all.
    :param room_bytes: all files in the folders that it may write.
    :param processes: at one time.
    :param log_bytes: of its log that are kept.
    :param term_seconds: between SIGTERM and SIGKILL.
    """

    deadline_seconds: float
    memory_bytes: int
    room_bytes: int
    processes: int = 64
    log_bytes: int = 1 << 20
    term_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    :param exit_code: negative for a signal, as in ``subprocess``.
    :param stopped: why we ended it, None if it ended by itself.
    :param peak_bytes: of all processes together, as far as five looks a second see it.
    :param log: its stderr (and stdout, where that is not the result), bounded.
    :param stragglers: descendants that were still alive when it had ended.
    """

    exit_code: int
    stopped: StopCause | None
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    log: bytes
    in_force: tuple[str, ...]
    stragglers: int


def run_watched(
    sandbox: Sandbox,
    command: ConfinedCommand,
    limits: WatchLimits,
    should_stop: Callable[[], bool],
    *,
    stdout: Path | None = None,
) -> Ended:
    """Run a command to its end; afterwards nothing of it is alive.

    :param should_stop: asked at every sample; true ends the process with StopCause.POD.
    :param stdout: a new file for its standard output; None adds it to the log.
    :raises ConfinementRefused: if it could not be confined, and so was not started.
    """
    with ExitStack() as files:
        log_read, log_write = (files.enter_context(end) for end in _open_pipe())
        output = files.enter_context(_create(stdout)) if stdout else log_write
        watch = _Watch(ProcessTree(), limits, should_stop, command.write, log_read.fileno())
        process = sandbox.start(command, Streams(stdout=output, stderr=log_write))
        log_write.close()
        output.close()
        try:
            watch.follow(process.popen.pid)
        finally:
            stragglers = watch.tree.kill()
        watch.read_log()
    process.popen.returncode = watch.exit_code  # it was reaped here, not by Popen
    return Ended(
        exit_code=watch.exit_code,
        stopped=watch.cause,
        seconds=time.monotonic() - watch.started,
        cpu_seconds=watch.cpu_seconds,
        peak_bytes=watch.peak_bytes,
        log=bytes(watch.log),
        in_force=process.in_force,
        stragglers=stragglers,
    )


@dataclass(slots=True)
class _Watch:
    """What has been seen of one process so far."""

    tree: ProcessTree
    limits: WatchLimits
    should_stop: Callable[[], bool]
    folders: Sequence[Path]
    log_fd: int
    log: bytearray = field(default_factory=bytearray)
    log_open: bool = True
    cause: StopCause | None = None
    peak_bytes: int = 0
    cpu_seconds: float = 0.0
    exit_code: int = 0
    samples: int = 0
    started: float = field(default_factory=time.monotonic)
    term_at: float = 0.0

    def follow(self, leader: int) -> None:
        """Return once the process has ended; end it when it takes too much."""
        while not self._has_ended(leader):
            self._wait()
            if self.cause is None:
                self.cause = self._find_cause()
                if self.cause is not None:
                    self.term_at = time.monotonic()
                    signal_group(leader, signal.SIGTERM)
            elif time.monotonic() - self.term_at > self.limits.term_seconds:
                signal_group(leader, signal.SIGKILL)

    def read_log(self) -> None:
        """Take what is in the pipe now; what is over the limit is read and dropped."""
        while self.log_open:
            try:
                chunk = os.read(self.log_fd, _CHUNK)
            except BlockingIOError:
                return
            self.log_open = bool(chunk)
            room = self.limits.log_bytes - len(_CUT) - len(self.log)
            self.log += chunk[: max(0, room)]
            if len(chunk) > room >= 0:
                self.log += _CUT  # room is below zero from now on

    def _has_ended(self, leader: int) -> bool:
        pid, status, usage = os.wait4(leader, os.WNOHANG)
        if pid == 0:
            return False
        self.exit_code = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        own = usage.ru_maxrss * 1024
        # A child begins with our pages, so only more than ours is surely its own; where it was too
        # short to be seen, ours is at least a bound.
        ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if own > ours or self.peak_bytes == 0:
            self.peak_bytes = max(self.peak_bytes, own)
        return True

    def _wait(self) -> None:
        """Sleep until the next sample, or until the log has something to say."""
        seconds = _FIRST_SAMPLES[self.samples] if self.samples < len(_FIRST_SAMPLES) else _SAMPLE
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self.log_open:
                time.sleep(min(left, _CLOSED_LOG))
                return
            if select.select([self.log_fd], [], [], left)[0]:
                self.read_log()
                if not self.log_open:
                    return
        self.samples += 1

    def _find_cause(self) -> StopCause | None:
        usage = self.tree.measure()
        self.peak_bytes = max(self.peak_bytes, usage.rss_bytes)
        if self.should_stop():
            return StopCause.POD
        if time.monotonic() - self.started > self.limits.deadline_seconds:
            return StopCause.DEADLINE
        if usage.rss_bytes > self.limits.memory_bytes:
            return StopCause.MEMORY
        if usage.processes > self.limits.processes:
            return StopCause.PROCESSES
        if self.samples % _ROOM_EVERY == 0 and self._room() > self.limits.room_bytes:
            return StopCause.ROOM
        return None

    def _room(self) -> int:
        return sum(measure_room(folder) for folder in self.folders)


def measure_room(folder: Path) -> int:
    """Sum up what a folder holds on disk; links are not followed, and a swarm of files counts.

    Each entry counts at least 4 KiB, so that a million empty files are not free.
    """
    total = entries = 0
    waiting = [folder]
    while waiting and entries < _ROOM_ENTRIES:
        with suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                entries += 1
                with suppress(OSError):
                    total += max(4096, entry.stat(follow_symlinks=False).st_blocks * 512)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
    return total


def _open_pipe() -> tuple[IO[bytes], IO[bytes]]:
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(read, False)
    return os.fdopen(read, "rb", buffering=0), os.fdopen(write, "wb", buffering=0)


def _create(path: Path) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
