"""Fetching one commit into a bare repository of its own, bounded and without trust."""

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
    init = build_init(git, repository, commit)
    require_success("init", run_git(git, "init", init, timeout_seconds=LOCAL_SECONDS))
    fetch = build_limited(build_fetch(git, repository, url, commit, limits), limits.packed_bytes)
    finished = run_git(
        git,
        "fetch",
        fetch,
        timeout_seconds=limits.seconds,
        timeout_reason=Reason.CLONE_FAILED,  # the network is slow or it is huge: not worth a retry
    )
    try:
        require_success("fetch", finished)
    except FetchFailed as failure:
        if failure.reason is not Reason.TOO_LARGE:
            raise
        text = f"fetch: its packed objects pass the limit of {limits.packed_bytes} bytes"
        raise build_failure(Reason.TOO_LARGE, text) from failure
    forget = build_forget_remote(git, repository, url)
    require_success("config", run_git(git, "config", forget, timeout_seconds=LOCAL_SECONDS))
