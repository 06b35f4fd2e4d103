"""Reading a commit's tree and blobs as streams: memory stays small however the tree was made.

git is asked for objects only, never for a checkout: attributes, hooks, filters and links of a
repository have no say in what is read here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nightshift.domain.ids import CommitSha
from nightshift.domain.scans import Reason
from nightshift.git.commands import Git, build_list_tree, build_read_blobs, build_read_sizes
from nightshift.git.failures import build_failure
from nightshift.git.processes import GitStream, streaming_git

CHUNK_BYTES = 64 * 1024
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
    def is_file(self) -> bool:
        """Tell whether it is a plain file, in today's modes or those of very old repositories."""
        return self.mode.startswith("100")

    @property
    def is_executable(self) -> bool:
        """Tell whether the owner may execute the file."""
        return self.is_file and bool(int(self.mode, 8) & 0o100)


@contextmanager
def reading_tree(
    git: Git, repository: Path, commit: CommitSha, *, timeout_seconds: float
) -> Iterator[Iterator[TreeEntry]]:
    """Give all entries of a commit's tree, deep first, in git's order.

    Leaving before the last entry is fine. An iterator that ends has given every entry: one that
    cannot raises FetchFailed.

    :param timeout_seconds: until the last entry is taken, the reader's own work included.
    """
    argv = build_list_tree(git, repository, commit)
    with streaming_git(git, "ls-tree", argv, timeout_seconds=timeout_seconds) as stream:
        yield (_parse_entry(record) for record in _records(stream))


class BlobReader:
    """Answers for the objects of one repository, in batches. Made by ``reading_blobs``."""

    def __init__(self, sizes: GitStream, blobs: GitStream) -> None:
        self._sizes = sizes
        self._blobs = blobs

    def sizes(self, object_ids: Sequence[str]) -> list[int | None]:
        """Say how large objects are, in order; None if one was not fetched.

        :param object_ids: at most BATCH.
        :raises FetchFailed: if git stops answering.
        """
        _ask(self._sizes, object_ids)
        return [_read_size(self._sizes) for _ in object_ids]

    def contents(self, object_ids: Sequence[str]) -> Iterator[bytes]:
        """Give the bytes of objects that are there, in order; take them all before asking again.

        :param object_ids: at most BATCH; no larger than memory allows, so ask for sizes first.
        :raises FetchFailed: if git stops answering.
        """
        _ask(self._blobs, object_ids)
        for _ in object_ids:
            size = _read_size(self._blobs)
            if size is None:
                raise build_failure(Reason.CLONE_FAILED, "cat-file: an object is not there")
            content = self._blobs.output.read(size + 1)
            if len(content) != size + 1:
                raise self._blobs.fail()
            yield content[:-1]


@contextmanager
def reading_blobs(git: Git, repository: Path, *, timeout_seconds: float) -> Iterator[BlobReader]:
    """Start answering for the objects of a repository.

    :param timeout_seconds: until the last answer is taken, the reader's own work included.
    """
    with (
        streaming_git(
            git, "cat-file", build_read_sizes(git, repository), timeout_seconds=timeout_seconds
        ) as sizes,
        streaming_git(
            git, "cat-file", build_read_blobs(git, repository), timeout_seconds=timeout_seconds
        ) as blobs,
    ):
        yield BlobReader(sizes, blobs)


def _records(stream: GitStream) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.output.read1(CHUNK_BYTES):
        *records, rest = (rest + chunk).split(b"\0")
        yield from records
        if len(rest) > MAX_RECORD_BYTES:
            raise build_failure(Reason.UNSAFE_REPOSITORY, "ls-tree: a path without an end")
    stream.finish()
    if rest:
        raise stream.fail()


def _parse_entry(record: bytes) -> TreeEntry:
    head, _, path = record.partition(b"\t")
    mode, _, object_id = head.decode("ascii").split(" ")
    return TreeEntry(mode, object_id, path)


def _ask(stream: GitStream, object_ids: Sequence[str]) -> None:
    if len(object_ids) > BATCH:
        raise ValueError(f"ask for at most {BATCH} objects at once")
    try:
        stream.input.write("".join(f"{object_id}\n" for object_id in object_ids).encode())
        stream.input.flush()
    except BrokenPipeError as error:
        raise stream.fail() from error


def _read_size(stream: GitStream) -> int | None:
    line = stream.output.readline(200)
    words = line.split()
    if len(words) == 2 and words[1] == b"missing":
        return None
    if len(words) != 3:
        raise stream.fail()
    return int(words[2])
