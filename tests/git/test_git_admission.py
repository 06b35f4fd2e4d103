"""Asking many remotes: limits hold, and one failure is one result."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.ids import AccountName, RepositoryName
from nightshift.domain.repositories import Repository, parse_remote
from nightshift.domain.scans import Reason
from nightshift.git.admission import AdmissionLimits, HeadResult, Pace, read_heads
from nightshift.git.commands import Git
from tests.git.conftest import remote_of
from tests.git.forge import Forge
from tests.git.hostile.raw import RawRepository


def repository(name: str, url: str, account: str = "acme") -> Repository:
    remote = remote_of(url)
    return Repository(AccountName(account), RepositoryName(name), remote)


def test_every_repository_gets_one_result_in_order(git: Git, tmp_path: Path) -> None:
    commits = {}
    for number in range(12):
        raw = RawRepository(tmp_path / f"r{number}.git")
        commits[f"r{number}"] = raw.commit(raw.files({b"a": b"%d" % number}))
    asked = [repository(name, (tmp_path / f"{name}.git").as_uri()) for name in commits]
    asked.insert(5, repository("gone", (tmp_path / "gone.git").as_uri()))
    seen: list[HeadResult] = []

    results = read_heads(asked, lambda _: git, AdmissionLimits(per_second=1_000), seen.append)

    assert [result.repository for result in results] == asked
    assert sorted(map(id, seen)) == sorted(map(id, results))
    heads = {r.repository.name: r.head.commit for r in results if r.head is not None}
    assert heads == commits
    failure = results[5].failure
    assert failure is not None
    assert failure.reason is Reason.REMOTE_GONE


def test_accounts_are_asked_with_their_own_credentials(
    git: Git, https_git: Git, forge: Forge
) -> None:
    asked = [
        repository("one", forge.url("private/app.git"), "owner"),
        repository("two", forge.url("private/app.git"), "stranger"),
    ]
    owner, stranger = read_heads(asked, lambda name: https_git if name == "owner" else git)
    assert owner.head is not None
    assert stranger.failure is not None


def test_host_is_never_asked_by_more_than_its_share(https_git: Git, forge: Forge) -> None:
    asked = [repository(f"r{n}", forge.url("app.git")) for n in range(12)]
    forge.most_at_once = 0
    read_heads(asked, lambda _: https_git, AdmissionLimits(per_host=2, per_second=1_000))
    # The server may still be closing one question when git asks the next.
    assert 1 <= forge.most_at_once <= 3


def test_questions_are_spread_over_time(git: Git, tmp_path: Path) -> None:
    raw = RawRepository(tmp_path / "r.git")
    raw.commit(raw.files({b"a": b"1"}))
    asked = [repository(f"r{n}", raw.url) for n in range(5)]
    started = time.monotonic()
    read_heads(asked, lambda _: git, AdmissionLimits(per_host=1, per_second=10))
    assert time.monotonic() - started >= 0.4


def test_failure_of_ours_is_not_swallowed() -> None:
    def no_credentials(_: AccountName) -> Git:
        raise LookupError("no such account")

    remote = parse_remote("https://github.com/a/b")
    asked = [Repository(AccountName("acme"), RepositoryName("b"), remote)]
    with pytest.raises(LookupError):
        read_heads(asked, no_credentials)


@given(
    per_second=st.floats(0.5, 100),
    burst=st.integers(1, 10),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_pace_never_gives_more_turns_than_its_rate_and_burst_allow(
    per_second: float, burst: int, gaps: list[float]
) -> None:
    pace = Pace(per_second, burst)
    now, turns = 0.0, []
    for gap in gaps:
        now += gap
        turns.append(now + pace.reserve(now))
    assert turns == sorted(turns)
    for first in range(len(turns)):
        for last in range(first, len(turns)):
            allowed = (turns[last] - turns[first]) * per_second + burst
            assert last - first + 1 <= allowed + 1e-6


def test_pace_rests_when_it_is_told_to() -> None:
    pace = Pace(10, burst=4)
    pace.pause(100.0, 30.0)
    assert [round(pace.reserve(100.0), 1) for _ in range(3)] == [30.0, 30.1, 30.2]
