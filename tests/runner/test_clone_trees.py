"""Writing files for names that a stranger chose."""

from pathlib import Path

import pytest

from nightshift.runner.clone_trees import NameTaken, NameUnsupported, TreeWriter


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def test_files_of_many_folders_are_written_in_any_order(root: Path) -> None:
    files = {"a/b/c.py": b"1", "a/d.py": b"2", "e": b"3", "a/b/f.py": b"4", "a/b/g/h": b""}
    with TreeWriter(root) as writer:
        for path, content in files.items():
            writer.write(path, content)
    found = {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    assert found == files


def test_existing_root_is_refused(root: Path) -> None:
    root.mkdir()
    with pytest.raises(FileExistsError):
        TreeWriter(root)


def test_file_is_never_replaced(root: Path) -> None:
    with TreeWriter(root) as writer:
        writer.write("a", b"first")
        with pytest.raises(NameTaken):
            writer.write("a", b"second")
    assert (root / "a").read_bytes() == b"first"


def test_file_where_a_folder_should_be_is_a_taken_name(root: Path) -> None:
    with TreeWriter(root) as writer:
        writer.write("a", b"file")
        with pytest.raises(NameTaken):
            writer.write("a/b", b"below a file")
        writer.write("c", b"the writer goes on")
    assert (root / "c").exists()


@pytest.mark.parametrize("path", ["link", "link/x", "folder/link/x"])
def test_link_that_someone_puts_there_is_not_followed(
    root: Path, tmp_path: Path, path: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with TreeWriter(root) as writer:
        writer.write("folder/a", b"1")
        for place in (root, root / "folder"):
            (place / "link").symlink_to(outside, target_is_directory=True)
        with pytest.raises(NameTaken):
            writer.write(path, b"2")
    assert list(outside.iterdir()) == []


def test_folder_replaced_by_a_link_while_it_is_open_is_still_ours(
    root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with TreeWriter(root) as writer:
        writer.write("folder/a", b"1")
        (root / "folder").rename(root / "moved")
        (root / "folder").symlink_to(outside, target_is_directory=True)
        writer.write("folder/b", b"2")
    assert (root / "moved" / "b").exists()
    assert list(outside.iterdir()) == []


def test_volume_that_folds_case_takes_the_first_of_two_names(root: Path) -> None:
    with TreeWriter(root, fold_case=True) as writer:
        writer.write("App.py", b"1")
        with pytest.raises(NameTaken):
            writer.write("app.PY", b"2")
    assert [path.name for path in root.iterdir()] == ["App.py"]


def test_name_that_the_file_system_refuses_is_told(root: Path) -> None:
    with TreeWriter(root) as writer, pytest.raises(NameUnsupported):
        writer.write("n" * 300, b"1")


def test_no_descriptor_stays_open(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with TreeWriter(root) as writer:
        writer.write("a/b/c/d", b"1")
        writer.write("x", b"1")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
