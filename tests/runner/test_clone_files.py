"""Single files on the volume: written whole, read with suspicion; work lists and manifests."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from nightshift.domain.ids import AccountName, ShardName
from nightshift.domain.jsonvalues import dump
from nightshift.domain.worklists import CloneWorkList, ManifestEntry
from nightshift.errors import ConfigError, NotFound, VolumeFull
from nightshift.runner.__main__ import main
from nightshift.runner.exit_codes import ExitCode
from nightshift.runner.files import read_bounded, volume_full_as_error, write_atomically
from nightshift.runner.manifests import read_manifest, write_manifest
from nightshift.runner.worklists import read_work_list
from nightshift.runner.workspace import Workspace, remove_tree

WORK = CloneWorkList(1, ShardName("c001"), AccountName("acme"), ("https",), ())


def test_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text("old")
    write_atomically(path, "new ü")
    assert path.read_text() == "new ü"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    path = tmp_path / "status.json"
    path.symlink_to(target)
    write_atomically(path, b"new")
    assert target.read_text() == "precious"
    assert not path.is_symlink()


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(path, b"x")
    assert list(tmp_path.iterdir()) == [path]


def test_no_room_is_our_own_error() -> None:
    with pytest.raises(VolumeFull), volume_full_as_error():
        Path("/dev/full").write_bytes(b"x")


def make_link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_large(path: Path) -> None:
    path.write_bytes(b"x" * 11)


@pytest.mark.parametrize("make", [make_link, make_pipe, make_large, make_folder])
def test_what_is_not_a_small_plain_file_is_refused(tmp_path: Path, make: object) -> None:
    path = tmp_path / "file"
    assert callable(make)
    make(path)
    with pytest.raises(ConfigError, match=r"file|larger"):
        read_bounded(path, 10)


def test_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 10)
    assert read_bounded(tmp_path / "file", 10) == b"x" * 10


def test_missing_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_bounded(tmp_path / "file", 10)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text, None),
        (lambda text: text.replace("c001", "c002"), "SHA-256"),
        (lambda text: text + " ", "SHA-256"),
    ],
    ids=["as it was written", "another shard", "a space more"],
)
def test_work_list_is_believed_only_as_it_was_written(
    tmp_path: Path, change: object, problem: str | None
) -> None:
    path = tmp_path / "work.json"
    assert callable(change)
    path.write_text(change(dump(WORK)))
    digest = hashlib.sha256(dump(WORK).encode()).hexdigest()
    if problem is None:
        assert read_work_list(CloneWorkList, path, digest) == WORK
        return
    with pytest.raises(ConfigError, match=problem):
        read_work_list(CloneWorkList, path, digest)


def test_work_list_in_a_mounted_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    version = tmp_path / "..2026_11_23_22_00_00.1"
    version.mkdir()
    (version / "c001.json").write_text(dump(WORK))
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "c001.json").symlink_to("..data/c001.json")
    digest = hashlib.sha256(dump(WORK).encode()).hexdigest()
    assert read_work_list(CloneWorkList, tmp_path / "c001.json", digest) == WORK


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"batch": "x"}', "\ufeff{}"])
def test_work_list_that_is_none_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "work.json"
    path.write_text(text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ConfigError, match=r"work\.json"):
        read_work_list(CloneWorkList, path, digest)


def test_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    entries = (ManifestEntry("a/ü b.py", 3, "1" * 40, "python"), ManifestEntry("c", 0, "2" * 40))
    write_manifest(tmp_path / "m", entries)
    assert read_manifest(tmp_path / "m") == entries
    write_manifest(tmp_path / "m", ())
    assert read_manifest(tmp_path / "m") == ()


@pytest.mark.parametrize("damage", [b"\xff\n", b"{}\n", b'{"path": "a"', b"\n"])
def test_damaged_manifest_is_refused(tmp_path: Path, damage: bytes) -> None:
    write_manifest(tmp_path / "m", [ManifestEntry("a", 1, "1" * 40)])
    with (tmp_path / "m").open("ab") as file:
        file.write(damage)
    with pytest.raises(ConfigError, match="m"):
        read_manifest(tmp_path / "m")


def test_workspace_refuses_a_link_in_the_place_of_a_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "src").symlink_to(outside, target_is_directory=True)
    with pytest.raises(ConfigError, match="must be a folder"):
        Workspace(tmp_path / "root").prepare()


def test_removing_a_tree_does_not_follow_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(outside, target_is_directory=True)
    remove_tree(tree)
    (tmp_path / "itself").symlink_to(outside, target_is_directory=True)
    remove_tree(tmp_path / "itself")
    remove_tree(tmp_path / "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "precious").exists()


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ([], ExitCode.BAD_WORK_LIST),
        (["destroy"], ExitCode.BAD_WORK_LIST),
        (["clone"], ExitCode.BAD_WORK_LIST),
        (
            ["clone", "--root", "/r", "--work-list", "/none", "--sha256", "x"],
            ExitCode.BAD_WORK_LIST,
        ),
        (
            ["clone", "--root", "/r", "--work-list", "/none", "--sha256", "0" * 64],
            ExitCode.BAD_WORK_LIST,
        ),
        (["--help"], ExitCode.DONE),
    ],
)
def test_command_line_faults_have_their_exit_code(
    argv: list[str], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) is code
    captured = capsys.readouterr()
    assert len((captured.err or captured.out).splitlines()) >= 1
    assert "Traceback" not in captured.err
