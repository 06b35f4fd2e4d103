"""A command beside a running container: in its namespaces, with its environment."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from nightshift.embedded.kube.interfaces import StatusError
from nightshift.embedded.kube.kubelet.containerplans import plan_beside
from nightshift.embedded.kube.kubelet.launching import (
    LaunchedProcess,
    Streams,
    launch,
    open_null,
    read_pipe,
)
from nightshift.embedded.kube.kubelet.runs import Run
from nightshift.embedded.kube.launcher.plans import Plan

_READ_BYTES = 64 * 1024
_QUEUED_CHUNKS = 16
_Chunk = tuple[Literal[1, 2], bytes]


class RunningCommand:
    """Implements ``interfaces.ExecProcess``.

    :param stdin: descriptor to feed the command by, None if it has no input.
    :param outputs: (channel, descriptor) to read.
    """

    def __init__(
        self,
        process: LaunchedProcess,
        stdin: int | None,
        outputs: Sequence[tuple[Literal[1, 2], int]],
    ) -> None:
        self.process = process
        self._stdin = stdin
        self._chunks: asyncio.Queue[_Chunk | None] = asyncio.Queue(_QUEUED_CHUNKS)
        self._reading = asyncio.create_task(self._read(outputs))
        if stdin is not None:
            os.set_blocking(stdin, False)

    async def wait_started(self) -> str:
        """Wait for the command's exec; return why it failed, "" if it did not."""
        return await self.process.wait_started()

    async def write_stdin(self, data: bytes) -> None:
        """Feed the command; b"" closes its input. What comes after its end is dropped."""
        if self._stdin is None:
            return
        if not data:
            os.close(self._stdin)
            self._stdin = None
            return
        left = memoryview(data)
        while left and self._stdin is not None:
            try:
                left = left[os.write(self._stdin, left) :]
            except BlockingIOError:
                await _wait_writable(self._stdin)
            except OSError:  # EPIPE, EIO: the command reads no more
                return

    async def output(self) -> AsyncIterator[_Chunk]:
        """Give what the command prints, until it ends."""
        while chunk := await self._chunks.get():
            yield chunk

    async def wait(self) -> int:
        """Wait for the exit code."""
        code = await self.process.wait()
        await self.write_stdin(b"")
        return code

    async def kill(self) -> None:
        """End the command now."""
        await self.process.kill_and_wait()
        await self.write_stdin(b"")
        self._reading.cancel()

    async def _read(self, outputs: Sequence[tuple[Literal[1, 2], int]]) -> None:
        async with asyncio.TaskGroup() as group:
            for channel, fd in outputs:
                group.create_task(self._read_one(channel, fd))
        await self._chunks.put(None)

    async def _read_one(self, channel: Literal[1, 2], fd: int) -> None:
        reader, transport = await read_pipe(fd)
        try:
            while data := await reader.read(_READ_BYTES):
                await self._chunks.put((channel, data))
        except OSError:  # EIO: the last process has left the terminal
            return
        finally:
            transport.close()


async def start_beside(
    run: Run, command: Sequence[str], *, stdin: bool = False, tty: bool = False
) -> RunningCommand:
    """Start ``command`` beside a container that runs.

    :raises StatusError: 500 if it cannot be executed.
    """
    plan = plan_beside(run.plan, run.process.init_pid, command, tty=tty)
    running = _start_on_terminal(plan) if tty else _start_on_pipes(plan, stdin=stdin)
    run.beside = {p for p in run.beside if not p.has_ended} | {running.process}
    try:
        failure = await running.wait_started()
    except asyncio.CancelledError:
        running.process.kill()
        raise
    if failure:
        await running.kill()
        raise StatusError(500, "InternalError", f"error executing command in container: {failure}")
    return running


def _start_on_pipes(plan: Plan, *, stdin: bool) -> RunningCommand:
    receive, feed = os.pipe() if stdin else (open_null(), None)
    (out, their_out), (err, their_err) = os.pipe(), os.pipe()
    process = launch(plan, Streams(receive, their_out, their_err))
    return RunningCommand(process, feed, [(1, out), (2, err)])


def _start_on_terminal(plan: Plan) -> RunningCommand:
    ours, theirs = os.openpty()
    process = launch(plan, Streams(theirs, os.dup(theirs), os.dup(theirs)))
    return RunningCommand(process, os.dup(ours), [(1, ours)])


async def _wait_writable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(fd)
