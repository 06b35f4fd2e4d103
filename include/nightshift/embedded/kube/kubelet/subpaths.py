"""Folders below a volume that never lead out of it, whatever links a stranger left there.

Source: pkg/volume/util/subpath (after CVE-2017-1002101).
"""

import os
import stat
from pathlib import Path, PurePosixPath

from nightshift.embedded.kube.kubelet.faults import ConfigFault

_OPEN_ANY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER_MODE = 0o755


def resolve_sub_path(volume: Path, sub_path: str) -> PurePosixPath:
    """Find ``sub_path`` below ``volume`` and make the folders that are missing.

    Links that stay inside are followed, as in Kubernetes; the answer has none.

    :returns: relative to ``volume``, which must be a real path.
    :raises ConfigFault: absolute paths, ``..``, and links that lead out.
    """
    wanted = PurePosixPath(sub_path)
    if wanted.is_absolute() or ".." in wanted.parts or "\0" in sub_path:
        raise ConfigFault(f"subPath {sub_path!r} must be a relative path without '..'")
    try:
        target = Path(os.path.realpath(volume / wanted))
        if not target.is_relative_to(volume):
            raise ConfigFault(f'subPath "{sub_path}" leads out of its volume')
        inside = target.relative_to(volume)
        _make_folders(volume, inside)
    except OSError as error:
        raise ConfigFault(
            f'failed to create subPath directory for "{sub_path}": {error.strerror}'
        ) from error
    return PurePosixPath(inside)


def _make_folders(volume: Path, inside: Path) -> None:
    fd = os.open(volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in inside.parts:
            fd = _step(fd, name)
    finally:
        os.close(fd)


def _step(folder: int, name: str) -> int:
    """Open ``name`` in ``folder``, which is closed; made if it is not there; never a link."""
    try:
        inner = os.open(name, _OPEN_ANY, dir_fd=folder)
    except FileNotFoundError:
        os.mkdir(name, _FOLDER_MODE, dir_fd=folder)
        inner = os.open(name, _OPEN_ANY, dir_fd=folder)
    if stat.S_ISLNK(os.fstat(inner).st_mode):
        os.close(inner)
        raise ConfigFault(f'subPath: "{name}" became a symbolic link')
    os.close(folder)
    return inner
