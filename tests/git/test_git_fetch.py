"""Fetching one commit: what comes, what does not, and what is left behind."""

import os
import random
import shutil
import subprocess
from collections import deque
from pathlib import Path

import pytest

from nightshift.domain.ids import CommitSha
from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CloneLimits
from nightshift.git.commands import Git
from nightshift.git.failures import FetchFailed, Gone, NoSuchRef
from nightshift.git.fetch import fetch_commit
from nightshift.git.trees import BATCH, reading_blobs, reading_tree
from tests.git.hostile.raw import RawRepository

LIMITS = CloneLimits(blob_bytes=1_000, seconds=30)


@pytest.fixture
def raw(tmp_path: Path) -> RawRepository:
    return RawRepository(tmp_path / "remote.git")


def fetch(git: Git, raw: RawRepository, commit: str, limits: CloneLimits = LIMITS) -> Path:
    repository = raw.path.with_name("fetched.git")
    fetch_commit(git, raw.url, CommitSha(commit), repository, limits)
    return repository


def sizes_in(git: Git, repository: Path, commit: str) -> dict[bytes, int | None]:
    with (
        reading_tree(git, repository, CommitSha(commit), timeout_seconds=20) as entries,
        reading_blobs(git, repository, timeout_seconds=20) as blobs,
    ):
        listed = list(entries)
        found = blobs.sizes([entry.object_id for entry in listed])
    return {entry.path: size for entry, size in zip(listed, found, strict=True)}


FILES = {b"small": b"x" * 1_000, b"large": b"y" * 1_001}


def test_server_with_filters_sends_no_large_blobs(git: Git, raw: RawRepository) -> None:
    raw.set_config("[uploadpack]\n\tallowFilter = true\n")
    commit = raw.commit(raw.files(FILES))
    assert sizes_in(git, fetch(git, raw, commit), commit) == {b"small": 1_000, b"large": None}


def test_server_without_filters_sends_all(git: Git, raw: RawRepository) -> None:
    commit = raw.commit(raw.files(FILES))
    assert sizes_in(git, fetch(git, raw, commit), commit) == {b"small": 1_000, b"large": 1_001}


def test_nothing_remembers_the_remote(git: Git, raw: RawRepository) -> None:
    """A promisor remote would be asked for each missing blob, long after the fetch."""
    raw.set_config("[uploadpack]\n\tallowFilter = true\n")
    commit = raw.commit(raw.files(FILES))
    repository = fetch(git, raw, commit)
    assert raw.url not in (repository / "config").read_text()
    assert "promisor" not in (repository / "config").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to someone else")
def test_repository_of_another_user_is_fetched(git: Git, raw: RawRepository) -> None:
    commit = raw.commit(raw.files(FILES))
    for path in (raw.path, *raw.path.rglob("*")):
        os.chown(path, 12_345, 12_345)
    assert fetch(git, raw, commit).exists()


def test_history_is_not_fetched(git: Git, tmp_path: Path) -> None:
    work = tmp_path / "work"
    run = ["git", "-C", str(work), "-c", "user.name=t", "-c", "user.email=t@nightshift.example"]
    subprocess.run(["git", "init", "-q", str(work)], check=True)
    for number in range(3):
        subprocess.run([*run, "commit", "-q", "--allow-empty", "-m", f"{number}"], check=True)
    head = subprocess.check_output([*run, "rev-parse", "HEAD"], text=True).strip()
    repository = tmp_path / "fetched.git"
    fetch_commit(git, work.as_uri(), CommitSha(head), repository, LIMITS)
    count = ["git", "-C", str(repository), "rev-list", "--all", "--count"]
    assert subprocess.check_output(count, text=True).strip() == "1"


def test_commit_that_is_gone_is_told_from_a_repository_that_is_gone(
    git: Git, raw: RawRepository
) -> None:
    raw.commit(raw.files(FILES))
    with pytest.raises(NoSuchRef):
        fetch(git, raw, "1" * 40)
    shutil.rmtree(raw.path)
    shutil.rmtree(raw.path.with_name("fetched.git"))
    with pytest.raises(Gone):
        fetch(git, raw, "1" * 40)


def test_pack_over_the_limit_is_stopped(git: Git, raw: RawRepository) -> None:
    commit = raw.commit(raw.files({b"noise": bytes(range(256)) * 4_000}))
    with pytest.raises(FetchFailed, match="limit of 2000 bytes") as caught:
        fetch(git, raw, commit, CloneLimits(packed_bytes=2_000, seconds=30))
    assert caught.value.reason is Reason.TOO_LARGE


def test_many_small_objects_are_one_pack_for_the_limit(git: Git, raw: RawRepository) -> None:
    noise = random.Random(1)
    commit = raw.commit(raw.files({b"f%d" % n: noise.randbytes(900) for n in range(40)}))
    with pytest.raises(FetchFailed, match="limit of 10000 bytes"):
        fetch(git, raw, commit, CloneLimits(packed_bytes=10_000, seconds=30))


def test_time_that_is_up_is_no_reason_to_retry(git: Git, raw: RawRepository) -> None:
    commit = raw.commit(raw.files(FILES))
    with pytest.raises(FetchFailed, match="not done within") as caught:
        fetch(git, raw, commit, CloneLimits(seconds=0))
    assert caught.value.reason is Reason.CLONE_FAILED


def test_blobs_are_read_as_they_are_in_batches(git: Git, raw: RawRepository) -> None:
    contents = {b"f%03d" % n: b"line\r\n\0\xff" * n for n in range(BATCH)}
    commit = raw.commit(raw.files(contents))
    repository = fetch(git, raw, commit, CloneLimits(seconds=30))
    with (
        reading_tree(git, repository, CommitSha(commit), timeout_seconds=20) as entries,
        reading_blobs(git, repository, timeout_seconds=20) as blobs,
    ):
        listed = list(entries)
        read = list(blobs.contents([entry.object_id for entry in listed]))
    assert dict(zip((entry.path for entry in listed), read, strict=True)) == contents


def test_asking_for_more_than_a_batch_is_refused(git: Git, raw: RawRepository) -> None:
    commit = raw.commit(raw.files(FILES))
    with (
        reading_blobs(git, fetch(git, raw, commit), timeout_seconds=20) as blobs,
        pytest.raises(ValueError, match="at most"),
    ):
        blobs.sizes(["0" * 40] * (BATCH + 1))


def test_tree_that_ends_early_is_a_failure_not_a_short_tree(git: Git, raw: RawRepository) -> None:
    inner = raw.files({b"b": b"2"})
    commit = raw.commit(raw.tree([("100644", b"a", raw.blob(b"1")), ("40000", b"d", inner)]))
    (raw.path / "objects" / inner[:2] / inner[2:]).unlink()
    with (
        pytest.raises(FetchFailed),
        reading_tree(git, raw.path, CommitSha(commit), timeout_seconds=20) as entries,
    ):
        list(entries)


def test_missing_blob_is_not_taken_for_an_empty_one(git: Git, raw: RawRepository) -> None:
    raw.commit(raw.files(FILES))
    with reading_blobs(git, raw.path, timeout_seconds=20) as blobs:
        assert blobs.sizes(["1" * 40]) == [None]
        with pytest.raises(FetchFailed, match="not there"):
            list(blobs.contents(["1" * 40]))


def test_reader_is_stopped_when_time_is_up(git: Git, raw: RawRepository) -> None:
    level = raw.files({b"f%d" % n: b"x" for n in range(10)})
    for _ in range(9):
        level = raw.tree([("40000", b"d%d" % n, level) for n in range(10)])
    commit = raw.commit(level)  # ten levels of ten: listing it all would take hours
    with (
        pytest.raises(FetchFailed, match="time was up"),
        reading_tree(git, raw.path, commit, timeout_seconds=0.2) as entries,
    ):
        deque(entries, maxlen=0)
