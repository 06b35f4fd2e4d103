"""A source tree's manifest: which files were written, one JSON object a line.

It is the list of paths that a scanner's results may name, and the number of files that a scan is
expected to cover (``files_expected``).
"""

from collections.abc import Iterable
from pathlib import Path

from nightshift.domain.jsonvalues import dump, load
from nightshift.domain.worklists import ManifestEntry
from nightshift.errors import ConfigError
from nightshift.runner.files import read_bounded, write_atomically

LIMIT_BYTES = 512 * 1024 * 1024
"""200,000 files with the longest paths, all of them escaped, stay below this."""


def write_manifest(path: Path, entries: Iterable[ManifestEntry]) -> None:
    """Write a manifest, replacing one that is there.

    :raises VolumeFull: if there is no room; an older manifest is then as it was.
    """
    write_atomically(path, "".join(f"{dump(entry)}\n" for entry in entries))


def read_manifest(path: Path) -> tuple[ManifestEntry, ...]:
    """Read a manifest; strict, because the volume is shared with pods that ran strangers' code.

    :raises NotFound: if there is none.
    :raises ConfigError: with the line's number, if a line is not a ManifestEntry.
    """
    try:
        *lines, rest = read_bounded(path, LIMIT_BYTES).decode().split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"is not UTF-8: {error.reason}") from error
    if rest:
        raise ConfigError(str(path), "is torn: its last line has no end")
    return tuple(_read_line(path, number, line) for number, line in enumerate(lines, start=1))


def _read_line(path: Path, number: int, line: str) -> ManifestEntry:
    try:
        return load(ManifestEntry, line)
    except ValueError as error:
        raise ConfigError(f"{path}:{number}", str(error)) from error
