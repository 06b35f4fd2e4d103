"""What can go wrong with a remote, each with the reason that a scan row stores.

    GitFailure(reason)
      Unreachable      retryable: dns, connect, forge_5xx, rate_limited
      Gone             remote_gone, remote_moved
      Refused          auth_failed
      NoSuchRef        ref_not_found
      FetchFailed      unsafe_repository, too_large, clone_failed
      NoRoom           volume_full

git has no error codes, only text, so ``classify`` knows its sentences (in the C locale, git 2.30
and later, and what curl and OpenSSH say through it). What it does not know is clone_failed.
"""

import re

from nightshift.domain.printable import printable_line
from nightshift.domain.scans import Reason
from nightshift.errors import (
    Forbidden,
    NightshiftError,
    NotFound,
    PermanentError,
    RefNotFound,
    RemoteUnavailable,
    VolumeFull,
)

MESSAGE_CHARS = 400


class GitFailure(NightshiftError):
    """git could not do what it was asked to do; ``reason`` is what a scan row stores."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class Unreachable(GitFailure, RemoteUnavailable):
    """The remote did not answer, or asked us to come back later."""


class Gone(GitFailure, NotFound):
    """There is no repository at this URL, or it has moved to another."""


class Refused(GitFailure, Forbidden):
    """The remote wants credentials, or other ones."""


class NoSuchRef(GitFailure, RefNotFound):
    """The remote answered, but has no such ref or commit."""


class FetchFailed(GitFailure, PermanentError):
    """The repository could not be fetched, and trying again gives the same."""


class NoRoom(GitFailure, VolumeFull):
    """The volume or the scratch space is used up."""


_KINDS: dict[Reason, type[GitFailure]] = {
    Reason.DNS: Unreachable,
    Reason.CONNECT: Unreachable,
    Reason.FORGE_5XX: Unreachable,
    Reason.RATE_LIMITED: Unreachable,
    Reason.REMOTE_GONE: Gone,
    Reason.REMOTE_MOVED: Gone,
    Reason.AUTH_FAILED: Refused,
    Reason.REF_NOT_FOUND: NoSuchRef,
    Reason.UNSAFE_REPOSITORY: FetchFailed,
    Reason.TOO_LARGE: FetchFailed,
    Reason.CLONE_FAILED: FetchFailed,
    Reason.VOLUME_FULL: NoRoom,
}

_SENTENCES: tuple[tuple[Reason, str], ...] = (  # the first that is found decides
    (Reason.VOLUME_FULL, r"no space left on device|disk quota exceeded"),
    (Reason.TOO_LARGE, r"died of signal 25|file too large|file size limit exceeded"),
    (Reason.UNSAFE_REPOSITORY, r"fsck error|error: object [0-9a-f]{40,64}: \w+: |invalid path '"),
    (Reason.RATE_LIMITED, r"returned error: 429|too many requests|rate limit"),
    (Reason.REMOTE_MOVED, r"returned error: 30\d|unable to update url base from redirection"),
    (Reason.FORGE_5XX, r"returned error: 5\d\d|internal server error|service unavailable"),
    (
        Reason.AUTH_FAILED,
        r"returned error: 40[13]\b|authentication failed|could not read (username|password)"
        r"|permission denied|host key verification failed|access denied|invalid credentials",
    ),
    (Reason.DNS, r"could not resolve (host|proxy)|name or service not known|name resolution"),
    (
        Reason.REF_NOT_FOUND,
        r"not our ref|couldn't find remote ref|unadvertised object|no such remote ref",
    ),
    (
        Reason.REMOTE_GONE,
        r"returned error: (404|410)|repository .*not found|does not appear to be a git repository"
        r"|not a git repository|does not exist|dubious ownership",
    ),
    (
        Reason.CONNECT,
        r"failed to connect|couldn't connect|connection (refused|reset|timed out|closed)"
        r"|timed out|operation too slow|empty reply|recv failure|send failure|early eof"
        r"|hung up unexpectedly|unexpected disconnect|ssl|tls|certificate|curl \d+|rpc failed"
        r"|network is unreachable|no route to host|ssh: connect|broken pipe",
    ),
)
_RULES = tuple((reason, re.compile(text, re.IGNORECASE)) for reason, text in _SENTENCES)
_USERINFO = re.compile(r"(?<=://)[^/@\s']+@")


def build_failure(reason: Reason, message: str) -> GitFailure:
    """Make the error that goes with a reason.

    :raises KeyError: if no git operation can end for this reason.
    """
    return _KINDS[reason](message, reason)


def classify(what: str, stderr: str) -> GitFailure:
    """Say what git's error output means.

    :param what: what was tried, such as ``ls-remote``; begins the message.
    :param stderr: with credentials already cut out.
    """
    reason = next((r for r, rule in _RULES if rule.search(stderr)), Reason.CLONE_FAILED)
    return build_failure(reason, f"{what}: {summarize(stderr)}")


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Cut credentials out of git's output: known secrets, and user names or tokens in URLs."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _USERINFO.sub("***@", text)


def summarize(stderr: str) -> str:
    """Give the line that says most, made safe to show: the last error or fatal one."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("error:", "fatal:", "remote: error"))]
    chosen = telling[:1] + telling[-1:] if len(telling) > 1 else telling or lines[-1:]
    return printable_line("; ".join(dict.fromkeys(chosen)), MESSAGE_CHARS) or "git said nothing"
