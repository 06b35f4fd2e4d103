"""Checked strings. Each type is made only by the function that checks it."""

import re
from typing import NewType

AccountName = NewType("AccountName", str)
"""Who owns repositories: 1 to 40 of ``a-z 0-9 -``, no dash at either end (a label value)."""
RepositoryName = NewType("RepositoryName", str)
"""A repository's folder name in its account: 1 to 100 of ``A-Za-z0-9._-``, not led by ``.-``."""
CommitSha = NewType("CommitSha", str)
"""A git object id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits."""
NodeName = NewType("NodeName", str)
ScannerName = NewType("ScannerName", str)
"""A scanner's folder name: 1 to 40 of ``a-z 0-9 -``."""
ShardName = NewType("ShardName", str)
"""Unique inside its batch: ``s001``, ``s002`` .. for scans, ``c001`` .. for clones."""
ScanName = NewType("ScanName", str)
"""``<batch>-<repository>-<scanner>``: unique for ever; also a folder name."""

_ACCOUNT = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SHARD = re.compile(r"[cs][0-9]{3,6}")
_SCAN = re.compile(r"[0-9]{1,18}-[A-Za-z0-9_][A-Za-z0-9._-]{0,150}")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def parse_account_name(text: str) -> AccountName:
    """Check an account's name.

    :raises ValueError: with the rule, when it does not hold.
    """
    if not _ACCOUNT.fullmatch(text):
        raise ValueError("an account's name is 1 to 40 of a-z, 0-9 and -, with no - at either end")
    return AccountName(text)


def parse_repository_name(text: str) -> RepositoryName:
    """Check a repository's folder name; it is used as a path on the volume.

    :raises ValueError: with the rule, when it does not hold.
    """
    if not _REPOSITORY.fullmatch(text) or text in {".", ".."}:
        raise ValueError(
            "a repository's name is 1 to 100 of A-Z a-z 0-9 . _ - and led by neither . nor -"
        )
    return RepositoryName(text)


def parse_scanner_name(text: str) -> ScannerName:
    """Check a scanner's name.

    :raises ValueError: with the rule, when it does not hold.
    """
    if not _ACCOUNT.fullmatch(text):
        raise ValueError("a scanner's name is 1 to 40 of a-z, 0-9 and -, with no - at either end")
    return ScannerName(text)


def parse_shard_name(text: str) -> ShardName:
    """Check a shard's name.

    :raises ValueError: if it is not c or s and three to six digits.
    """
    if not _SHARD.fullmatch(text):
        raise ValueError("a shard's name is c or s and three to six digits")
    return ShardName(text)


def parse_scan_name(text: str) -> ScanName:
    """Check a scan's name; it is used as a path on the volume.

    :raises ValueError: with the rule, when it does not hold.
    """
    if not _SCAN.fullmatch(text):
        raise ValueError("a scan's name is <batch>-<repository>-<scanner>")
    return ScanName(text)


def parse_commit_sha(text: str) -> CommitSha:
    """Check a full git object id.

    :raises ValueError: if it is not 40 or 64 lower-case hex digits.
    """
    if not _COMMIT.fullmatch(text):
        raise ValueError("a commit id is 40 or 64 lower-case hex digits")
    return CommitSha(text)
