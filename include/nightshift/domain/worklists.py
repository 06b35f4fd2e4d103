"""What a pod is asked to do, and what it answers: the files that cross the volume.

A pod knows no database, so everything it needs is in its work list (mounted read-only, its
SHA-256 in the pod's arguments), and everything it says is in status files on the volume.
Paths on the volume, below the pod's workspace root (one volume an account and batch):

    src/<repository>/                      the source tree: plain files, no .git, no links
    checkout/<repository>.json             CheckoutStatus
    checkout/<repository>.manifest.jsonl   one JSON object a file: path, size, blob, language
    out/<shard>/<scan>/status.json         ScanStatus
    out/<shard>/<scan>/result.sarif        the scanner's own output, untrusted
    out/<shard>/<scan>/log                 the scanner's stderr and stdout, bounded

Reading is strict (unknown keys, wrong types and bad names are refused): a status file comes from
a pod that ran strangers' code. Times are RFC 3339 in UTC; sizes are bytes; durations are seconds.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from nightshift.domain.ids import (
    AccountName,
    CommitSha,
    RepositoryName,
    ScanName,
    ScannerName,
    ShardName,
)
from nightshift.domain.scans import Outcome, Reason, check_outcome


@dataclass(frozen=True, slots=True)
class CloneItem:
    """One repository to fetch.

    :param remote: the URL, already checked against the allowed protocols.
    :param commit: what to fetch, from ls-remote.
    """

    repository: RepositoryName
    remote: str
    commit: CommitSha


@dataclass(frozen=True, slots=True)
class CloneLimits:
    """What one repository may cost; over a limit it is not run, with reason too_large."""

    packed_bytes: int = 2_000_000_000
    tree_bytes: int = 4_000_000_000
    files: int = 200_000
    blob_bytes: int = 1_048_576
    path_bytes: int = 1_024
    depth: int = 64
    seconds: int = 900


@dataclass(frozen=True, slots=True)
class CloneWorkList:
    """What one clone pod does."""

    batch: int
    shard: ShardName
    account: AccountName
    protocols: tuple[str, ...]
    items: tuple[CloneItem, ...]
    limits: CloneLimits = dataclasses.field(default_factory=CloneLimits)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that the tree writer did not write, and why (symlink, submodule, too_large, ..)."""

    path: str
    why: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tampering:
    """An attempt of a repository to escape or to silence its scan.

    :param kind: symlink_escape, attributes, ignore_file, scanner_config, inline_suppression.
    :param detail: what it tried, one line, safe to show.
    """

    kind: str
    path: str
    detail: str


@dataclass(frozen=True, slots=True)
class CheckoutStatus:
    """How the fetch of one repository ended. ``state`` is ready or not_run; ``reason`` says why.

    :param left_out: at most 1,000 entries; ``left_out_count`` is the true number.
    :param seconds: wall time of the fetch and of writing the tree.
    """

    repository: RepositoryName
    commit: CommitSha
    state: str
    reason: Reason
    message: str = ""
    bytes: int = 0
    files: int = 0
    seconds: float = 0.0
    languages: Mapping[str, int] = dataclasses.field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    left_out_count: int = 0
    tampering: tuple[Tampering, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file of a source tree. ``language`` is "" where we know none."""

    path: str
    size: int
    blob: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class ScanItem:
    """One scan: a scanner on one repository at one commit.

    :param scan: ``<batch>-<repository>-<scanner>``; also its folder below out/<shard>/.
    :param cache_key: commit, scanner version, rules and settings; equal keys give equal results.
    :param deadline_seconds: wall time of the scanner's process.
    :param memory_bytes: resident memory of the scanner's process group.
    """

    scan: ScanName
    repository: RepositoryName
    commit: CommitSha
    scanner: ScannerName
    cache_key: str
    deadline_seconds: int
    memory_bytes: int
    output_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScanWorkList:
    """What one scan pod does.

    :param require_confinement: refuse to scan on a kernel without Landlock or seccomp.
    """

    batch: int
    shard: ShardName
    account: AccountName
    items: tuple[ScanItem, ...]
    require_confinement: bool = True


class Phase(StrEnum):
    """``running`` on disk without a process means that an attempt died in this scan."""

    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ScanStatus:
    """What a scan pod says of one scan. ``outcome`` and ``reason`` are set once it has ended.

    :param message: one line for people; bounded to 2,000 characters.
    :param files_scanned: None where the scanner does not tell.
    :param skipped: paths that the scanner could not read or parse, at most 1,000.
    :param confinement: what was in force, such as ``landlock:7``, ``seccomp``, ``no_new_privs``.
    :param may_close: the scan proves absence: succeeded, canary found, output whole.
    """

    scan: ScanName
    attempt: int
    phase: Phase
    cache_key: str
    outcome: Outcome | None = None
    reason: Reason | None = None
    message: str = ""
    exit_code: int | None = None
    started_at: str = ""
    finished_at: str = ""
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    files_expected: int = 0
    files_scanned: int | None = None
    skipped: tuple[str, ...] = ()
    output_bytes: int = 0
    output_sha256: str = ""
    confinement: tuple[str, ...] = ()
    tampering: tuple[Tampering, ...] = ()
    may_close: bool = False

    def __post_init__(self) -> None:
        """Keep the outcome and its reason together and in agreement."""
        if (self.phase is Phase.ENDED) != (self.outcome is not None and self.reason is not None):
            raise ValueError("an ended scan, and no other, has an outcome and a reason")
        if self.outcome is not None and self.reason is not None:
            check_outcome(self.outcome, self.reason)
