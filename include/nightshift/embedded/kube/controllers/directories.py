"""Directories behind volumes: made in one folder, removed with all that is in them.

What pods leave there is untrusted: removal works by file descriptors, never follows a link, and
never leaves the folder.
"""

import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

_NAME = re.compile(r"pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OURS = 0o700
_MODE = 0o777
"""Pods run as users that we do not know; the folder around it is private."""


class VolumeDirectories:
    """The folder of all volumes.

    :param root: made if it is not there, mode 0711: others may pass through, but not look.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._removals: dict[str, Future[None]] = {}
        self._remover = ThreadPoolExecutor(1, "volume-removal")  # its thread starts when needed

    def make(self, name: str) -> Path:
        """Make a volume's directory; one that is there already is fine.

        :raises ValueError: for a name that is not one of ours.
        :raises OSError: if it cannot be made, or is no directory.
        """
        _check(name)
        self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
        path = self._root / name
        path.mkdir(exist_ok=True)
        _chmod(path)
        return path

    def exists(self, name: str) -> bool:
        """Tell whether a volume's directory, or what is left of it, is there."""
        _check(name)
        present = [path.name for path in self._root.iterdir()] if self._root.is_dir() else []
        return any(_remains(name, present))

    def remove_soon(self, name: str) -> bool:
        """Remove a volume's directory in a thread.

        :returns: True once it is gone; ask again until then.
        :raises OSError: why the last attempt failed; the next call tries again.
        """
        running = self._removals.get(name)
        if running is None:
            if not self.exists(name):
                return True
            self._removals[name] = self._remover.submit(self.remove, name)
            return False
        if not running.done():
            return False
        del self._removals[name]
        running.result()
        return not self.exists(name)

    def remove(self, name: str) -> None:
        """Remove a volume's directory with its content; blocks.

        Each folder found inside is moved up beside it first, so that neither depth nor a path can
        lead astray: every step works on one open folder.

        :raises OSError: if something cannot be removed; what is left is removed the next time.
        """
        _check(name)
        root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            pending = sorted(_remains(name, os.listdir(root)))  # noqa: PTH208 - of an open folder
            serial = len(pending)
            while pending:
                current = pending.pop()
                for inner in _empty(root, current):
                    serial += 1
                    pending.append(self._move_up(root, current, inner, f"{name}.{serial}"))
                os.rmdir(current, dir_fd=root)
        finally:
            os.close(root)

    def _move_up(self, root: int, current: str, inner: str, moved: str) -> str:
        folder = _open_folder(root, current)
        try:
            os.close(_open_folder(folder, inner))  # makes it ours to move
            while os.path.lexists(self._root / moved):
                moved += "+"
            os.rename(inner, moved, src_dir_fd=folder, dst_dir_fd=root)
        finally:
            os.close(folder)
        return moved


def _remains(name: str, present: Iterable[str]) -> Iterator[str]:
    return (entry for entry in present if entry == name or entry.startswith(f"{name}."))


def _empty(root: int, name: str) -> list[str]:
    """Remove everything but folders from a folder; give the names of those."""
    folder = _open_folder(root, name)
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for entry, is_folder in found:
            if not is_folder:
                os.unlink(entry, dir_fd=folder)
    finally:
        os.close(folder)
    return [entry for entry, is_folder in found if is_folder]


def _open_folder(parent: int, name: str) -> int:
    """Open a folder, never a link to one, and make it readable and writable for us."""
    kind = os.O_DIRECTORY | os.O_NOFOLLOW
    if not hasattr(os, "O_PATH"):
        return os.open(name, os.O_RDONLY | kind, dir_fd=parent)
    handle = os.open(name, os.O_PATH | kind, dir_fd=parent)
    try:
        Path(f"/proc/self/fd/{handle}").chmod(_OURS)
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=handle)
    finally:
        os.close(handle)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a volume made here")


def _chmod(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(folder, _MODE)
    finally:
        os.close(folder)
