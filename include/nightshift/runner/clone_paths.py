"""Which paths of a repository we are willing to make on our disk, and why not the others.

git's fsck has already refused ``..``, ``.git`` in all its spellings and full paths; we check again
because a mistake here writes outside the workspace.
"""

import os
from enum import StrEnum

from nightshift.domain.printable import printable_path
from nightshift.domain.worklists import CloneLimits

NAME_BYTES = 255
"""NAME_MAX of every file system we know."""
SHOWN_CHARS = 1_024
SHOWN_BYTES = 4 * SHOWN_CHARS  # UTF-8 takes at most four bytes a character


class WhyLeftOut(StrEnum):
    """Why a file of the commit is not in the source tree."""

    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    LFS = "lfs"  # a pointer; the content is on another server and was not fetched
    TOO_LARGE = "too_large"
    PATH_TOO_LONG = "path_too_long"
    TOO_DEEP = "too_deep"
    HOSTILE_NAME = "hostile_name"
    CASE_COLLISION = "case_collision"
    IGNORE_FILE = "ignore_file"  # tells a scanner what not to see
    UNKNOWN_MODE = "unknown_mode"


def refuse_path(raw: bytes, limits: CloneLimits) -> tuple[WhyLeftOut, str] | None:
    """Say why a path must not be written, with a detail to show; None if it may.

    Refused are names that a terminal, a log or a command line could take for something else:
    what is not UTF-8 or not printable, ``.git``, and a first part led by ``-`` (an option).
    """
    if len(raw) > limits.path_bytes:
        return WhyLeftOut.PATH_TOO_LONG, f"{len(raw)} bytes, the limit is {limits.path_bytes}"
    parts = raw.split(b"/")
    if len(parts) > limits.depth:
        return WhyLeftOut.TOO_DEEP, f"{len(parts)} levels, the limit is {limits.depth}"
    if any(len(part) > NAME_BYTES for part in parts):
        return WhyLeftOut.PATH_TOO_LONG, f"a name of more than {NAME_BYTES} bytes"
    fault = _name_fault(raw, parts)
    return (WhyLeftOut.HOSTILE_NAME, fault) if fault else None


def shown_path(raw: bytes) -> str:
    """Write any path as printable text, cut to 1,024 characters."""
    text = printable_path(os.fsdecode(raw[:SHOWN_BYTES]))
    is_whole = len(raw) <= SHOWN_BYTES and len(text) <= SHOWN_CHARS
    return text if is_whole else f"{text[: SHOWN_CHARS - 1]}…"


def link_escapes(path: str, target: bytes) -> bool:
    """Tell whether a link at ``path`` leads out of its tree, judged part by part.

    >>> link_escapes("docs/a", b"../README"), link_escapes("docs/a", b"../../other/x")
    (False, True)
    """
    if target.startswith(b"/"):
        return True
    depth = path.count("/")
    for part in target.split(b"/"):
        depth += {b"..": -1, b".": 0, b"": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def _name_fault(raw: bytes, parts: list[bytes]) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    if not text.isprintable():
        return "control or invisible characters"
    if any(part in {b"", b".", b".."} or part.lower() == b".git" for part in parts):
        return "a part that is empty, ., .. or .git"
    if raw.startswith(b"-"):
        return "looks like an option"
    return ""
