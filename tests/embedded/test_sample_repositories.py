"""The samples: enough of them, quick to make again, and each ends as it says."""

import hashlib
import re
import subprocess

import pytest
import yaml

from nightshift.domain.ids import AccountName, CommitSha, RepositoryName, ShardName
from nightshift.domain.jsonvalues import dump, load
from nightshift.domain.repositories import Transport, parse_remote
from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CheckoutStatus, CloneItem, CloneWorkList
from nightshift.embedded.sample_repositories import (
    SampleRepositories,
    SampleRepository,
    main,
    make_sample_repositories,
)
from nightshift.git.failures import GitFailure
from nightshift.git.remotes import read_head
from nightshift.git.sessions import git_session
from nightshift.runner.__main__ import main as run
from nightshift.runner.exit_codes import ExitCode
from nightshift.runner.workspace import Workspace


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> SampleRepositories:
    return make_sample_repositories(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def checkouts(
    samples: SampleRepositories, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CheckoutStatus]:
    """Every sample that has a commit, cloned as a pod clones it."""
    folder = tmp_path_factory.mktemp("clones")
    cloned = [sample for sample in samples.repositories if sample.commit]
    items = tuple(
        CloneItem(RepositoryName(s.name), s.remote, CommitSha(s.commit or "")) for s in cloned
    )
    work = CloneWorkList(1, ShardName("c001"), AccountName("samples"), ("file",), items)
    path = folder / "work.json"
    path.write_text(dump(work))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    arguments = ["--root", str(folder / "volume"), "--work-list", str(path), "--sha256", digest]
    assert run(["clone", *arguments]) is ExitCode.DONE
    workspace = Workspace(folder / "volume")
    return {
        item.repository: load(
            CheckoutStatus, workspace.checkout_status(item.repository).read_text()
        )
        for item in items
    }


def test_there_are_enough_of_several_sizes_and_languages(
    samples: SampleRepositories, checkouts: dict[str, CheckoutStatus]
) -> None:
    assert len(samples.accounts) == 3
    assert len(checkouts) >= 12
    sizes = sorted(status.files for status in checkouts.values())
    assert sizes[0] < 10
    assert sizes[-1] > 1_000
    languages = {name for status in checkouts.values() for name in status.languages}
    assert languages >= {"python", "c", "cpp", "javascript", "yaml", "shell", "dockerfile", "html"}


def test_every_clone_ends_as_its_sample_says(
    samples: SampleRepositories, checkouts: dict[str, CheckoutStatus]
) -> None:
    for sample in samples.repositories:
        status = checkouts.get(sample.name)
        if status is None:
            continue
        assert status.reason == sample.reason, (sample.name, status.left_out[:3])
        assert {trick.kind for trick in status.tampering} == sample.tampering, sample.name
        assert {entry.why for entry in status.left_out} == sample.left_out, sample.name


def head_of(sample: SampleRepository) -> Reason | str | None:
    with git_session(("file",)) as git:
        try:
            return read_head(git, parse_remote(sample.remote, (Transport.FILE,))).commit
        except GitFailure as failure:
            return failure.reason


def test_samples_without_a_commit_say_why(samples: SampleRepositories) -> None:
    assert head_of(samples.find("empty")) is None
    assert head_of(samples.find("unreachable")) is Reason.REMOTE_GONE
    assert head_of(samples.find("hostile")) == samples.find("hostile").commit


def ask_git(samples: SampleRepositories, sample: SampleRepository, *words: str) -> str:
    path = samples.root / sample.account / f"{sample.name}.git"
    return subprocess.check_output(["git", "-C", str(path), *words], text=True)


def test_each_has_a_history(samples: SampleRepositories) -> None:
    for sample in samples.repositories:
        if sample.commit:
            assert int(ask_git(samples, sample, "rev-list", "--count", "main")) >= 2


def test_listing_has_the_shape_of_the_registry(samples: SampleRepositories) -> None:
    listed = yaml.safe_load(samples.file.read_text())["accounts"]
    assert [account["name"] for account in listed] == list(samples.accounts)
    for account in listed:
        assert account["provider"] == "sample"
        remotes = {entry["name"]: entry["remote"] for entry in account["repositories"]}
        assert remotes == {s.name: s.remote for s in samples.accounts[account["name"]]}


def test_making_them_again_keeps_them(samples: SampleRepositories) -> None:
    heads = {path: path.stat().st_mtime_ns for path in samples.root.rglob("HEAD")}
    assert make_sample_repositories(samples.root) == samples
    assert {path: path.stat().st_mtime_ns for path in samples.root.rglob("HEAD")} == heads


def test_one_that_is_missing_is_made_again_with_the_same_commit(
    samples: SampleRepositories,
) -> None:
    sample = samples.find("service-template")
    marker = samples.root / sample.account / f"{sample.name}.git" / "nightshift-sample.json"
    marker.unlink()
    assert make_sample_repositories(samples.root).find(sample.name) == sample


def test_planted_findings_stand_where_they_are_said_to_be(
    samples: SampleRepositories,
) -> None:
    hostile = samples.find("hostile")
    telling = re.compile(r"shell=True|eval\(|strcpy\(|gets\(|AKIA[A-Z2-7]{16}")
    silencing = re.compile(r"nosec|noqa|ignore \*/|gitleaks:allow")
    for planted in hostile.planted:
        lines = ask_git(samples, hostile, "show", f"main:{planted.path}").splitlines()
        assert telling.search(lines[planted.line - 1]), planted
        assert bool(silencing.search(lines[planted.line - 1])) is planted.suppressed


def test_each_scanner_has_findings_in_the_open_and_suppressed_ones(
    samples: SampleRepositories,
) -> None:
    kinds = {(p.scanner, p.suppressed) for p in samples.find("hostile").planted}
    scanners = ("ruff", "bandit", "gitleaks", "flawfinder")
    assert kinds == {(name, quiet) for name in scanners for quiet in (True, False)}


def test_command_shows_a_table(
    samples: SampleRepositories, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(samples.root)]) == 0
    assert "service-template"[:10] in capsys.readouterr().out
    assert main([]) == 64
