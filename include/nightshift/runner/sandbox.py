"""Confines a scanner without any privilege: what it may read and write, and nothing of the network.

A scanner reads strangers' code, and its bugs are theirs to use. So each one runs with Landlock
(files, signals), seccomp (sockets and the calls that exploits begin with), no_new_privs, no
capabilities, resource limits, a clean environment and a session of its own; the same in a pod, in a
user namespace and as uid 0. A kernel that lacks a part is reported, and refused where the work list
says so.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import landlockpy

from nightshift.errors import PermanentError
from nightshift.runner.sandbox_filter import build_filter

_LAUNCHER = Path(__file__).with_name("sandbox_exec.py")
_START_SECONDS = 30.0
_STATUS_BYTES = 4096
REQUIRED = ("landlock", "seccomp")
"""Without one of these a work list that requires confinement is refused."""

_READ = landlockpy.AccessFS.READ_FILE | landlockpy.AccessFS.READ_DIR
_RUN = _READ | landlockpy.AccessFS.EXECUTE
_WRITE = (
    _READ
    | landlockpy.AccessFS.WRITE_FILE
    | landlockpy.AccessFS.TRUNCATE
    | landlockpy.AccessFS.MAKE_REG
    | landlockpy.AccessFS.MAKE_DIR
    | landlockpy.AccessFS.MAKE_SYM
    | landlockpy.AccessFS.REMOVE_FILE
    | landlockpy.AccessFS.REMOVE_DIR
    | landlockpy.AccessFS.REFER
)
_FILE_ONLY = (
    landlockpy.AccessFS.READ_FILE
    | landlockpy.AccessFS.WRITE_FILE
    | landlockpy.AccessFS.EXECUTE
    | landlockpy.AccessFS.TRUNCATE
)
_DEVICES = {
    "/dev/null": landlockpy.AccessFS.READ_FILE | landlockpy.AccessFS.WRITE_FILE,
    "/dev/zero": landlockpy.AccessFS.READ_FILE,
    "/dev/random": landlockpy.AccessFS.READ_FILE,
    "/dev/urandom": landlockpy.AccessFS.READ_FILE,
}


class ConfinementRefused(PermanentError):
    """The kernel did not put in force what was asked; the scanner was not started."""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What the kernel itself enforces, per process (setrlimit(2)); nets below the runner's watch.

    :param file_bytes: size of one written file.
    :param cpu_seconds: CPU time of one process.
    :param open_files: descriptors.
    :param processes: of this uid on the whole node, so it can only be generous.
    """

    file_bytes: int
    cpu_seconds: int
    open_files: int = 4096
    processes: int = 8192

    def by_name(self) -> dict[str, int]:
        """Give the limits by the names that the ``resource`` module has for them."""
        return {
            "RLIMIT_FSIZE": self.file_bytes,
            "RLIMIT_CPU": self.cpu_seconds,
            "RLIMIT_NOFILE": self.open_files,
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 1 << 20,
        }


@dataclass(frozen=True, slots=True)
class ConfinedCommand:
    """One process to start.

    :param argv: ``argv[0]`` is a full path; no shell and no PATH is used.
    :param environment: all that it gets.
    :param directory: its working directory.
    :param run: folders and files it may read and execute.
    :param read: folders and files it may read.
    :param write: folders it may change.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    limits: ProcessLimits
    run: Sequence[Path] = ()
    read: Sequence[Path] = ()
    write: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Streams:
    """Where a process's output goes: open files or descriptors."""

    stdout: int | IO[bytes]
    stderr: int | IO[bytes]


@dataclass(frozen=True, slots=True)
class ConfinedProcess:
    """A scanner that runs; ``in_force`` says what holds it, proved by itself before it began."""

    popen: subprocess.Popen[bytes]
    in_force: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What this kernel offers.

    :param abi: Landlock's version, 0 for none.
    :param program: the seccomp filter, empty for none.
    """

    abi: int
    program: bytes = field(repr=False)

    @property
    def missing(self) -> tuple[str, ...]:
        """Name the parts of REQUIRED that this kernel or image lacks."""
        has = {"landlock": self.abi > 0, "seccomp": bool(self.program)}
        return tuple(name for name in REQUIRED if not has[name])

    def start(self, command: ConfinedCommand, streams: Streams) -> ConfinedProcess:
        """Start a process that is confined before its first instruction.

        :raises ConfinementRefused: if a part that exists could not be put in force.
        """
        with self._ruleset(command) as ruleset:
            return self._launch(command, streams, ruleset)

    @contextmanager
    def _ruleset(self, command: ConfinedCommand) -> Iterator[landlockpy.Ruleset | None]:
        """Build the Landlock ruleset here; the launcher only puts it in force."""
        if self.abi == 0:
            yield None
            return
        scopes = landlockpy.Scope.SIGNAL | landlockpy.Scope.ABSTRACT_UNIX_SOCKET
        with landlockpy.Ruleset(scoped=scopes) as ruleset:
            for paths, access in (
                (command.run, _RUN),
                (command.read, _READ),
                (command.write, _WRITE),
            ):
                for path in paths:
                    ruleset.allow_path(path, access if path.is_dir() else access & _FILE_ONLY)
            for device, access in _DEVICES.items():
                if Path(device).exists():
                    ruleset.allow_path(device, access)
            yield ruleset

    def _launch(
        self, command: ConfinedCommand, streams: Streams, ruleset: landlockpy.Ruleset | None
    ) -> ConfinedProcess:
        status_read, status_write = os.pipe()
        with _spec_file(self._spec(command, ruleset), self.program) as spec_fd:
            kept = [spec_fd, status_write, *([ruleset.fileno()] if ruleset else [])]
            try:
                popen = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_LAUNCHER), str(spec_fd), str(status_write)],
                    stdin=subprocess.DEVNULL,
                    stdout=streams.stdout,
                    stderr=streams.stderr,
                    env={},
                    pass_fds=kept,
                    start_new_session=True,
                )
            finally:
                os.close(status_write)
        with os.fdopen(status_read, "rb") as status:
            return ConfinedProcess(popen, _await_start(popen, status))

    def _spec(self, command: ConfinedCommand, ruleset: landlockpy.Ruleset | None) -> bytes:
        spec = {
            "argv": list(command.argv),
            "environment": dict(command.environment),
            "directory": str(command.directory),
            "limits": command.limits.by_name(),
            "parent": os.getpid(),
            "ruleset_fd": ruleset.fileno() if ruleset else None,
            "landlock": _landlock_names(ruleset),
        }
        return json.dumps(spec).encode()


def detect_sandbox() -> Sandbox:
    """Find out what this kernel and image offer; cheap enough for once a pod (about 0.1 s)."""
    return Sandbox(landlockpy.abi_version(), build_filter() or b"")


def _landlock_names(ruleset: landlockpy.Ruleset | None) -> list[str]:
    if ruleset is None:
        return []
    names = [f"landlock:{ruleset.abi_version}"]
    return [*names, "signal_scope"] if landlockpy.Scope.SIGNAL in ruleset.scoped else names


@contextmanager
def _spec_file(spec: bytes, program: bytes) -> Iterator[int]:
    """Hold what the launcher reads: one line of JSON, then the filter."""
    descriptor = os.memfd_create("sandbox", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(spec + b"\n" + program)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _await_start(popen: subprocess.Popen[bytes], status: IO[bytes]) -> tuple[str, ...]:
    """Wait until the launcher has become the scanner, which closes ``status``."""
    said = b""
    while select.select([status], [], [], _START_SECONDS)[0]:
        chunk = os.read(status.fileno(), _STATUS_BYTES)
        if not chunk:
            break
        said += chunk
    else:
        said = b'{"refused": "it did not start in time"}'
    answer = json.loads(said.rpartition(b"\n")[2] or b'{"refused": "it died at once"}')
    if "in_force" in answer:
        return tuple(str(name) for name in answer["in_force"])
    popen.kill()
    popen.wait()
    raise ConfinementRefused(f"the scanner could not be confined: {answer['refused']}")


def default_cpu_limit(deadline_seconds: int) -> int:
    """Give a CPU limit that only a runaway process meets: every core, for the whole deadline."""
    return deadline_seconds * (os.cpu_count() or 1) + 60
