"""Writing small git repositories quickly and always the same: one ``git fast-import`` each.

The same contents give the same commit ids on any machine: authors, dates and settings are fixed.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightshift.errors import ConfigError, PermanentError

BRANCH = "refs/heads/main"
FIRST_COMMIT_AT = 1_767_225_600
"""2026-01-01T00:00:00Z; each further commit is a day later. Unit: seconds since 1970."""
_AUTHOR = "Nightshift Samples <samples@nightshift.example>"


@dataclass(frozen=True, slots=True)
class File:
    """One entry of a tree. ``mode`` is 100644, 100755 or 120000 (content is then the target)."""

    content: bytes
    mode: str = "100644"


Tree = Mapping[str, File]
"""Files by their path; paths are ours, so they need no quoting."""


def write_repository(path: Path, commits: Sequence[Tree]) -> str:
    """Make a bare repository; each commit adds or replaces files of the one before.

    :param path: replaced if it exists. No commits make an empty repository.
    :returns: the id of the last commit, "" if there is none.
    :raises ConfigError: if git is not installed.
    :raises PermanentError: if git refuses the contents.
    """
    git = shutil.which("git")
    if git is None:
        raise ConfigError("git", "is not installed or not on PATH")
    shutil.rmtree(path, ignore_errors=True)
    _run([git, "init", "--quiet", "--bare", "--template=", f"--initial-branch={BRANCH[11:]}", path])
    if not commits:
        return ""
    options = ["-c", "core.compression=1", "-c", "core.fsyncMethod=batch"]
    _run([git, *options, "-C", path, "fast-import", "--quiet"], _stream(commits))
    return _run([git, "-C", path, "rev-parse", BRANCH]).strip()


def _stream(commits: Sequence[Tree]) -> bytes:
    return b"".join(part for number, tree in enumerate(commits) for part in _commit(number, tree))


def _commit(number: int, tree: Tree) -> Iterator[bytes]:
    when = FIRST_COMMIT_AT + number * 86_400
    yield f"commit {BRANCH}\ncommitter {_AUTHOR} {when} +0000\n".encode()
    yield _data(f"Sample commit {number + 1}\n".encode())
    for path, file in sorted(tree.items()):
        yield f"M {file.mode} inline {path}\n".encode()
        yield _data(file.content)


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)


def _run(argv: Iterable[str | os.PathLike[str]], stdin: bytes = b"") -> str:
    """Run git with nobody's settings.

    :raises PermanentError: with git's last line, if it fails.
    """
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    done = subprocess.run(
        list(argv), input=stdin, env=environment, capture_output=True, check=False
    )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise PermanentError(f"git: {lines[-1] if lines else 'failed without a word'}")
    return done.stdout.decode()
