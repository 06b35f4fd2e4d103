"""Runs bandit and writes its JSON report as SARIF 2.1.0, in one process.

    python -I run.py --report OUT.sarif -- <bandit's own arguments>

Why not bandit's own SARIF: it needs five packages more, and it dies on an issue without code. This
file runs inside the sandbox and imports nothing of ours. It ends with bandit's exit code; the
number of files goes to stderr, since SARIF has no place for it.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

LEVELS = {"HIGH": "error", "MEDIUM": "warning", "LOW": "note"}


def main(argv: list[str]) -> int:
    """Run bandit, convert what it says; ``argv`` as in the module's docstring."""
    flag, report, separator, *arguments = argv
    if (flag, separator) != ("--report", "--"):
        raise SystemExit("usage: run.py --report OUT.sarif -- ARGUMENTS")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "bandit.json"
        code = run_bandit([*arguments, "--format", "json", "--output", str(raw)])
        if not raw.exists():
            return code
        found = json.loads(raw.read_text("utf-8", errors="replace"))
    Path(report).write_text(json.dumps(to_sarif(found)), "utf-8")
    files = len(found["metrics"]) - 1  # one of them is called _totals
    sys.stderr.write(f"nightshift: {files - len(found['errors'])} files read\n")
    return code


def run_bandit(arguments: list[str]) -> int:
    """Call bandit's command line in this process and give its exit code."""
    from bandit.cli.main import main as bandit_main  # type: ignore[import-not-found]  # the scanner image has it

    sys.argv = ["bandit", *arguments]
    try:
        bandit_main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 2
    return 0


def to_sarif(report: dict[str, Any]) -> dict[str, Any]:
    """Turn bandit's JSON report into a SARIF log with one run."""
    rules: dict[str, dict[str, Any]] = {}
    for issue in report["results"]:
        rules.setdefault(issue["test_id"], _rule(issue))
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "Bandit", "rules": list(rules.values())}},
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [_notice(e) for e in report["errors"]],
                    }
                ],
                "results": [_result(issue) for issue in report["results"]],
            }
        ],
    }


def _rule(issue: dict[str, Any]) -> dict[str, Any]:
    cwe = (issue.get("issue_cwe") or {}).get("id")
    return {
        "id": issue["test_id"],
        "name": issue["test_name"],
        "shortDescription": {"text": issue["test_name"].replace("_", " ")},
        "helpUri": issue["more_info"],
        "properties": {"tags": ["security", *([f"external/cwe/cwe-{cwe}"] if cwe else [])]},
    }


def _result(issue: dict[str, Any]) -> dict[str, Any]:
    return {
        "ruleId": issue["test_id"],
        "level": LEVELS.get(issue["issue_severity"], "warning"),
        "message": {"text": issue["issue_text"]},
        "locations": [_location(issue["filename"], issue)],
        "properties": {"confidence": issue["issue_confidence"]},
    }


def _location(path: str, issue: dict[str, Any]) -> dict[str, Any]:
    region = {"startLine": issue["line_number"], "startColumn": issue["col_offset"] + 1}
    return {"physicalLocation": {**_artifact(path), "region": region}}


def _notice(error: dict[str, Any]) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": error["reason"]},
        "locations": [{"physicalLocation": _artifact(error["filename"])}],
    }


def _artifact(path: str) -> dict[str, Any]:
    return {"artifactLocation": {"uri": Path(path).as_uri()}}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
