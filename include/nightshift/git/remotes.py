"""Asking a remote for its head commit, without fetching anything."""

import re
from dataclasses import dataclass

from nightshift.domain.ids import CommitSha, parse_commit_sha
from nightshift.domain.repositories import RefName, Remote
from nightshift.domain.scans import Reason
from nightshift.git.commands import Git, build_ls_remote, object_format_of
from nightshift.git.failures import build_failure
from nightshift.git.processes import require_success, run_git

TIMEOUT_SECONDS = 30.0
_COMMIT_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Head:
    """What a remote says that we should scan.

    :param commit: None if the repository is empty, which is a fact and not an error.
    :param ref: the full name it stands for (``refs/heads/main``), "" if the remote does not tell.
    """

    commit: CommitSha | None
    ref: str = ""

    @property
    def is_empty(self) -> bool:
        """Tell whether the repository has no commit at all."""
        return self.commit is None

    @property
    def object_format(self) -> str:
        """Name the hash of the commit's id: ``sha1`` or ``sha256``."""
        return "sha1" if self.commit is None else object_format_of(self.commit)


def read_head(
    git: Git,
    remote: Remote,
    ref: RefName | None = None,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Head:
    """Ask a remote which commit a ref stands for.

    A short name is a branch first, then a tag (peeled to its commit). A full commit id is believed
    as it is; the fetch finds out whether it is there.

    :param ref: None is the remote's HEAD.
    :raises Unreachable: with reason dns, connect, forge_5xx or rate_limited; try again later.
    :raises Gone: if nothing is there, or it has moved.
    :raises Refused: if it wants other credentials.
    :raises NoSuchRef: if it has commits, but not this ref.
    """
    if ref is not None and _COMMIT_ID.fullmatch(ref):
        return Head(parse_commit_sha(ref))
    wanted = _full_names(ref)
    refs, target = _list_refs(git, remote, wanted, timeout_seconds)
    for name in wanted:
        if name in refs:
            return Head(refs[name], target if name == "HEAD" else name.removesuffix("^{}"))
    return _explain_absence(git, remote, ref, timeout_seconds)


def _full_names(ref: RefName | None) -> tuple[str, ...]:
    if ref is None or ref == "HEAD":
        return ("HEAD",)
    if ref.startswith("refs/"):
        return (f"{ref}^{{}}", ref)
    return (f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}")


def _explain_absence(git: Git, remote: Remote, ref: RefName | None, timeout_seconds: float) -> Head:
    refs, _ = _list_refs(git, remote, ("refs/heads/*", "refs/tags/*"), timeout_seconds)
    if not refs:
        return Head(None)
    wanted = f"no ref {ref}" if ref else "a HEAD that points to no commit: set the repository's ref"
    raise build_failure(Reason.REF_NOT_FOUND, f"{remote} has {wanted}")


def _list_refs(
    git: Git, remote: Remote, patterns: tuple[str, ...], timeout_seconds: float
) -> tuple[dict[str, CommitSha], str]:
    """List refs by name, and the branch that HEAD stands for."""
    finished = run_git(
        git,
        "ls-remote",
        build_ls_remote(git, remote.url, patterns),
        timeout_seconds=timeout_seconds,
        stdout_bytes=16 << 20,
    )
    refs: dict[str, CommitSha] = {}
    target = ""
    for line in require_success("ls-remote", finished).decode(errors="replace").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            target = value.removeprefix("ref: ")
        elif _COMMIT_ID.fullmatch(value):
            refs[name] = CommitSha(value)
    return refs, target
