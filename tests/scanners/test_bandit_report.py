"""The conversion of bandit's JSON, without bandit."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nightshift.domain.sarif import SourceTree, parse_sarif
from nightshift.domain.sarif_values import Level
from nightshift.scanners import SHIPPED

ISSUE: dict[str, Any] = {
    "col_offset": 4,
    "filename": "/src/demo/a b.py",
    "issue_confidence": "HIGH",
    "issue_cwe": {"id": 78, "link": "https://cwe.example/78"},
    "issue_severity": "MEDIUM",
    "issue_text": "subprocess call with shell=True",
    "line_number": 7,
    "more_info": "https://bandit.example/b602",
    "test_id": "B602",
    "test_name": "subprocess_popen_with_shell_equals_true",
}


@pytest.fixture(scope="module")
def converter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bandit_run", SHIPPED / "bandit" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def convert(converter: ModuleType, **report: Any) -> bytes:
    return json.dumps(converter.to_sarif({"results": [], "errors": [], **report})).encode()


def test_an_issue_keeps_its_place_rule_and_weakness(converter: ModuleType) -> None:
    report = parse_sarif(convert(converter, results=[ISSUE]), SourceTree("/src/demo", {"a b.py"}))

    (result,) = report.results
    assert (result.path, result.line, result.column) == ("a b.py", 7, 5)
    assert (result.rule_id, result.level) == ("B602", Level.WARNING)
    assert report.rules["B602"].cwe == ("CWE-78",)
    assert report.rules["B602"].help_uri == "https://bandit.example/b602"
    assert report.is_whole


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        pytest.param("HIGH", Level.ERROR, id="high"),
        pytest.param("LOW", Level.NOTE, id="low"),
        pytest.param("UNDEFINED", Level.WARNING, id="undefined"),
    ],
)
def test_severity_becomes_a_level(converter: ModuleType, severity: str, level: Level) -> None:
    data = convert(converter, results=[ISSUE | {"issue_severity": severity}])

    assert parse_sarif(data, SourceTree("/src/demo")).results[0].level is level


def test_an_issue_without_a_weakness_is_still_one(converter: ModuleType) -> None:
    data = convert(converter, results=[ISSUE | {"issue_cwe": {}}])

    report = parse_sarif(data, SourceTree("/src/demo"))
    assert (len(report.results), report.rules["B602"].cwe) == (1, ())


def test_an_error_is_an_unscanned_file(converter: ModuleType) -> None:
    errors = [{"filename": "/src/demo/bad.py", "reason": "syntax error while parsing AST"}]

    report = parse_sarif(convert(converter, errors=errors), SourceTree("/src/demo"))

    assert report.unscanned == ("bad.py",)


def test_wrong_arguments_are_refused(converter: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="usage"):
        converter.main(["--output", str(tmp_path), "--", "x"])
