"""Reading and writing single files on the volume, where any file may be torn, huge or a trap."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nightshift.errors import ConfigError, NotFound, VolumeFull

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the kernel says when a volume, or our share of it, is used up."""
NO_ROOM = "the workspace volume has no room left; raise NIGHTSHIFT_WORKSPACE_SIZE"


def write_atomically(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Replace ``path``; a reader sees the old file or the new one, whole, even after a crash.

    :param data: text is written as UTF-8.
    :raises VolumeFull: if there is no room; ``path`` is then as it was.
    """
    payload = data.encode() if isinstance(data, str) else data
    with volume_full_as_error(), _temporary_beside(path) as (descriptor, temporary):
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)


def read_bounded(path: Path, limit_bytes: int) -> bytes:
    """Read a whole regular file that someone else may have put there.

    A link, a device or a named pipe is refused: it could lead elsewhere or never end.

    :raises NotFound: if there is no file.
    :raises ConfigError: if it is not a regular file, cannot be read, or is over ``limit_bytes``.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        raise NotFound(f"{path}: there is no such file") from error
    except OSError as error:
        raise ConfigError(
            str(path), f"cannot be opened as a plain file: {error.strerror}"
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(str(path), "is not a regular file")
        data = _read_up_to(descriptor, limit_bytes + 1, path)
    finally:
        os.close(descriptor)
    if len(data) > limit_bytes:
        raise ConfigError(str(path), f"is larger than {limit_bytes} bytes")
    return data


@contextmanager
def volume_full_as_error() -> Iterator[None]:
    """Turn the kernel's "no space left" into VolumeFull; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise VolumeFull(NO_ROOM) from error
        raise


def _read_up_to(descriptor: int, size: int, path: Path) -> bytes:
    chunks: list[bytes] = []
    left = size
    try:
        while left > 0 and (chunk := os.read(descriptor, min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    return b"".join(chunks)


@contextmanager
def _temporary_beside(path: Path) -> Iterator[tuple[int, Path]]:
    """Make a file next to ``path``; whatever is left of it at the end is removed."""
    descriptor, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name[:64]}.", suffix=".tmp"
    )
    temporary = Path(name)
    try:
        yield descriptor, temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _sync_directory(directory: Path) -> None:
    """Make the rename itself durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
