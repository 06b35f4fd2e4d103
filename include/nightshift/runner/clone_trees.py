"""Making files on disk for names that a stranger chose.

Every file is opened relative to its folder's descriptor with O_EXCL and O_NOFOLLOW, and every
folder with O_NOFOLLOW: a name can only ever mean a new file below our root, whatever else someone
puts there meanwhile. Links and devices are never made.
"""

import errno
import os
from contextlib import suppress
from types import TracebackType
from typing import Self

from nightshift.runner.workspace import FOLDER_MODE

FILE_MODE = 0o644
EXECUTABLE_MODE = 0o755
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TAKEN = frozenset({errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.EISDIR})
_UNSUPPORTED = frozenset({errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG})


class NameTaken(Exception):
    """Another file has this name already, or one that this volume cannot tell from it."""


class NameUnsupported(Exception):
    """This volume's file system does not take the name."""


class TreeWriter:
    """Writes the files of one tree below a new folder. A context manager: it holds descriptors.

    Fast when files of one folder come together, as git gives them: it keeps the folders of the
    last path open, at most as many as the path is deep.

    :param root: a path where nothing is yet; its parent is ours.
    :param fold_case: treat names that differ in case as one, as the volume may do.
    """

    def __init__(self, root: str | os.PathLike[str], *, fold_case: bool = False) -> None:
        os.mkdir(root, FOLDER_MODE)  # noqa: PTH102 - the mode and the failure if it exists are the point
        self._open: list[tuple[str, int]] = [("", os.open(root, _FOLDER_FLAGS))]
        self._names: set[str] | None = set() if fold_case else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close_above(0)

    def write(self, path: str, content: bytes, *, executable: bool = False) -> None:
        """Write one file; its folders are made as needed.

        :param path: relative, with ``/``; already checked (``clone_paths.refuse_path``).
        :raises NameTaken: if the name, or the name of one of its folders, is a file already.
        :raises NameUnsupported: if the file system refuses the name.
        """
        self._claim(path)
        *folders, name = path.split("/")
        try:
            descriptor = os.open(
                name,
                _FILE_FLAGS,
                EXECUTABLE_MODE if executable else FILE_MODE,
                dir_fd=self._enter(folders),
            )
        except OSError as error:
            if error.errno in _TAKEN:
                raise NameTaken(path) from error
            if error.errno in _UNSUPPORTED:
                raise NameUnsupported(error.strerror or "") from error
            raise
        try:
            _write_all(descriptor, content)
        finally:
            os.close(descriptor)

    def _claim(self, path: str) -> None:
        if self._names is None:
            return
        folded = path.casefold()
        if folded in self._names:
            raise NameTaken(path)
        self._names.add(folded)

    def _enter(self, folders: list[str]) -> int:
        """Open the folder of a file, making what is missing; gives its descriptor."""
        shared = 0
        while shared < min(len(folders), len(self._open) - 1):
            if self._open[shared + 1][0] != folders[shared]:
                break
            shared += 1
        self._close_above(shared + 1)
        for name in folders[shared:]:
            parent = self._open[-1][1]
            with suppress(FileExistsError):  # if it is not a folder, opening it says so
                os.mkdir(name, FOLDER_MODE, dir_fd=parent)
            self._open.append((name, os.open(name, _FOLDER_FLAGS, dir_fd=parent)))
        return self._open[-1][1]

    def _close_above(self, count: int) -> None:
        while len(self._open) > count:
            os.close(self._open.pop()[1])


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
