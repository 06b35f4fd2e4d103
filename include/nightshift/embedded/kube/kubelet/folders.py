"""Removing what pods left behind, without ever following a link out of it."""

import logging
import os
import shutil
import stat
from collections.abc import Callable, Collection
from pathlib import Path

_log = logging.getLogger(__name__)
_OWNER_ALL = 0o700
_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's is


def remove_tree(folder: Path) -> None:
    """Remove a folder; a link in its place is unlinked. What cannot be removed is logged."""
    try:
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            _open_folders(folder)
            shutil.rmtree(folder, onerror=_report)  # does not follow links below it
    except OSError as error:
        _log.warning("cannot remove %s: %s", folder, error)


def remove_stale(folder: Path, known: Collection[str]) -> int:
    """Remove every entry of ``folder`` whose name is not known; return how many there were."""
    folder.mkdir(parents=True, exist_ok=True, mode=_OWNER_ALL)
    stale = [entry for entry in folder.iterdir() if entry.name not in known]
    for entry in stale:
        remove_tree(entry)
    return len(stale)


def measure_tree(folder: Path) -> int:
    """Sum the disk space of what is below ``folder``, in bytes; links are not followed."""
    total = 0
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            try:
                path = os.path.join(parent, name)  # noqa: PTH118 - os.walk's own kind of path
                total += os.lstat(path).st_blocks * _BLOCK_BYTES
            except FileNotFoundError:
                continue  # removed meanwhile
    return total


def _open_folders(folder: Path) -> None:
    """Give ourselves the rights to empty folders that a pod closed."""
    for parent, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 - os.walk's own kind of path
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode) and mode & _OWNER_ALL != _OWNER_ALL:
                os.chmod(path, stat.S_IMODE(mode) | _OWNER_ALL)  # noqa: PTH101 - as above


def _report(call: Callable[..., object], path: str, error: object) -> None:
    _log.warning("cannot remove %s: %s", path, error)
