"""The hostile corpus: repositories that try to break a clone or to hide from a scan.

``python -m tests.git.hostile.build FOLDER`` writes them all, to look at by hand. Sizes are scaled:
where the wild has 300 MB blobs, lines of 50 MB and millions of files, a case here has a few
megabytes or a thousand files, and limits that are as much smaller.
"""

import random
import sys
from pathlib import Path

from nightshift.domain.ids import CommitSha
from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CloneLimits
from tests.git.hostile.cases import PLAIN, Case, kept, left_out, too_large, unsafe, with_entry
from tests.git.hostile.raw import RawRepository

SMALL = CloneLimits(packed_bytes=1_000_000, blob_bytes=100_000, seconds=60)
FEW = CloneLimits(files=1_000, seconds=60)
LFS_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"5" * 64 + b"\nsize 123456\n"
)


def _named(mode: str, name: bytes, content: bytes = b"x\n") -> Case:
    label = f"tree entry {name.decode(errors='backslashreplace')} as {mode}"
    return unsafe(label, lambda raw: with_entry(raw, mode, name, content))


def _full_path(raw: RawRepository) -> str:
    return raw.tree([("100644", b"/etc/cron.d/x", raw.blob(b"x\n"))])


def _nested(name: bytes, mode: str = "40000") -> Case:
    def build(raw: RawRepository) -> str:
        inner = raw.files({b"config": b"[core]\n\tfsmonitor = touch x\n"})
        return raw.tree([(mode, name, inner)])

    return unsafe(f"folder named {name.decode()}", build)


def _duplicates(raw: RawRepository) -> str:
    return raw.tree([
        ("100644", b"app.py", raw.blob(b"one\n")),
        ("100644", b"app.py", raw.blob(b"two\n")),
    ])


def _bomb(raw: RawRepository) -> str:
    """Ten levels of ten: eleven objects that list as 10,000,000,000 files."""
    level = raw.files({b"f%d" % n: b"boom\n" for n in range(10)})
    for _ in range(9):
        level = raw.tree([("40000", b"d%d" % n, level) for n in range(10)])
    return level


def _zero_padded(raw: RawRepository) -> str:
    inner = raw.files({b"b.py": b"x\n"})
    return raw.tree([("100644", b"app.py", raw.blob(b"x\n")), ("040000", b"old", inner)])


def _many(raw: RawRepository) -> str:
    blob = raw.blob(b"x\n")
    return raw.tree([("100644", b"f%05d" % n, blob) for n in range(2_000)])


def _big_tree(raw: RawRepository) -> str:
    blob = raw.blob(b"0123456789" * 9_000)
    return raw.tree([("100644", b"f%03d" % n, blob) for n in range(50)])


def _noise(size: int) -> bytes:
    """Make bytes that do not compress, the same each time."""
    return random.Random(7).randbytes(size)


REFUSED_BY_GIT = (
    _named("100644", b".."),
    _named("100644", b"."),
    _named("120000", b".gitmodules", b"/etc/passwd"),
    _named("100644", b".gitmodules", b'[submodule "x"]\n\tpath = x\n\turl = -u./x\n'),
    _named("100644", b".gitmodules", b'[submodule "../x"]\n\tpath = x\n\turl = https://a.b/c\n'),
    unsafe("full path", _full_path),
    unsafe("duplicate entries", _duplicates),
    _nested(b".GIT"),
    _nested(b"git~1"),
    _nested(b".git"),
)

WRITTEN_WITH_CARE = (
    Case("plain", lambda raw: raw.files(PLAIN)),
    Case("plain, SHA-256", lambda raw: raw.files(PLAIN), sha256=True),
    Case("empty tree", lambda raw: raw.tree([]), written=frozenset()),
    Case(
        "names that differ in case",
        lambda raw: raw.files({b"App.py": b"1\n", b"app.py": b"2\n"}),
        written=frozenset({"App.py", "app.py"}),
    ),
    Case("zero-padded modes", _zero_padded, written=frozenset({"app.py", "old/b.py"})),
    kept("executable text", b"bin/run.sh", b"#!/bin/sh\n"),
    kept("inner name led by a dash", b"src/-rf", b"x\n"),
    left_out("newline in a name", ("100644", b"a\nb", b"x"), ("a\\x0ab", "hostile_name")),
    left_out("name of an option", ("100644", b"-rf", b"x"), ("-rf", "hostile_name")),
    left_out("name not in UTF-8", ("100644", b"caf\xe9", b"x"), ("caf\\udce9", "hostile_name")),
    left_out(
        "name with a bidirectional override",
        ("100644", "x\u202egnp.py".encode(), b"x"),
        ("x\\u202egnp.py", "hostile_name"),
    ),
    left_out("name of 256 bytes", ("100644", b"n" * 256, b"x"), ("n" * 256, "path_too_long")),
    left_out(
        "3,000 levels",
        ("100644", b"d/" * 3_000 + b"f", b"x"),
        (("d/" * 512)[:1_023] + "…", "path_too_long"),
    ),
    left_out("100 levels", ("100644", b"d/" * 100 + b"f", b"x"), ("d/" * 100 + "f", "too_deep")),
    Case(
        "submodule without a .gitmodules",
        lambda raw: raw.tree([
            ("100644", b"app.py", raw.blob(b"x\n")),
            ("160000", b"lib", "1" * 40),
        ]),
        Reason.OK_PARTIAL,
        left_out=frozenset({("lib", "submodule")}),
    ),
    left_out("link inside the tree", ("120000", b"l", b"app.py"), ("l", "symlink")),
    left_out(
        "link to /etc",
        ("120000", b"l", b"/etc/passwd"),
        ("l", "symlink"),
        tampering="symlink_escape",
    ),
    left_out(
        "link to another account",
        ("120000", b"d/l", b"../../other"),
        ("d/l", "symlink"),
        tampering="symlink_escape",
    ),
    left_out("LFS pointer", ("100644", b"model.bin", LFS_POINTER), ("model.bin", "lfs")),
    kept("code under an LFS header", b"x.sh", LFS_POINTER + b"rm -rf /\n"),
)

OVER_A_LIMIT = (
    too_large("tree bomb", _bomb, FEW),
    too_large("many files (scaled: 2,000 for a million)", _many, FEW),
    too_large("large tree", _big_tree, CloneLimits(tree_bytes=1_000_000, seconds=60)),
    too_large(
        "pack over the limit, server without filters (scaled: 3 MB for 300 MB)",
        lambda raw: raw.files(PLAIN | {b"x.bin": _noise(3_000_000)}),
        SMALL,
    ),
    left_out(
        "large blob, server with filters (scaled: 3 MB for 300 MB)",
        ("100644", b"x.bin", _noise(3_000_000)),
        ("x.bin", "too_large"),
        limits=SMALL,
        config="[uploadpack]\n\tallowFilter = true\n",
    ),
    left_out(
        "long line, server without filters (scaled: 2 MB for 50 MB)",
        ("100644", b"line.js", b"a=1;" * 500_000),
        ("line.js", "too_large"),
    ),
)

SILENCERS = (
    kept("attribute working-tree-encoding", b".gitattributes",
         b"*.py working-tree-encoding=UTF-16LE-BOM\n", tampering="attributes"),
    kept("attribute export-ignore", b"src/.gitattributes", b"* export-ignore\n",
         tampering="attributes"),
    kept("attribute filter", b".gitattributes", b"*.py filter=hide\n", tampering="attributes"),
    kept("attribute ident", b".gitattributes", b"*.py ident\n", tampering="attributes"),
    kept("attribute eol", b".gitattributes", b"*.py text eol=crlf\n", tampering="attributes"),
    kept("ordinary attributes", b".gitattributes",
         b"* text=auto\n*.bin filter=lfs diff=lfs -text\n*.bat eol=crlf\n"),
    left_out(".gitleaksignore", ("100644", b".gitleaksignore", b"a:b:1\n"),
             (".gitleaksignore", "ignore_file"), tampering="ignore_file"),
    left_out(".semgrepignore", ("100644", b".semgrepignore", b"*\n"),
             (".semgrepignore", "ignore_file"), tampering="ignore_file"),
    left_out(".bandit", ("100644", b".bandit", b"[bandit]\nskips: B602\n"),
             (".bandit", "ignore_file"), tampering="scanner_config"),
    left_out("ruff.toml", ("100644", b"sub/ruff.toml", b"exclude = ['*']\n"),
             ("sub/ruff.toml", "ignore_file"), tampering="scanner_config"),
    left_out(".flawfinder", ("100644", b".flawfinder", b"x\n"),
             (".flawfinder", "ignore_file"), tampering="scanner_config"),
    kept("settings of ruff in pyproject.toml", b"pyproject.toml",
         b"[tool.ruff.lint.per-file-ignores]\n'*' = ['S']\n", tampering="scanner_config"),
    kept("settings of bandit in setup.cfg", b"setup.cfg", b"[bandit]\nskips = B101\n",
         tampering="scanner_config"),
    kept("settings of bandit in tox.ini", b"tox.ini", b"[bandit]\nexclude = app\n",
         tampering="scanner_config"),
)  # fmt: skip

CORPUS = (*REFUSED_BY_GIT, *WRITTEN_WITH_CARE, *OVER_A_LIMIT, *SILENCERS)


def build_case(case: Case, path: Path) -> tuple[RawRepository, CommitSha]:
    """Write a case's repository; gives it and the commit to clone."""
    raw = RawRepository(path, sha256=case.sha256)
    raw.set_config(case.config)
    return raw, raw.commit(case.build(raw))


def main() -> None:
    """Write the whole corpus below the folder that is given."""
    folder = Path(sys.argv[1])
    for number, case in enumerate(CORPUS):
        raw, commit = build_case(case, folder / f"{number:02}.git")
        print(f"{raw.path}  {commit}  {case.reason:18}  {case.name}")


if __name__ == "__main__":
    main()
