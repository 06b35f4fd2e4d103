"""Starts launchers and follows what they report. See nightshift.embedded.kube.launcher."""

import asyncio
import marshal
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from nightshift.embedded.kube.launcher.plans import Plan

_BOOT = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from nightshift.embedded.kube.launcher.main import main; main(*map(int, sys.argv[2:]))"
)
_INCLUDE = str(Path(__file__).resolve().parents[4])
_SIGNAL_BASE = 128
_KILL_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Streams:
    """Descriptors that become the command's; closed once the launcher has them."""

    stdin: int
    stdout: int
    stderr: int

    def close(self) -> None:
        """Close our copies."""
        for fd in {self.stdin, self.stdout, self.stderr}:
            os.close(fd)


class LaunchedProcess:
    """A command below its launcher."""

    def __init__(self, launcher: subprocess.Popen[bytes], report_fd: int) -> None:
        loop = asyncio.get_running_loop()
        self._launcher = launcher
        self._started: asyncio.Future[str] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._following = loop.create_task(self._follow(report_fd))
        self.init_pid = 0

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing of it is left."""
        return self._ended.done()

    async def wait_started(self) -> str:
        """Wait for the command's exec; return why it failed, "" if it did not."""
        return await asyncio.shield(self._started)

    async def wait(self) -> int:
        """Wait for the end of the command and of all that it started; return its exit code."""
        return await asyncio.shield(self._ended)

    def terminate(self) -> None:
        """Send the command SIGTERM."""
        self._launcher.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the command and all that it started."""
        self._launcher.send_signal(signal.SIGUSR1)

    async def kill_and_wait(self) -> int:
        """Kill everything, the launcher too if it does not answer."""
        self.kill()
        try:
            return await asyncio.wait_for(self.wait(), _KILL_PATIENCE_SECONDS)
        except TimeoutError:
            self._launcher.kill()
            return await self.wait()

    async def _follow(self, report_fd: int) -> None:
        report, _ = await read_pipe(report_fd)
        async for line in report:
            word, _, rest = line.decode(errors="replace").rstrip("\n").partition(" ")
            if word == "init":
                self.init_pid = int(rest)
            elif not self._started.done():
                self._started.set_result("" if word == "started" else rest)
        code = self._launcher.wait()  # at once: the pipe's last writer was the launcher
        if not self._started.done():
            self._started.set_result("" if code == 0 else "the launcher was killed")
        self._ended.set_result(code if code >= 0 else _SIGNAL_BASE - code)


def launch(plan: Plan, streams: Streams) -> LaunchedProcess:
    """Start a launcher in the running loop's thread; takes over ``streams``.

    :raises OSError: out of processes, descriptors or memory.
    """
    try:
        with tempfile.TemporaryFile() as file:
            file.write(marshal.dumps(dict(plan)))
            file.seek(0)
            receive, send = os.pipe()
            try:
                launcher = _start(file.fileno(), send, streams)
            except OSError:
                os.close(receive)
                raise
            finally:
                os.close(send)
    finally:
        streams.close()
    return LaunchedProcess(launcher, receive)


async def read_pipe(fd: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """Read a descriptor in this loop; it is closed at its end, or with the transport."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(reader)
    file = os.fdopen(fd, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: protocol, file)
    return reader, transport


def open_null() -> int:
    """Open a descriptor that has nothing to read and forgets what is written."""
    return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)


def _start(plan_fd: int, report_fd: int, streams: Streams) -> subprocess.Popen[bytes]:
    numbers = [str(plan_fd), str(report_fd), str(os.getpid())]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOOT, _INCLUDE, *numbers],
        stdin=streams.stdin,
        stdout=streams.stdout,
        stderr=streams.stderr,
        cwd="/",
        env={},
        pass_fds=(plan_fd, report_fd),
        start_new_session=True,
    )
