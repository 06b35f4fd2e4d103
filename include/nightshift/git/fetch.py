"""Fetching one commit into a bare repository of its own, bounded and without trust."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from nightshift.domain.ids import CommitSha
from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CloneLimits
from nightshift.git.commands import (
    Git,
    build_fetch,
    build_forget_remote,
    build_init,
    build_limited,
)
from nightshift.git.failures import FetchFailed, build_failure
from nightshift.git.processes import require_success, run_git

_HARMLESS = "zeroPaddedFilemode"
"""What fetch.fsck allows. git before 2.44 forgets that setting when it filters, so such a
repository is fetched once more without a filter."""
LOCAL_SECONDS = 60.0
"""For commands that touch our own disk only."""


def fetch_commit(
    git: Git, url: str, commit: CommitSha, repository: Path, limits: CloneLimits
) -> None:
    """Fetch one commit, its trees and its blobs up to a size, into a new bare repository.

    The history is left out, and so are larger blobs where the server agrees to filter; where it
    does not, they come, and the tree's writer leaves them out. git checks every object (fsck).
    Afterwards nothing in the repository knows the remote: reading it never uses the network.

    :param repository: a path where nothing is yet.
    :raises Unreachable: if the remote cannot be reached; try again later.
    :raises Gone: if nothing is there, or it has moved.
    :raises Refused: if it wants other credentials.
    :raises NoSuchRef: if the commit is not there (any more).
    :raises FetchFailed: unsafe_repository, too_large, or clone_failed (such as out of time).
    :raises NoRoom: if the disk is full.
    """
    fetch = _Fetch(git, url, commit, repository, limits)
    try:
        fetch.run(blob_bytes=limits.blob_bytes)
    except FetchFailed as failure:
        if _HARMLESS not in str(failure):
            raise
        shutil.rmtree(repository)
        fetch.run(blob_bytes=None)
    else:
        forget = build_forget_remote(git, repository, url)
        require_success("config", run_git(git, "config", forget, timeout_seconds=LOCAL_SECONDS))


@dataclass(frozen=True, slots=True)
class _Fetch:
    git: Git
    url: str
    commit: CommitSha
    repository: Path
    limits: CloneLimits

    def run(self, *, blob_bytes: int | None) -> None:
        """Make the repository and fetch into it; None asks for blobs of any size."""
        git, repository = self.git, self.repository
        init = build_init(git, repository, self.commit)
        require_success("init", run_git(git, "init", init, timeout_seconds=LOCAL_SECONDS))
        fetch = build_fetch(git, repository, self.url, self.commit, blob_bytes=blob_bytes)
        finished = run_git(
            git,
            "fetch",
            build_limited(fetch, self.limits.packed_bytes),
            timeout_seconds=self.limits.seconds,
            timeout_reason=Reason.CLONE_FAILED,  # a slow network or a huge one: no retry tonight
        )
        if finished.code != 0 and self._has_hit_limit():
            text = f"fetch: the packed objects pass the limit of {self.limits.packed_bytes} bytes"
            raise build_failure(Reason.TOO_LARGE, text)
        require_success("fetch", finished)

    def _has_hit_limit(self) -> bool:
        """Tell whether a pack grew to RLIMIT_FSIZE; git itself only says that it is invalid."""
        packs = (self.repository / "objects" / "pack").iterdir()
        return any(pack.stat().st_size >= self.limits.packed_bytes for pack in packs)
