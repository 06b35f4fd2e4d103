"""Asking a remote for its head."""

from pathlib import Path

import pytest

from nightshift.domain.repositories import RefName, parse_remote
from nightshift.domain.scans import Reason
from nightshift.git.commands import Git
from nightshift.git.failures import Gone, NoSuchRef
from nightshift.git.remotes import Head, read_head
from nightshift.git.sessions import git_session
from tests.git.hostile.raw import RawRepository


@pytest.fixture
def raw(tmp_path: Path) -> RawRepository:
    return RawRepository(tmp_path / "remote.git")


def ask(git: Git, raw: RawRepository, ref: str | None = None) -> Head:
    return read_head(git, parse_remote(raw.url, ("file",)), None if ref is None else RefName(ref))


def test_head_is_the_default_branch(git: Git, raw: RawRepository) -> None:
    commit = raw.commit(raw.files({b"a": b"1"}))
    raw.commit(raw.files({b"a": b"2"}), branch="other")
    assert ask(git, raw) == Head(commit=commit, ref="refs/heads/main")
    assert ask(git, raw, "HEAD") == ask(git, raw)


def test_branch_is_found_by_its_short_and_its_full_name(git: Git, raw: RawRepository) -> None:
    raw.commit(raw.files({b"a": b"1"}))
    commit = raw.commit(raw.files({b"a": b"2"}), branch="release-1")
    assert ask(git, raw, "release-1") == Head(commit, "refs/heads/release-1")
    assert ask(git, raw, "refs/heads/release-1") == Head(commit, "refs/heads/release-1")


def test_branch_whose_name_only_ends_the_same_is_not_taken(git: Git, raw: RawRepository) -> None:
    raw.commit(raw.files({b"a": b"1"}))
    (raw.path / "refs/heads/feature").mkdir()
    raw.commit(raw.files({b"a": b"2"}), branch="feature/new")
    with pytest.raises(NoSuchRef, match="no ref new"):
        ask(git, raw, "new")


def test_branch_comes_before_a_tag_of_the_same_name(git: Git, raw: RawRepository) -> None:
    commit = raw.commit(raw.files({b"a": b"1"}), branch="v1")
    raw.commit(raw.files({b"a": b"2"}))
    raw.tag("v1", (raw.path / "refs/heads/main").read_text().strip())
    assert ask(git, raw, "v1").commit == commit


def test_annotated_tag_is_peeled_to_its_commit(git: Git, raw: RawRepository) -> None:
    commit = raw.commit(raw.files({b"a": b"1"}))
    raw.tag("v2", commit)
    assert ask(git, raw, "v2") == Head(commit, "refs/tags/v2")
    assert ask(git, raw, "refs/tags/v2") == Head(commit, "refs/tags/v2")


def test_full_commit_id_is_believed(git: Git, raw: RawRepository) -> None:
    assert ask(git, raw, "a" * 40).commit == "a" * 40


def test_sha256_repository_is_told_by_its_ids(git: Git, tmp_path: Path) -> None:
    raw = RawRepository(tmp_path / "sha256.git", sha256=True)
    raw.commit(raw.files({b"a": b"1"}))
    assert ask(git, raw).object_format == "sha256"


@pytest.mark.parametrize("ref", [None, "main"])
def test_empty_repository_is_a_value(git: Git, raw: RawRepository, ref: str | None) -> None:
    assert ask(git, raw, ref).is_empty


def test_unborn_head_beside_branches_is_not_empty(git: Git, raw: RawRepository) -> None:
    raw.commit(raw.files({b"a": b"1"}), branch="trunk")
    with pytest.raises(NoSuchRef, match="set the repository's ref"):
        ask(git, raw)


def test_missing_repository_is_gone(git: Git, tmp_path: Path) -> None:
    with pytest.raises(Gone) as caught:
        read_head(git, parse_remote((tmp_path / "no.git").as_uri(), ("file",)))
    assert caught.value.reason is Reason.REMOTE_GONE


def test_transport_that_is_not_listed_is_refused_by_git_too(raw: RawRepository) -> None:
    raw.commit(raw.files({b"a": b"1"}))
    with git_session(("https",)) as git, pytest.raises(Exception, match="not allowed"):
        ask(git, raw)
