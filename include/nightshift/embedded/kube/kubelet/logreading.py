"""Reads a container's log for GET .../log: since, tail, limit, timestamps, follow.

Source: pkg/kubelet/kuberuntime/logs: the tail is taken first, then what is too old is left out.
"""

import datetime as dt
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from nightshift.clock import Clock
from nightshift.embedded.kube.interfaces import LogOptions, StatusError
from nightshift.embedded.kube.kubelet import logfiles
from nightshift.embedded.kube.kubelet.logfiles import FLAG_AT, HEADER_LENGTH, STAMP_LENGTH

_BLOCK_BYTES = 256 * 1024
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


async def read_log(
    folder: Path, options: LogOptions, writer: logfiles.LogWriter | None, clock: Clock
) -> AsyncIterator[bytes]:
    """Give the log in chunks of whole entries.

    :param writer: whoever still appends, if anyone does; followed until it is closed.
    :raises StatusError: 400 BadRequest if ``since_time`` is no time.
    """
    form = _Form(options, find_cutoff(options, clock))
    number, offset = _find_start(folder, options.tail_lines)
    while not form.is_full:
        live = writer if options.follow and writer and not writer.closed else None
        changed = live.changed if live else None
        for block in _read_blocks(folder, number, offset):
            offset += len(block)
            if shown := form.show(block):
                yield shown
        newer = [n for n in logfiles.list_files(folder) if n > number]
        if newer:
            number, offset = newer[0], 0
        elif changed is None:
            return
        else:
            await changed.wait()


def find_cutoff(options: LogOptions, clock: Clock) -> str:
    """Compute the stamp before which entries are left out; "" for none.

    :raises StatusError: 400 BadRequest if ``since_time`` is no time.
    """
    if options.since_seconds is not None:
        return logfiles.format_stamp(clock() - dt.timedelta(seconds=options.since_seconds))
    if options.since_time is None:
        return ""
    match = _TIME.fullmatch(options.since_time)
    try:
        if match is None:
            raise ValueError("RFC 3339 asks for a date, a time and an offset")
        zone = "+00:00" if match[3] in "Zz" else match[3]
        whole = dt.datetime.fromisoformat(match[1].replace(" ", "T") + zone).astimezone(dt.UTC)
    except ValueError as error:
        text = f"sinceTime: {options.since_time!r} is no RFC 3339 time: {error}"
        raise StatusError(400, "BadRequest", text) from error
    fraction = (match[2] or ".").ljust(10, "0")
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


class _Form:
    """Turns entries into what was asked for."""

    def __init__(self, options: LogOptions, cutoff: str) -> None:
        self._timestamps = options.timestamps
        self._cutoff = cutoff.encode()
        self._left = options.limit_bytes
        self._in_line = False

    @property
    def is_full(self) -> bool:
        return self._left is not None and self._left <= 0

    def show(self, block: bytes) -> bytes:
        shown = b"".join(self._show_entries(block))
        if self._left is not None:
            shown = shown[: max(0, self._left)]
            self._left -= len(shown)
        return shown

    def _show_entries(self, block: bytes) -> Iterator[bytes]:
        for entry in block.split(b"\n")[:-1]:
            goes_on = entry[FLAG_AT : FLAG_AT + 1] == b"P"
            starts, self._in_line = not self._in_line, goes_on
            if entry[:STAMP_LENGTH] < self._cutoff:
                continue
            if self._timestamps and starts:
                yield entry[: STAMP_LENGTH + 1]
            yield entry[HEADER_LENGTH:] if goes_on else entry[HEADER_LENGTH:] + b"\n"


def _read_blocks(folder: Path, number: int, offset: int) -> Iterator[bytes]:
    """Read whole entries from ``offset`` to the file's end."""
    try:
        file = logfiles.file_path(folder, number).open("rb")
    except FileNotFoundError:  # nothing printed yet, or rotated away
        return
    with file:
        file.seek(offset)
        while block := file.read(_BLOCK_BYTES):
            end = block.rfind(b"\n") + 1  # an entry is far shorter than a block
            if not end:
                return
            file.seek(end - len(block), 1)
            yield block[:end]


def _find_start(folder: Path, tail_lines: int | None) -> tuple[int, int]:
    """Find (file, offset) of the first entry to show."""
    numbers = logfiles.list_files(folder) or [0]
    if tail_lines is None:
        return numbers[0], 0
    left = tail_lines
    for number in reversed(numbers):
        path = logfiles.file_path(folder, number)
        content = path.read_bytes() if path.exists() else b""
        offset, left = _skip_back(content, left, is_last=number == numbers[-1])
        if left == 0:
            return number, offset
    return numbers[0], 0


def _skip_back(content: bytes, lines: int, *, is_last: bool) -> tuple[int, int]:
    """Go ``lines`` lines back from the end; return the offset and how many are still to go.

    :param is_last: the last entry ends a line even if it says that the line goes on.
    """
    position, left = len(content), lines
    while position > 0:
        start = content.rfind(b"\n", 0, position - 1) + 1
        ends_line = content[start + FLAG_AT : start + FLAG_AT + 1] == b"F"
        if ends_line or (is_last and position == len(content)):
            if left == 0:
                return position, 0
            left -= 1
        position = start
    return 0, left
