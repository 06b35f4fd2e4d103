"""What a repository tries, and what is only ordinary."""

import pytest

from nightshift.domain.worklists import CloneLimits
from nightshift.runner.clone_paths import link_escapes, refuse_path, shown_path
from nightshift.runner.clone_tampering import find_tampering, silenced_scanner


@pytest.mark.parametrize(
    ("path", "content", "details"),
    [
        ("pyproject.toml", b"[tool.ruff]\nline-length = 100\n", []),
        ("pyproject.toml", b"[tool.ruff]\nexclude = ['a']\n", ["tool.ruff sets exclude"]),
        (
            "sub/pyproject.toml",
            b"[tool.ruff.lint]\nignore=['S']\n[tool.bandit]\nskips=['B1']\nexclude_dirs=['x']\n",
            ["tool.bandit sets exclude_dirs, skips", "tool.ruff sets lint.ignore"],
        ),
        ("pyproject.toml", b"[tool.ruff\n", ["has settings for ruff and is not valid TOML"]),
        ("pyproject.toml", b"[project]\nname='x'\n", []),
        ("pyproject.toml", b"tool = 3\n", []),
        ("pyproject.toml", b"\xff\xfe[tool.mypy]", []),
        ("setup.cfg", b"[bandit]\nskips = B1\n", ["[bandit] sets skips"]),
        ("setup.cfg", b"[tool:bandit]\ntests = B1\n", ["[tool:bandit] sets tests"]),
        ("setup.cfg", b"[metadata]\nname = x\n", []),
        ("tox.ini", b"x\n[bandit]\nskips = B1\n", ["has settings for bandit and cannot be read"]),
        ("notes/exclude.toml", b"[tool.ruff]\nexclude = ['a']\n", []),
        (".gitattributes", b"*.py text\n# *.py filter=x\n\n*.png -text\n", []),
        (
            ".gitattributes",
            b"*.py filter=x\n*.c filter=x\n*.sh ident\n",
            ["filter=x on *.py, *.c", "ident on *.sh"],
        ),
        (".gitattributes", b"*.bat eol=crlf\n*.CMD eol=crlf\n*.csproj eol=crlf\n", []),
        ("app.py", b"# nosec\n", []),
    ],
)
def test_file_is_reported_for_what_it_would_silence(
    path: str, content: bytes, details: list[str]
) -> None:
    assert [trick.detail for trick in find_tampering(path, content)] == details


def test_details_are_one_safe_line() -> None:
    content = ("* filter=\x1b[31m" + "x" * 5_000 + "\u202e").encode()
    (trick,) = find_tampering(".gitattributes", content)
    assert trick.detail.isprintable()
    assert len(trick.detail) <= 200


@pytest.mark.parametrize(
    ("path", "scanner"),
    [
        (".gitleaksignore", "gitleaks"),
        ("a/b/.semgrepignore", "semgrep"),
        (".bandit", "bandit"),
        ("ruff.toml", "ruff"),
        (".flawfinderrc", "flawfinder"),
        (".hadolint.yaml", "hadolint"),
        (".shellcheckrc", "shellcheck"),
        (".github/zizmor.yml", "zizmor"),
        (".gitignore", None),
        ("pyproject.toml", None),
        ("flawfinder.py", None),
        ("ruff.toml/a.py", None),
    ],
)
def test_file_that_only_silences_is_known_by_its_name(path: str, scanner: str | None) -> None:
    found = silenced_scanner(path)
    assert (found and found[1]) == scanner


@pytest.mark.parametrize(
    ("path", "target", "escapes"),
    [
        ("a", b"b", False),
        ("a", b"..", True),
        ("d/a", b"../b", False),
        ("d/a", b"../../b", True),
        ("d/a", b"x/../../..", True),
        ("d/a", b"./x//../y", False),
        ("a", b"/etc/passwd", True),
        ("a", b"", False),
        ("d/a", b"../../d/b", True),
    ],
)
def test_link_is_judged_part_by_part(path: str, target: bytes, escapes: bool) -> None:
    assert link_escapes(path, target) is escapes


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"src/app.py", None),
        ("src/größe 漢字.py".encode(), None),
        (b"a/-rf", None),
        (b"-rf/a", "hostile_name"),
        (b"a/../b", "hostile_name"),
        (b"/etc/passwd", "hostile_name"),
        (b"a//b", "hostile_name"),
        (b"a/.GIT/config", "hostile_name"),
        (b"a\tb", "hostile_name"),
        (b"", "hostile_name"),
        (b"x" * 256, "path_too_long"),
        (b"x/" * 600, "path_too_long"),
        (b"x/" * 64 + b"y", "too_deep"),
    ],
)
def test_path_is_refused_with_a_reason(raw: bytes, why: str | None) -> None:
    refusal = refuse_path(raw, CloneLimits())
    assert (refusal and refusal[0]) == why


@pytest.mark.parametrize("raw", [b"\xff" * 2_000, b"a\n", "x\u202e".encode(), b"a" * 5_000])
def test_any_path_can_be_shown(raw: bytes) -> None:
    text = shown_path(raw)
    assert text.isprintable()
    assert len(text) <= 1_024


def test_different_paths_are_shown_differently() -> None:
    assert shown_path(b"\xe9") != shown_path("é".encode())
