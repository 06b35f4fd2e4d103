"""Reading a commit's tree and blobs as streams: memory stays small however the tree was made.

git is asked for objects only, never for a checkout: attributes, hooks, filters and links of a
repository have no say in what is read here.
"""

import itertools
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nightshift.domain.ids import CommitSha
from nightshift.domain.scans import Reason
from nightshift.git.commands import (
    Git,
    build_list_tree,
    build_read_blobs,
    build_read_sizes,
)
from nightshift.git.failures import build_failure
from nightshift.git.processes import streaming_git

BATCH = 60
"""Questions written at once: 60 SHA-256 ids fit into the smallest pipe (4096 bytes), so that
neither side can wait for the other."""
MAX_RECORD_BYTES = 1 << 20
"""A path of 3,000 levels is far shorter; a longer record ends the clone."""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree, as it is: nothing of it was checked.

    :param mode: octal text, such as 100644, 100755, 120000 (link) or 160000 (submodule).
    :param path: bytes, as git has them.
    """

    mode: str
    object_id: str
    path: bytes

    @property
    def is_link(self) -> bool:
        """Tell whether it is a symbolic link; its blob is the target."""
        return self.mode.startswith("120")

    @property
    def is_submodule(self) -> bool:
        """Tell whether it stands for another repository's commit."""
        return self.mode.startswith("160")

    @property
    def is_executable(self) -> bool:
        """Tell whether the owner may execute the file."""
        return self.mode.startswith("100") and bool(int(self.mode, 8) & 0o100)


@dataclass(frozen=True, slots=True)
class ObjectSize:
    """How large an object is. ``size`` is None if it was not fetched."""

    object_id: str
    size: int | None


@contextmanager
def reading_tree(
    git: Git, repository: Path, commit: CommitSha, *, timeout_seconds: float
) -> Iterator[Iterator[TreeEntry]]:
    """Give all entries of a commit's tree, deep first, in git's order.

    Leaving before the last entry is fine; reading to the end proves that there are no more.

    :raises FetchFailed: if git cannot read the tree to its end, or time is up.
    """
    argv = build_list_tree(git, repository, commit)
    with streaming_git(git, "ls-tree", argv, timeout_seconds=timeout_seconds) as stream:
        yield map(_parse_entry, _records(stream.output))


class BlobReader:
    """Answers for objects of one repository, in batches. Made by ``reading_blobs``."""

    def __init__(self, sizes: subprocess.Popen[bytes], blobs: subprocess.Popen[bytes]) -> None:
        self._sizes = sizes
        self._blobs = blobs
