"""What a forge can answer, and what we make of it: the server is fake, git is real."""

from pathlib import Path

import pytest

from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CloneLimits
from nightshift.errors import RetryableError
from nightshift.git.commands import Git
from nightshift.git.failures import GitFailure
from nightshift.git.fetch import fetch_commit
from nightshift.git.remotes import read_head
from nightshift.git.sessions import git_session
from tests.git.conftest import remote_of
from tests.git.forge import PASSWORD, Forge


def failure_of(git: Git, url: str, timeout_seconds: float = 20.0) -> GitFailure:
    with pytest.raises(GitFailure) as caught:
        read_head(git, remote_of(url), timeout_seconds=timeout_seconds)
    return caught.value


def test_public_repository_is_read_and_fetched(
    https_git: Git, forge: Forge, tmp_path: Path
) -> None:
    head = read_head(https_git, remote_of(forge.url("app.git")))
    assert head.commit is not None
    assert head.ref == "refs/heads/main"

    fetch_commit(
        https_git, forge.url("app.git"), head.commit, tmp_path / "r.git", CloneLimits(seconds=30)
    )
    assert list((tmp_path / "r.git" / "objects" / "pack").glob("*.pack"))


def test_private_repository_is_read_with_the_accounts_credentials(
    https_git: Git, forge: Forge
) -> None:
    assert read_head(https_git, remote_of(forge.url("private/app.git"))).commit
    assert ("/private/app.git/info/refs", "robot") in forge.seen


def test_private_repository_is_refused_without_credentials(forge: Forge, credentials: Path) -> None:
    (credentials / "password").unlink()
    with git_session(("https",), credentials) as git:
        assert failure_of(git, forge.url("private/app.git")).reason is Reason.AUTH_FAILED


def test_wrong_password_is_refused_and_not_told(forge: Forge, credentials: Path) -> None:
    (credentials / "password").write_text("wrong-" + PASSWORD)
    with git_session(("https",), credentials) as git:
        failure = failure_of(git, forge.url("private/app.git"))
    assert failure.reason is Reason.AUTH_FAILED
    assert PASSWORD not in str(failure)


def test_credentials_of_another_host_are_never_sent(forge: Forge, credentials: Path) -> None:
    (credentials / "host").write_text("git.example.org")
    forge.seen.clear()
    with git_session(("https",), credentials) as git:
        assert failure_of(git, forge.url("private/app.git")).reason is Reason.AUTH_FAILED
    assert {user for _, user in forge.seen} == {""}


@pytest.mark.parametrize(
    ("path", "reason", "retryable"),
    [
        ("status/403/app.git", Reason.AUTH_FAILED, False),
        ("status/404/app.git", Reason.REMOTE_GONE, False),
        ("status/410/app.git", Reason.REMOTE_GONE, False),
        ("missing.git", Reason.REMOTE_GONE, False),
        ("moved/app.git", Reason.REMOTE_MOVED, False),
        ("status/429/app.git", Reason.RATE_LIMITED, True),
        ("status/500/app.git", Reason.FORGE_5XX, True),
        ("status/503/app.git", Reason.FORGE_5XX, True),
    ],
)
def test_answer_becomes_a_reason(
    https_git: Git, forge: Forge, path: str, reason: Reason, retryable: bool
) -> None:
    failure = failure_of(https_git, forge.url(path))
    assert failure.reason is reason
    assert isinstance(failure, RetryableError) is retryable
    assert str(failure).startswith("ls-remote: ")


def test_silence_is_a_failed_connection(https_git: Git, forge: Forge) -> None:
    failure = failure_of(https_git, forge.url("slow/app.git"), timeout_seconds=0.5)
    assert failure.reason is Reason.CONNECT
    assert "0.5 s" in str(failure)


def test_closed_port_is_a_failed_connection(https_git: Git) -> None:
    assert failure_of(https_git, "https://localhost:1/app.git").reason is Reason.CONNECT


def test_unknown_certificate_is_a_failed_connection(forge: Forge, credentials: Path) -> None:
    (credentials / "ca.crt").unlink()
    with git_session(("https",), credentials) as git:
        failure = failure_of(git, forge.url("app.git"))
    assert failure.reason is Reason.CONNECT
    assert "certificate" in str(failure).lower()


def test_unknown_host_is_a_dns_failure(https_git: Git) -> None:
    failure = failure_of(https_git, "https://no-such-host.invalid/x")
    assert failure.reason is Reason.DNS
