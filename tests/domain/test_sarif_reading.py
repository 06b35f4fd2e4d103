import json
from typing import Any

import pytest

from nightshift.domain.sarif import (
    Level,
    SarifLimits,
    SarifReport,
    Severity,
    SourceTree,
    parse_sarif,
    severity_of,
)
from nightshift.errors import InvalidSarif


def result(**fields: Any) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": "a.py"}, "region": {"startLine": 3, "startColumn": 7}}
    base = {
        "ruleId": "R1",
        "message": {"text": "bad"},
        "locations": [{"physicalLocation": place}],
    }
    return {**base, **fields}


def at(uri: str, **artifact: Any) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": uri, **artifact}, "region": {"startLine": 1}}
    return result(locations=[{"physicalLocation": place}])


def report(
    *results: dict[str, Any],
    tree: SourceTree | None = None,
    limits: SarifLimits | None = None,
    driver: dict[str, Any] | None = None,
    **run: Any,
) -> SarifReport:
    document = {
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver or {"name": "t"}}, "results": list(results), **run}],
    }
    return parse_sarif(json.dumps(document).encode(), tree, limits)


def test_result_is_read() -> None:
    (found,) = report(result()).results
    assert (found.path, found.line, found.column, found.rule_id) == ("a.py", 3, 7, "R1")
    assert (found.message, found.level, found.severity) == ("bad", Level.WARNING, Severity.MEDIUM)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"\x00", "not JSON", id="binary"),
        pytest.param(b"{" * 100_000, "not JSON", id="depth bomb of objects"),
        pytest.param(b"[" * 100_000, "not JSON", id="depth bomb of lists"),
        pytest.param(
            b'{"version": "2.1.0", "runs": [' + b"9" * 5000 + b"]}", "not JSON", id="digits"
        ),
        pytest.param(b'{"version": "2.1.0", "runs": [NaN]}', "NaN", id="not a number"),
        pytest.param(b"[]", "not SARIF", id="a list"),
        pytest.param(b'{"runs": []}', "not SARIF", id="no version"),
        pytest.param(b'{"version": "1.0.0", "runs": []}', "not SARIF", id="SARIF 1"),
        pytest.param(b'{"version": "2.1.0"}', "no list of runs", id="no runs"),
        pytest.param(b'{"version": "2.1.0", "runs": {}}', "no list of runs", id="runs no list"),
    ],
)
def test_what_is_no_sarif_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InvalidSarif, match=words):
        parse_sarif(data)


def test_large_files_and_many_values_are_refused_before_parsing() -> None:
    with pytest.raises(InvalidSarif, match="at most 10 are read"):
        parse_sarif(b" " * 11, limits=SarifLimits(file_bytes=10))
    with pytest.raises(InvalidSarif, match="JSON values"):
        parse_sarif(b"[" + b"{}," * 100, limits=SarifLimits(values=50))


def test_byte_order_mark_is_no_fault() -> None:
    assert parse_sarif(b'\xef\xbb\xbf{"version": "2.1.0", "runs": []}').is_whole


@pytest.mark.parametrize(
    ("uri", "artifact"),
    [
        pytest.param("a b.py", {}, id="relative, not encoded"),
        pytest.param("a%20b.py", {}, id="relative, encoded"),
        pytest.param("./x/../a%20b.py", {}, id="with dots"),
        pytest.param("/workspace/src/api/a b.py", {}, id="absolute"),
        pytest.param("file:///workspace/src/api/a%20b.py", {}, id="file URI"),
        pytest.param("file:/workspace/src/api/a%20b.py", {}, id="file URI, one slash"),
        pytest.param("FILE://host/workspace/src/api/a%20b.py", {}, id="file URI with a host"),
        pytest.param("/elsewhere/src/api/a b.py", {}, id="mounted elsewhere"),
        pytest.param("src/api/a b.py", {}, id="relative to the working directory"),
        pytest.param("a%20b.py", {"uriBaseId": "ROOT"}, id="below a base"),
        pytest.param("a%20b.py", {"uriBaseId": "NESTED"}, id="below a nested base"),
        pytest.param("a%20b.py", {"uriBaseId": "%SRCROOT%"}, id="below a base that nobody tells"),
    ],
)
def test_a_path_is_found_however_it_is_written(uri: str, artifact: dict[str, str]) -> None:
    tree = SourceTree("/workspace/src/api", {"a b.py"})
    bases = {
        "ROOT": {"uri": "file:///workspace/src/api/"},
        "PARENT": {"uri": "file:///workspace/src"},
        "NESTED": {"uri": "api/", "uriBaseId": "PARENT"},
    }
    read = report(at(uri, **artifact), tree=tree, originalUriBaseIds=bases)
    assert [r.path for r in read.results] == ["a b.py"]


@pytest.mark.parametrize(
    "uri",
    [
        "other.py",
        "/etc/passwd",
        "../a b.py",
        "a b.py/../../a b.py",
        "file:///etc/passwd",
        "https://evil.test/a b.py",
        "file://host",
        "",
        "x" * 10_000,
    ],
)
def test_a_path_outside_the_tree_is_dropped_and_counted(uri: str) -> None:
    read = report(at(uri), tree=SourceTree("/workspace/src/api", {"a b.py"}))
    assert (read.results, read.foreign_results, read.is_whole) == ((), 1, False)


def test_name_that_looks_encoded_is_taken_as_the_tree_has_it() -> None:
    read = report(at("a%20b.py"), tree=SourceTree("", {"a%20b.py"}))
    assert [r.path for r in read.results] == ["a%20b.py"]


def test_bases_that_name_each_other_end() -> None:
    bases = {"A": {"uri": "a/", "uriBaseId": "B"}, "B": {"uri": "b/", "uriBaseId": "A"}}
    assert report(at("x.py", uriBaseId="A"), originalUriBaseIds=bases).results


def test_message_does_not_depend_on_where_the_tree_lies() -> None:
    tree = SourceTree("/night7/src/api", {"a.py"})
    text = {"text": "found in /night7/src/api/a.py and (file:///night6/src/api/b.py)"}
    (found,) = report(result(message=text), tree=tree).results
    assert found.message == "found in a.py and (b.py)"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        pytest.param("a\x00b", "a\ufffdb", id="NUL"),
        pytest.param("a\ud800b", "a\ufffdb", id="lone surrogate"),
        pytest.param("a\u202eb", "a\\u202eb", id="right-to-left override"),
        pytest.param("a\x1b[31mb", "a\\x1b[31mb", id="terminal escape"),
        pytest.param("a\r\nb\tc", "a\nb\tc", id="line ends and tabs stay"),
        pytest.param("x" * 3_000, "x" * 2_000, id="long"),
        pytest.param("é😀", "é😀", id="other languages stay"),
    ],
)
def test_text_is_made_safe(text: str, stored: str) -> None:
    (found,) = report(result(message={"text": text})).results
    assert found.message == stored


@pytest.mark.parametrize(
    ("level", "score", "severity"),
    [
        (Level.ERROR, None, Severity.HIGH),
        (Level.WARNING, None, Severity.MEDIUM),
        (Level.NOTE, None, Severity.LOW),
        (Level.NONE, None, Severity.INFO),
        (Level.NOTE, 9.0, Severity.CRITICAL),
        (Level.NOTE, 8.9, Severity.HIGH),
        (Level.ERROR, 4.0, Severity.MEDIUM),
        (Level.ERROR, 0.1, Severity.LOW),
        (Level.ERROR, 0.0, Severity.INFO),
    ],
)
def test_severity_is_the_rules_score_or_else_the_level(
    level: Level, score: float | None, severity: Severity
) -> None:
    assert severity_of(level, score) is severity


@pytest.mark.parametrize("score", ["7.5", 7.5])
def test_rule_is_read(score: object) -> None:
    rule = {
        "id": "R1",
        "shortDescription": {"text": "Do not"},
        "helpUri": "https://rules.test/R1",
        "defaultConfiguration": {"level": "note"},
        "properties": {"security-severity": score, "tags": ["external/cwe/cwe-079", "x"]},
        "relationships": [{"target": {"id": "CWE-20"}}],
    }
    read = report(result(), driver={"rules": [rule]})
    assert read.rules["R1"].cwe == ("CWE-20", "CWE-79")
    assert (read.rules["R1"].title, read.rules["R1"].help_uri) == (
        "Do not",
        "https://rules.test/R1",
    )
    assert (read.results[0].level, read.results[0].severity) == (Level.NOTE, Severity.HIGH)


@pytest.mark.parametrize("score", ["NaN", "inf", "-1", "11", "x", None, [], "1e999"])
def test_score_that_makes_no_sense_is_none(score: object) -> None:
    rule = {"id": "R1", "properties": {"security-severity": score}}
    assert report(driver={"rules": [rule]}).rules["R1"].security_severity is None


def test_help_that_is_no_web_link_is_dropped() -> None:
    rule = {"id": "R1", "helpUri": "javascript:alert(1)"}
    assert report(driver={"rules": [rule]}).rules["R1"].help_uri == ""


@pytest.mark.parametrize(
    ("fields", "rule_id"),
    [
        pytest.param({"ruleId": "R2", "ruleIndex": 0}, "R2", id="the name wins over a wrong index"),
        pytest.param({"ruleId": None, "ruleIndex": 0}, "R1", id="by index"),
        pytest.param({"ruleId": None, "rule": {"index": 0}}, "R1", id="by index in a reference"),
        pytest.param({"ruleId": None, "rule": {"id": "R1"}}, "R1", id="by name in a reference"),
        pytest.param({"ruleId": "R1/part"}, "R1/part", id="part of a rule"),
    ],
)
def test_rule_of_a_result(fields: dict[str, Any], rule_id: str) -> None:
    rules = [{"id": "R1", "defaultConfiguration": {"level": "error"}}]
    (found,) = report(result(**fields), driver={"rules": rules}).results
    assert found.rule_id == rule_id
    assert found.level is (Level.WARNING if rule_id == "R2" else Level.ERROR)


def test_message_may_be_one_of_the_rules() -> None:
    rule = {"id": "R1", "messageStrings": {"m": {"text": "{0} calls {1} {9}"}}}
    message = {"id": "m", "arguments": ["a", "b"]}
    (found,) = report(result(message=message, ruleIndex=0), driver={"rules": [rule]}).results
    assert found.message == "a calls b {9}"
