from pathlib import Path

import pytest

from nightshift.domain.worklists import Tampering
from nightshift.runner.scan_suppressions import find_suppressions
from nightshift.scanners import get_scanner, load_scanners


def found(scanner: str, source: Path, *paths: str) -> list[tuple[str, str]]:
    suppressions = get_scanner(load_scanners(), scanner, "").suppressions
    return [(t.path, t.detail) for t in find_suppressions(suppressions, source, paths)]


@pytest.mark.parametrize(
    ("scanner", "line", "mark"),
    [
        pytest.param("ruff", "x = 1  # NOQA: S602", "noqa", id="noqa"),
        pytest.param("ruff", "# ruff: file-ignore[S602]", "ruff: ignore", id="a whole file"),
        pytest.param("ruff", "noqa = 1", None, id="a variable of that name"),
        pytest.param("bandit", "x()  #nosec", "nosec", id="nosec without a blank"),
        pytest.param("gitleaks", "k = 1 // gitleaks:allow", "gitleaks:allow", id="gitleaks"),
        pytest.param("flawfinder", "/* ITS4: ignore */", "flawfinder: ignore", id="an old name"),
        pytest.param("flawfinder", "/* do not ignore */", None, id="ignore in plain words"),
    ],
)
def test_marks(tmp_path: Path, scanner: str, line: str, mark: str | None) -> None:
    (tmp_path / "a").write_text(f"first\n{line}\n", encoding="utf-8")

    assert found(scanner, tmp_path, "a") == ([("a", f"{mark} on line 2")] if mark else [])


def test_many_are_counted_and_few_listed(tmp_path: Path) -> None:
    paths = [f"{number}.py" for number in range(60)]
    for path in paths:
        (tmp_path / path).write_text("x  # nosec\n" * 7, encoding="utf-8")

    entries = found("bandit", tmp_path, *paths)

    assert entries[0] == ("0.py", "nosec on line 1, 2, 3, 4, 5 and 2 more")
    assert len(entries) == 51
    assert entries[-1] == ("", "nosec: 420 in 60 files; 50 are listed")


def test_a_path_cannot_lead_out_of_the_tree(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    outside = tmp_path / "outside.py"
    outside.write_text("# nosec\n", encoding="utf-8")
    (source / "link.py").symlink_to(outside)
    (source / "folder.py").mkdir()

    paths = ["../outside.py", str(outside), "link.py", "folder.py", "gone.py", "", "a\0b"]

    assert found("bandit", source, *paths) == []


def test_entries_are_safe_to_show(tmp_path: Path) -> None:
    (tmp_path / "a\n\u202e.py").write_text("# nosec\n", encoding="utf-8")
    suppressions = get_scanner(load_scanners(), "bandit", "").suppressions

    entries = find_suppressions(suppressions, tmp_path, ["a\n\u202e.py"])

    assert entries == (Tampering("inline_suppression", "a\\x0a\\u202e.py", "nosec on line 1"),)
