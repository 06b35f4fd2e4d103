"""How a container ended: reason, exit code, and its last words."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

from nightshift.clock import Clock
from nightshift.embedded.kube.interfaces import LogOptions, Object
from nightshift.embedded.kube.kubelet.logreading import read_log

_MOST_MESSAGE_BYTES = 4096
_MOST_LOG_BYTES = 2048
_MOST_LOG_LINES = 80
OUT_OF_MEMORY = "OOMKilled"
START_ERROR = "StartError"
KILLED = 137


def find_reason(exit_code: int) -> str:
    """Tell why a container ended, from its exit code alone."""
    return "Completed" if exit_code == 0 else "Error"


async def read_message(
    container: Object, exit_code: int, file: Path, log_folder: Path, clock: Clock
) -> str:
    """Read a container's last words: the end of its termination log, else of its log if asked.

    Source: pkg/kubelet/kuberuntime (getTerminationMessage): 4 KiB, or 80 lines and 2 KiB.
    """
    message = _read_end(file)
    policy = container.get("terminationMessagePolicy")
    if message or policy != "FallbackToLogsOnError" or exit_code == 0:
        return message
    options = LogOptions(container["name"], tail_lines=_MOST_LOG_LINES)
    text = await _join(read_log(log_folder, options, None, clock))
    return text[-_MOST_LOG_BYTES:].decode(errors="replace")


def _read_end(path: Path) -> str:
    """Read the end of a file that the container wrote, which may be anything by now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # removed, or a link: then there are no last words
        return ""
    with os.fdopen(fd, "rb") as file:
        size = os.fstat(fd).st_size
        file.seek(max(0, size - _MOST_MESSAGE_BYTES))
        return file.read(_MOST_MESSAGE_BYTES).decode(errors="replace")


async def _join(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])
