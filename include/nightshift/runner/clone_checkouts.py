"""From a fetched commit to a source tree: which files are written, which are not, and why."""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nightshift.domain.ids import CommitSha
from nightshift.domain.languages import language_of
from nightshift.domain.printable import printable_line
from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CloneLimits, LeftOut, ManifestEntry, Tampering
from nightshift.git.commands import Git
from nightshift.git.failures import build_failure
from nightshift.git.trees import BATCH, BlobReader, TreeEntry, reading_blobs, reading_tree
from nightshift.runner.clone_paths import WhyLeftOut, link_escapes, refuse_path, shown_path
from nightshift.runner.clone_tampering import (
    DETAIL_CHARS,
    SYMLINK_ESCAPE,
    find_tampering,
    silenced_scanner,
)
from nightshift.runner.clone_trees import NameTaken, NameUnsupported, TreeWriter
from nightshift.runner.files import volume_full_as_error

MAX_LISTED = 1_000
"""Entries of ``left_out`` that are kept; all are counted."""
MAX_TAMPERING = 200
LINK_BYTES = 4_096
"""PATH_MAX: a longer link target cannot work anywhere."""

_LFS_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"(?:ext-[0-9]-[^\n]*\n)*oid sha256:[0-9a-f]{64}\nsize ([0-9]{1,18})\n"
)


@dataclass(slots=True)
class Checkout:
    """What became of a commit: grows while the tree is written."""

    files: list[ManifestEntry] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    left_out_count: int = 0
    tampering: list[Tampering] = field(default_factory=list)
    total_bytes: int = 0

    def leave_out(self, raw_path: bytes, why: WhyLeftOut, detail: str = "") -> None:
        """Note a file that is not written."""
        self.left_out_count += 1
        if len(self.left_out) < MAX_LISTED:
            text = printable_line(detail, DETAIL_CHARS)
            self.left_out.append(LeftOut(shown_path(raw_path), why, text))

    def note_tampering(self, found: Iterable[Tampering]) -> None:
        """Note what the repository tries; a bounded number is enough to judge it by."""
        self.tampering.extend(found)
        del self.tampering[MAX_TAMPERING:]


@dataclass(frozen=True, slots=True)
class Source:
    """A commit in a bare repository on our disk."""

    repository: Path
    commit: CommitSha


def write_checkout(
    git: Git, source: Source, target: Path, limits: CloneLimits, *, seconds: float, fold_case: bool
) -> Checkout:
    """Write a commit's files below ``target``, a path where nothing is yet.

    :param seconds: wall time that it may take.
    :param fold_case: the volume does not tell names apart that differ in case.
    :raises FetchFailed: too_large over a limit of the whole; clone_failed if git cannot read it
        or time is up. What was written so far stays, for the caller to remove.
    :raises VolumeFull: if there is no room.
    """
    with (
        volume_full_as_error(),
        reading_blobs(git, source.repository, timeout_seconds=seconds) as blobs,
        reading_tree(git, source.repository, source.commit, timeout_seconds=seconds) as entries,
        TreeWriter(target, fold_case=fold_case) as writer,
    ):
        work = _Work(blobs, writer, limits, Checkout())
        for batch in _batches(_bounded(entries, limits)):
            work.take(batch)
        return work.checkout


def _bounded(entries: Iterator[TreeEntry], limits: CloneLimits) -> Iterator[TreeEntry]:
    """Stop a tree that is too large while it is read: listing it all could take for ever."""
    for number, entry in enumerate(entries, start=1):
        if number > limits.files:
            raise build_failure(Reason.TOO_LARGE, f"the tree has more than {limits.files} files")
        yield entry


def _batches(entries: Iterator[TreeEntry]) -> Iterator[list[TreeEntry]]:
    while batch := list(itertools.islice(entries, BATCH)):
        yield batch


@dataclass(frozen=True, slots=True)
class _Work:
    """One checkout under way."""

    blobs: BlobReader
    writer: TreeWriter
    limits: CloneLimits
    checkout: Checkout

    def take(self, batch: list[TreeEntry]) -> None:
        """Decide on each entry by its name, then by its size, then by its content."""
        named = [entry for entry in batch if self._accept_name(entry)]
        sizes = self.blobs.sizes([entry.object_id for entry in named])
        wanted = [
            entry
            for entry, size in zip(named, sizes, strict=True)
            if self._accept_size(entry, size)
        ]
        contents = self.blobs.contents([entry.object_id for entry in wanted])
        for entry, content in zip(wanted, contents, strict=True):
            if entry.is_link:
                self._note_link(entry, content)
            else:
                self._take_file(entry, content)

    def _accept_name(self, entry: TreeEntry) -> bool:
        if entry.is_submodule:
            self.checkout.leave_out(entry.path, WhyLeftOut.SUBMODULE, f"commit {entry.object_id}")
        elif not entry.is_link and not entry.is_file:
            self.checkout.leave_out(entry.path, WhyLeftOut.UNKNOWN_MODE, entry.mode)
        elif refusal := refuse_path(entry.path, self.limits):
            self.checkout.leave_out(entry.path, *refusal)
        else:
            return True
        return False

    def _accept_size(self, entry: TreeEntry, size: int | None) -> bool:
        limit = LINK_BYTES if entry.is_link else self.limits.blob_bytes
        if size is not None and size <= limit:
            return True
        why = WhyLeftOut.SYMLINK if entry.is_link else WhyLeftOut.TOO_LARGE
        shown = f"over {limit} bytes" if size is None else f"{size} bytes, the limit is {limit}"
        self.checkout.leave_out(entry.path, why, shown)
        return False

    def _note_link(self, entry: TreeEntry, target: bytes) -> None:
        path = entry.path.decode()
        detail = f"to {shown_path(target)}"
        self.checkout.leave_out(entry.path, WhyLeftOut.SYMLINK, detail)
        if link_escapes(path, target):
            found = Tampering(SYMLINK_ESCAPE, path, printable_line(detail, DETAIL_CHARS))
            self.checkout.note_tampering([found])

    def _take_file(self, entry: TreeEntry, content: bytes) -> None:
        path = entry.path.decode()
        self.checkout.note_tampering(find_tampering(path, content))
        if silenced := silenced_scanner(path):
            self.checkout.leave_out(entry.path, WhyLeftOut.IGNORE_FILE, f"for {silenced[1]}")
        elif pointer := _LFS_POINTER.fullmatch(content):
            self.checkout.leave_out(
                entry.path, WhyLeftOut.LFS, f"stands for {int(pointer[1])} bytes"
            )
        else:
            self._write(path, entry, content)

    def _write(self, path: str, entry: TreeEntry, content: bytes) -> None:
        if self.checkout.total_bytes + len(content) > self.limits.tree_bytes:
            text = f"the tree has more than {self.limits.tree_bytes} bytes"
            raise build_failure(Reason.TOO_LARGE, text)
        try:
            self.writer.write(path, content, executable=entry.is_executable)
        except NameTaken:
            self.checkout.leave_out(entry.path, WhyLeftOut.CASE_COLLISION)
        except NameUnsupported as error:
            text = f"the volume does not take the name: {error}"
            self.checkout.leave_out(entry.path, WhyLeftOut.HOSTILE_NAME, text)
        else:
            language = language_of(path, content[:256])
            size = len(content)
            self.checkout.files.append(ManifestEntry(path, size, entry.object_id, language))
            self.checkout.total_bytes += size
