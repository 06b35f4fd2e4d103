"""git's sentences and what they mean. Each text is one that git, curl or OpenSSH prints."""

import pytest

from nightshift.domain.scans import Outcome, Reason, check_outcome
from nightshift.errors import (
    Forbidden,
    NotFound,
    PermanentError,
    RefNotFound,
    RetryableError,
    VolumeFull,
)
from nightshift.git.failures import build_failure, classify, redact, summarize

URL = "https://example.org/a/b"


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (f"fatal: unable to access '{URL}/': Could not resolve host: example.org", Reason.DNS),
        ("ssh: Could not resolve hostname x: Name or service not known", Reason.DNS),
        ("ssh: Could not resolve hostname x: Temporary failure in name resolution", Reason.DNS),
        (
            f"fatal: unable to access '{URL}/': Failed to connect to example.org port 443 after"
            " 2 ms: Couldn't connect to server",
            Reason.CONNECT,
        ),
        ("ssh: connect to host x port 22: Connection refused", Reason.CONNECT),
        (f"fatal: unable to access '{URL}/': Operation too slow. Less than 1000", Reason.CONNECT),
        ("error: RPC failed; curl 92 HTTP/2 stream 5 was not closed cleanly", Reason.CONNECT),
        ("fatal: the remote end hung up unexpectedly", Reason.CONNECT),
        (f"fatal: unable to access '{URL}/': SSL certificate problem: expired", Reason.CONNECT),
        (
            f"fatal: unable to access '{URL}/': The requested URL returned error: 502",
            Reason.FORGE_5XX,
        ),
        (
            f"fatal: unable to access '{URL}/': The requested URL returned error: 429",
            Reason.RATE_LIMITED,
        ),
        (
            f"fatal: unable to access '{URL}/': The requested URL returned error: 301",
            Reason.REMOTE_MOVED,
        ),
        (
            f"fatal: unable to access '{URL}/': The requested URL returned error: 403",
            Reason.AUTH_FAILED,
        ),
        (
            f"fatal: could not read Username for '{URL}': terminal prompts disabled",
            Reason.AUTH_FAILED,
        ),
        (f"fatal: Authentication failed for '{URL}/'", Reason.AUTH_FAILED),
        (
            "git@example.org: Permission denied (publickey).\nfatal: Could not read from remote"
            " repository.",
            Reason.AUTH_FAILED,
        ),
        ("Host key verification failed.\nfatal: Could not read from remote", Reason.AUTH_FAILED),
        (
            f"remote: Repository not found.\nfatal: repository '{URL}/' not found",
            Reason.REMOTE_GONE,
        ),
        ("fatal: '/srv/x' does not appear to be a git repository", Reason.REMOTE_GONE),
        ("fatal: remote error: upload-pack: not our ref " + "1" * 40, Reason.REF_NOT_FOUND),
        ("fatal: couldn't find remote ref refs/heads/x", Reason.REF_NOT_FOUND),
        (
            "error: object " + "1" * 40 + ": hasDotgit: contains '.git'\nfatal: fsck error in pack",
            Reason.UNSAFE_REPOSITORY,
        ),
        ("fatal: write error: No space left on device", Reason.VOLUME_FULL),
        ("fatal: sha1 file '<stdout>' write error: Disk quota exceeded", Reason.VOLUME_FULL),
        ("error: index-pack died of signal 25\nfatal: index-pack failed", Reason.TOO_LARGE),
        ("fatal: a sentence that nobody has seen", Reason.CLONE_FAILED),
        ("", Reason.CLONE_FAILED),
    ],
)
def test_sentence_becomes_a_reason(stderr: str, reason: Reason) -> None:
    assert classify("fetch", stderr).reason is reason


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.DNS, RetryableError),
        (Reason.CONNECT, RetryableError),
        (Reason.FORGE_5XX, RetryableError),
        (Reason.RATE_LIMITED, RetryableError),
        (Reason.REMOTE_GONE, NotFound),
        (Reason.REMOTE_MOVED, NotFound),
        (Reason.AUTH_FAILED, Forbidden),
        (Reason.REF_NOT_FOUND, RefNotFound),
        (Reason.UNSAFE_REPOSITORY, PermanentError),
        (Reason.TOO_LARGE, PermanentError),
        (Reason.CLONE_FAILED, PermanentError),
        (Reason.VOLUME_FULL, VolumeFull),
    ],
)
def test_reason_tells_the_caller_what_to_do_and_fits_a_scan_that_did_not_run(
    reason: Reason, kind: type[Exception]
) -> None:
    assert isinstance(build_failure(reason, "x"), kind)
    check_outcome(Outcome.NOT_RUN, reason)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("at https://joe:pw@h/x", "at https://***@h/x"),
        ("at https://token@h/x and https://h/y", "at https://***@h/x and https://h/y"),
        ("the s3cret is here", "the *** is here"),
        ("nothing to hide at https://h/a@b", "nothing to hide at https://h/a@b"),
    ],
)
def test_credentials_are_cut(text: str, cut: str) -> None:
    assert redact(text, ("s3cret", "")) == cut


def test_summary_is_the_cause_and_the_end_on_one_line() -> None:
    stderr = "warning: slow\nerror: object x: bad\nerror: more\nfatal: index-pack failed\n"
    assert summarize(stderr) == "error: object x: bad; fatal: index-pack failed"


@pytest.mark.parametrize("stderr", ["a\x1b[31mred", "a\u202eb", "x" * 5_000, "fatal: \x00"])
def test_summary_is_safe_to_show(stderr: str) -> None:
    text = summarize(stderr)
    assert text.isprintable()
    assert len(text) <= 400
