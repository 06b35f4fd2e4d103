"""A container's log: stamped lines in numbered files, of which the last two are kept.

A line is ``2026-01-02T03:04:05.123456000Z F text``, as in the CRI's logs; P instead of F marks a
piece of a line that goes on in the next entry (one longer than 16 KiB, or the last without an end).
Stamps have a fixed length, so they compare as text. Bytes pass through as they are.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from nightshift.clock import Clock

STAMP_LENGTH = 30
HEADER_LENGTH = STAMP_LENGTH + len(" F ")
FLAG_AT = STAMP_LENGTH + 1
PIECE_BYTES = 16 * 1024
_KEPT_FILES = 2
_SUFFIX = ".log"


def format_stamp(moment: dt.datetime) -> str:
    """Write ``moment`` (UTC) as RFC 3339 with nine digits."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def list_files(folder: Path) -> Sequence[int]:
    """List the numbers of the log's files, oldest first."""
    if not folder.is_dir():
        return ()
    return sorted(int(path.stem) for path in folder.glob(f"*{_SUFFIX}") if path.stem.isdigit())


def file_path(folder: Path, number: int) -> Path:
    """Name the log file ``number``."""
    return folder / f"{number}{_SUFFIX}"


class LogWriter:
    """Appends what a container prints. Its folder is made with the first byte.

    :param limit_bytes: a new file is begun beyond it.
    """

    def __init__(self, folder: Path, clock: Clock, limit_bytes: int) -> None:
        self.folder = folder
        self.closed = False
        self._clock = clock
        self._limit = limit_bytes
        self._number = 0
        self._size = 0
        self._file: BinaryIO | None = None
        self._rest = b""
        self._changed = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Append ``data``, which may end anywhere in a line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        header = f"{format_stamp(self._clock())} ".encode()
        entries = [entry for line in lines for entry in _split_line(header, line, b"F")]
        while len(self._rest) >= PIECE_BYTES:
            entries.append(header + b"P " + self._rest[:PIECE_BYTES] + b"\n")
            self._rest = self._rest[PIECE_BYTES:]
        self._append(b"".join(entries))

    def close(self) -> None:
        """Write what is left without an end of line; nothing follows."""
        if self._rest:
            header = f"{format_stamp(self._clock())} ".encode()
            self._append(header + b"P " + self._rest + b"\n")
        self.closed = True
        if self._file:
            self._file.close()
        self._changed.set()

    @property
    def changed(self) -> asyncio.Event:
        """Is set by the next write, or by ``close``; take it before you read."""
        return self._changed

    def _append(self, entries: bytes) -> None:
        if not entries:
            return
        if self._file is None or self._size > self._limit:
            self._begin_file()
        if self._file is None:
            return
        self._file.write(entries)
        self._size += len(entries)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _begin_file(self) -> None:
        if self._file:
            self._file.close()
            self._number += 1
            file_path(self.folder, self._number - _KEPT_FILES).unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = file_path(self.folder, self._number).open("ab", buffering=0)
        self._size = 0


def _split_line(header: bytes, line: bytes, last: bytes) -> list[bytes]:
    pieces = [line[at : at + PIECE_BYTES] for at in range(0, len(line), PIECE_BYTES)] or [b""]
    flags = [b"P"] * (len(pieces) - 1) + [last]
    return [header + flag + b" " + piece + b"\n" for flag, piece in zip(flags, pieces, strict=True)]
