"""A scanner of our own for tests: it passes its canary, then does what a test tells it to."""

import json
import textwrap
from pathlib import Path
from typing import Any

import yaml

_HEAD = """
import json, os, sys, time
from pathlib import Path

source, output = Path(sys.argv[1]), Path(sys.argv[2])

def result(path, line, rule="R1"):
    place = {"artifactLocation": {"uri": str(source / path)}, "region": {"startLine": line}}
    locations = [{"physicalLocation": place}]
    return {"ruleId": rule, "message": {"text": "found"}, "locations": locations}

def write(*results):
    run = {"tool": {"driver": {"name": "stub"}}, "results": list(results)}
    output.write_text(json.dumps({"version": "2.1.0", "runs": [run]}))

if (source / "canary.txt").exists():
    write(result("canary.txt", 1), result("canary.txt", 2))
    sys.exit(1)

"""

DEFINITION: dict[str, Any] = {
    "name": "stub",
    "title": "Stub",
    "version": "1",
    "licence": "MIT",
    "homepage": "https://example.org/",
    "languages": ["any"],
    "files": ["*"],
    "leaves_out": {"paths": [], "reason": "Nothing is left out."},
    "command": {
        "argv": ["{python}", "-I", "{tool_dir}/tool.py", "{source}", "{output}"],
        "environment": {},
        "working_directory": "empty",
        "output": "file",
        "exit_codes": {"0": "no_findings", "1": "findings"},
        "version_argv": ["{python}", "--version"],
        "version_pattern": "Python (\\S+)",
    },
    "resources": {
        "cpu_millis": 100,
        "memory": "64Mi",
        "memory_limit": "256Mi",
        "deadline_seconds": 20,
    },
    "suppressions": [],
    "silencers": [],
    "canary": {
        "expected": [
            {"rule": "R1", "path": "canary.txt", "line": 1},
            {"rule": "R1", "path": "canary.txt", "line": 2},
        ],
        "words": {},
    },
    "notes": [],
}


def add_stub(folder: Path, body: str, **changes: Any) -> Path:
    """Write a scanner called ``stub`` below ``folder``.

    :param body: what it does with a tree that is not its canary; it has ``source``, ``output``,
        ``write(*results)`` and ``result(path, line)``.
    :param changes: keys of the definition; those of ``command`` are merged.
    """
    definition = json.loads(json.dumps(DEFINITION))
    definition["command"] |= changes.pop("command", {})
    definition |= changes
    stub = folder / "stub"
    (stub / "sample").mkdir(parents=True)
    (stub / "sample" / "canary.txt").write_text("one\ntwo\n", encoding="utf-8")
    (stub / "tool.py").write_text(_HEAD + textwrap.dedent(body), encoding="utf-8")
    (stub / "scanner.yaml").write_text(yaml.safe_dump(definition), encoding="utf-8")
    return folder
