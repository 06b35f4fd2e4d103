import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from nightshift.domain.ids import CommitSha
from nightshift.errors import ConfigError, ConfigErrors
from nightshift.scanners import SHIPPED, cache_key, get_scanner, load_scanners, rules_digest
from nightshift.scanners.definitions import ExitMeaning
from tests.runner.scan_stubs import DEFINITION, add_stub

COMMIT = CommitSha("a" * 40)


def definition(**changes: Any) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(json.dumps(DEFINITION))
    raw["command"] |= changes.pop("command", {})
    return raw | changes


def load_one(folder: Path, raw: object) -> None:
    add_stub(folder, "")
    (folder / "stub" / "scanner.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    load_scanners(folder)


def test_the_shipped_scanners_are_sound() -> None:
    assert list(load_scanners()) == ["bandit", "flawfinder", "gitleaks", "ruff"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        pytest.param({"name": "other"}, r"stub/scanner.yaml: name: .*folder's name", id="its name"),
        pytest.param({"colour": 1}, "colour", id="an unknown key"),
        pytest.param({"languages": ["cobol"]}, r"languages\[0\]: cobol", id="an unknown language"),
        pytest.param(
            {"command": {"argv": ["{python}", "{sauce}", "{source}", "{output}"]}},
            r"command.argv\[1\]: unknown placeholder sauce",
            id="an unknown placeholder",
        ),
        pytest.param(
            {"command": {"argv": ["ruff", "{source}", "{output}"]}},
            "command.argv",
            id="a program looked up in PATH",
        ),
        pytest.param(
            {"command": {"argv": ["{python}", "{output}"]}}, "must name {source}", id="no source"
        ),
        pytest.param(
            {"command": {"output": "stdout"}}, "must name {output} if", id="an output not asked for"
        ),
        pytest.param(
            {"command": {"exit_codes": {"300": "findings"}}}, "300", id="an impossible exit code"
        ),
        pytest.param(
            {"unscanned_log_pattern": "a"}, "exactly one group", id="a pattern without a group"
        ),
        pytest.param(
            {"suppressions": [{"mark": "a", "hint": "abc", "pattern": "("}]},
            r"suppressions\[0\].pattern: is not a regular",
            id="a broken pattern",
        ),
        pytest.param(
            {
                "canary": {
                    "words": {},
                    "expected": [
                        {"rule": "R", "path": "canary.txt", "line": 1},
                        {"rule": "R", "path": "gone", "line": 1},
                    ],
                }
            },
            r"canary.expected\[1\].path: there is no sample file gone",
            id="a canary without its file",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_one(tmp_path, definition(**changes))

    assert re.search(fault, str(caught.value))


def test_all_faults_of_all_files_are_reported_together(tmp_path: Path) -> None:
    add_stub(tmp_path, "")
    shutil.copytree(tmp_path / "stub", tmp_path / "torn")
    (tmp_path / "torn" / "scanner.yaml").write_text("{", encoding="utf-8")
    bad = definition(version=1, homepage="http://insecure.example/")
    (tmp_path / "stub" / "scanner.yaml").write_text(yaml.safe_dump(bad), encoding="utf-8")

    with pytest.raises(ConfigErrors) as caught:
        load_scanners(tmp_path)

    where = [fault.where for fault in caught.value.exceptions if isinstance(fault, ConfigError)]
    assert where[:2] == ["stub/scanner.yaml: homepage", "stub/scanner.yaml: version"]
    assert where[2].endswith("torn/scanner.yaml")


def test_an_unknown_scanner_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"work\.json: .*'trivy'.*bandit, flawfinder, gitleaks, ruff"
    ):
        get_scanner(load_scanners(), "trivy", "work.json")


def test_the_digest_follows_every_file_and_no_cache(tmp_path: Path) -> None:
    add_stub(tmp_path, "")
    before = rules_digest(tmp_path / "stub")

    (tmp_path / "stub" / "__pycache__").mkdir()
    (tmp_path / "stub" / "__pycache__" / "tool.pyc").write_bytes(b"x")
    assert rules_digest(tmp_path / "stub") == before

    (tmp_path / "stub" / "sample" / "canary.txt").write_text("other\n", encoding="utf-8")
    changed = rules_digest(tmp_path / "stub")
    (tmp_path / "stub" / "tool.py").rename(tmp_path / "stub" / "renamed.py")
    assert len({before, changed, rules_digest(tmp_path / "stub")}) == 3


def test_the_cache_key_depends_on_everything_that_changes_results() -> None:
    scanners = load_scanners()
    ruff, bandit = get_scanner(scanners, "ruff", ""), get_scanner(scanners, "bandit", "")
    keys = {
        cache_key(COMMIT, ruff),
        cache_key(CommitSha("b" * 40), ruff),
        cache_key(COMMIT, bandit),
        cache_key(COMMIT, ruff, image_digest="sha256:1"),
        cache_key(COMMIT, ruff, settings="x"),
    }

    assert len(keys) == 5
    assert cache_key(COMMIT, ruff) in keys


@pytest.mark.parametrize(
    ("scanner", "path", "reads"),
    [
        pytest.param("ruff", "a/b.py", True, id="Python"),
        pytest.param("ruff", "a/b.PY", False, id="a case that ruff does not read"),
        pytest.param("ruff", "b.ipynb", False, id="a notebook"),
        pytest.param("flawfinder", "x/y.C", True, id="C++ by its capital"),
        pytest.param("gitleaks", "no_extension", True, id="anything"),
        pytest.param("gitleaks", "a/node_modules/b.js", False, id="left out below a folder"),
        pytest.param("gitleaks", "node_modules_of_mine/b.js", True, id="only looks left out"),
    ],
)
def test_what_a_scanner_reads(scanner: str, path: str, reads: bool) -> None:
    assert get_scanner(load_scanners(), scanner, "").reads(path) is reads


def test_planning_by_languages() -> None:
    scanners = load_scanners()

    applies = [name for name, scanner in scanners.items() if scanner.may_apply({"cpp": 3})]

    assert applies == ["flawfinder", "gitleaks"]


def test_flawfinder_reads_no_language_of_its_exit_code() -> None:
    flawfinder = get_scanner(load_scanners(), "flawfinder", "")

    assert dict(flawfinder.command.exit_codes) == {0: ExitMeaning.EITHER}


def test_every_folder_has_a_definition() -> None:
    folders = {p.name for p in SHIPPED.iterdir() if p.is_dir() and not p.name.startswith("__")}

    assert folders == set(load_scanners())
