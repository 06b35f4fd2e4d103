"""Finds the comments by which authors silence a scanner, so that nothing vanishes unseen.

Our own search, within bounds: the scanners are told to ignore such comments, and do not count them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from nightshift.domain.printable import printable_path
from nightshift.domain.worklists import Tampering
from nightshift.errors import ConfigError, NotFound
from nightshift.runner.files import read_bounded
from nightshift.scanners.definitions import Suppression

INLINE_SUPPRESSION = "inline_suppression"
_FILE_BYTES = 2 * 1024 * 1024
_TOTAL_BYTES = 512 * 1024 * 1024
_MAX_FILES = 50
_MAX_LINES = 5


@dataclass(slots=True)
class _Count:
    """How often one mark is there."""

    marks: int = 0
    listed: list[Tampering] = field(default_factory=list)
    files: int = 0


def find_suppressions(
    suppressions: Iterable[Suppression], source: Path, paths: Iterable[str]
) -> tuple[Tampering, ...]:
    """Find suppressions in a tree: an entry a file, and one that sums up what is not listed.

    :param paths: relative to ``source``; one that leads out of it is passed over.
    """
    rules = [(s, re.compile(s.pattern.encode(), re.IGNORECASE)) for s in suppressions]
    counts = {suppression.mark: _Count() for suppression, _ in rules}
    for path, data in _read_files(source, paths) if rules else ():
        lowered = data.lower()
        for suppression, pattern in rules:
            if suppression.hint.encode() in lowered:
                _count(counts[suppression.mark], suppression.mark, path, _lines(data, pattern))
    return tuple(entry for mark, count in counts.items() for entry in _entries(mark, count))


def _read_files(source: Path, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    left = _TOTAL_BYTES
    for path in paths:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts:
            continue
        try:
            data = read_bounded(source / path, _FILE_BYTES)
        except (NotFound, ConfigError, OSError, ValueError):
            continue  # a trap or a giant; the scanner's own answer says what it made of it
        left -= len(data)
        if left < 0:
            return
        yield path, data


def _lines(data: bytes, pattern: re.Pattern[bytes]) -> list[int]:
    return [n for n, line in enumerate(data.split(b"\n"), start=1) if pattern.search(line[:4096])]


def _count(count: _Count, mark: str, path: str, lines: list[int]) -> None:
    if not lines:
        return
    count.marks += len(lines)
    count.files += 1
    if len(count.listed) < _MAX_FILES:
        first = ", ".join(str(line) for line in lines[:_MAX_LINES])
        more = f" and {len(lines) - _MAX_LINES} more" if len(lines) > _MAX_LINES else ""
        detail = f"{mark} on line {first}{more}"
        count.listed.append(Tampering(INLINE_SUPPRESSION, printable_path(path), detail))


def _entries(mark: str, count: _Count) -> Iterator[Tampering]:
    yield from count.listed
    if count.files > len(count.listed):
        detail = f"{mark}: {count.marks} in {count.files} files; {len(count.listed)} are listed"
        yield Tampering(INLINE_SUPPRESSION, "", detail)
