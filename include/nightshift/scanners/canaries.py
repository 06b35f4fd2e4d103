"""Builds a scanner's canary: a tiny repository whose findings are known.

Exit code 0 and valid SARIF prove nothing: tools end so on a missing path, too. A canary that is
not found whole means that the tool's silence about a repository proves nothing either.
"""

import re
from pathlib import Path

from nightshift.scanners.definitions import ExpectedResult, Scanner
from nightshift.scanners.loading import list_files, sample_name

_WORD = re.compile(rb"@@([A-Z0-9_]+)@@")


def build_canary(scanner: Scanner, folder: Path) -> tuple[str, ...]:
    """Write the canary's files below ``folder``, words filled in.

    :param folder: exists and is empty.
    :returns: the paths of its files, relative to ``folder``.
    """
    sample = scanner.folder / "sample"
    words = {name.encode(): text.encode() for name, text in scanner.canary.words.items()}
    paths = []
    for path in list_files(sample):
        name = sample_name(path.relative_to(sample))
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_WORD.sub(lambda match: words[match[1]], path.read_bytes()))
        paths.append(name)
    return tuple(paths)


def list_missed(scanner: Scanner, found: frozenset[ExpectedResult]) -> tuple[ExpectedResult, ...]:
    """List what the canary should have given and did not; empty means that it passed."""
    return tuple(expected for expected in scanner.canary.expected if expected not in found)
