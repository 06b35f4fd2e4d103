"""What a case of the hostile corpus is, and short ways to write the common kinds."""

from collections.abc import Callable
from dataclasses import dataclass

from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CloneLimits
from tests.git.hostile.raw import RawRepository

LIMITS = CloneLimits(seconds=60)
PLAIN = {b"app.py": b"print('here')\n"}


@dataclass(frozen=True, slots=True)
class Case:
    """One repository and what must come of it.

    :param build: writes the repository's objects and gives the id of the tree to commit.
    :param reason: how its clone must end.
    :param written: the exact files of its source tree; None where there must be none.
    :param left_out: the exact (shown path, why) pairs that must be reported.
    :param tampering: the exact kinds that must be reported.
    :param config: lines for the repository's own config, on the server's side.
    """

    name: str
    build: Callable[[RawRepository], str]
    reason: Reason = Reason.OK
    written: frozenset[str] | None = frozenset({"app.py"})
    left_out: frozenset[tuple[str, str]] = frozenset()
    tampering: frozenset[str] = frozenset()
    limits: CloneLimits = LIMITS
    sha256: bool = False
    config: str = ""


def unsafe(name: str, build: Callable[[RawRepository], str]) -> Case:
    """Give a case that git's own check of the objects refuses."""
    return Case(name, build, Reason.UNSAFE_REPOSITORY, None)


def too_large(name: str, build: Callable[[RawRepository], str], limits: CloneLimits) -> Case:
    """Give a case that passes a limit of the whole."""
    return Case(name, build, Reason.TOO_LARGE, None, limits=limits)


def left_out(
    name: str,
    entry: tuple[str, bytes, bytes],
    shown: tuple[str, str],
    *,
    tampering: str = "",
    limits: CloneLimits = LIMITS,
    config: str = "",
) -> Case:
    """Give a case of one entry that is not written, beside a plain file that is.

    :param entry: mode, path, content.
    :param shown: the path and the reason that must be reported.
    """
    return Case(
        name,
        lambda raw: with_entry(raw, *entry),
        Reason.OK_PARTIAL,
        left_out=frozenset({shown}),
        tampering=frozenset({tampering} - {""}),
        limits=limits,
        config=config,
    )


def kept(name: str, path: bytes, content: bytes, *, tampering: str = "") -> Case:
    """Give a case of one telling file that is written all the same."""
    return Case(
        name,
        lambda raw: with_entry(raw, "100644", path, content),
        written=frozenset({"app.py", path.decode()}),
        tampering=frozenset({tampering} - {""}),
    )


def with_entry(raw: RawRepository, mode: str, path: bytes, content: bytes) -> str:
    """Write a plain file and one more entry, in folders if its path has any."""
    *folders, name = path.split(b"/")
    entry = (mode, name, raw.blob(content))
    for folder in reversed(folders):
        entry = ("40000", folder, raw.tree([entry]))
    plain = ("100644", b"app.py", raw.blob(PLAIN[b"app.py"]))
    return raw.tree(sorted([plain, entry], key=lambda e: e[1] + b"/" * (e[0] == "40000")))
