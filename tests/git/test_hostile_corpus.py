"""Every hostile repository ends as the corpus says, and leaves nothing outside its tree."""

import stat
from pathlib import Path

import pytest

from nightshift.clock import monotonic_seconds
from nightshift.domain.ids import RepositoryName
from nightshift.domain.worklists import CheckoutStatus, CloneItem
from nightshift.git.commands import Git
from nightshift.runner.clone_repositories import Cloner
from nightshift.runner.manifests import read_manifest
from nightshift.runner.workspace import Workspace
from tests.git.hostile.build import CORPUS, build_case
from tests.git.hostile.cases import Case

NAME = RepositoryName("sample")


def clone_case(case: Case, git: Git, tmp_path: Path) -> tuple[Workspace, CheckoutStatus]:
    raw, commit = build_case(case, tmp_path / "remote.git")
    workspace = Workspace(tmp_path / "volume")
    workspace.prepare()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    cloner = Cloner(git, workspace, case.limits, scratch, False, monotonic_seconds)
    status = cloner.clone(CloneItem(NAME, raw.url, commit))
    assert list(scratch.iterdir()) == []
    return workspace, status


def kind_of(path: Path) -> tuple[int, int]:
    mode = path.lstat().st_mode
    return stat.S_IFMT(mode), stat.S_IMODE(mode)


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_clone_ends_as_the_corpus_says(case: Case, git: Git, tmp_path: Path) -> None:
    workspace, status = clone_case(case, git, tmp_path)

    assert status.reason == case.reason, status.message
    assert {(entry.path, entry.why) for entry in status.left_out} == case.left_out
    assert {trick.kind for trick in status.tampering} == case.tampering
    if case.written is None:
        assert status.state == "not_run"
        assert list((workspace.root / "src").iterdir()) == []
        assert not workspace.manifest(NAME).exists()
        return
    assert status.state == "ready"
    assert files_below(workspace.source(NAME)) == case.written
    assert {entry.path for entry in read_manifest(workspace.manifest(NAME))} == case.written
    assert status.files == len(case.written)
    assert {kind_of(path) for path in (workspace.root / "src").rglob("*")} <= {
        (stat.S_IFDIR, 0o755),
        (stat.S_IFREG, 0o644),
    }


def test_message_does_not_tell_where_scratch_files_are(git: Git, tmp_path: Path) -> None:
    case = next(case for case in CORPUS if case.name == "duplicate entries")
    _, status = clone_case(case, git, tmp_path)

    assert "duplicateEntries" in status.message
    assert "scratch" not in status.message
