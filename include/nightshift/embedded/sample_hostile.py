"""A repository that does what it can to escape or to silence its scan, with findings to be found.

Everything it tries is listed with it, so that a night can be checked: each planted finding must be
reported although a comment, a setting or an ignore file says otherwise.
"""

import base64
import hashlib
from dataclasses import dataclass

from nightshift.embedded.sample_history import File, Tree


@dataclass(frozen=True, slots=True)
class Planted:
    """A finding that a scanner must report.

    :param rule: the scanner's own id of it.
    :param suppressed: a comment on its line tells the scanner to be silent.
    """

    path: str
    line: int
    scanner: str
    rule: str
    suppressed: bool = False


Lines = tuple[tuple[str, str], ...]
"""A file's lines, each with what must be found on it: ``scanner:rule`` words."""

_PYTHON: Lines = (
    ("import subprocess", ""),
    ("", ""),
    ("", ""),
    ("def run(command: str) -> int:", ""),
    ("    return subprocess.call(command, shell=True)", "ruff:S602 bandit:B602"),
    ("", ""),
    ("", ""),
    ("def run_quietly(command: str) -> int:", ""),
    (
        "    return subprocess.call(command, shell=True)  # nosec # noqa: S602",
        "ruff:S602 bandit:B602",
    ),
    ("", ""),
    ("", ""),
    ("def calculate(text: str) -> object:", ""),
    ("    return eval(text)", "ruff:S307 bandit:B307"),
    ("", ""),
    ("", ""),
    ("def calculate_quietly(text: str) -> object:", ""),
    ("    return eval(text)  # nosec B307 # noqa", "ruff:S307 bandit:B307"),
)
_C: Lines = (
    ("#include <stdio.h>", ""),
    ("#include <string.h>", ""),
    ("", ""),
    ("void greet(const char *name) {", ""),
    ("    char buffer[16];", ""),
    ("    strcpy(buffer, name);", "flawfinder:FF1001"),
    ("    strcpy(buffer, name); /* Flawfinder: ignore */", "flawfinder:FF1001"),
    ("    gets(buffer); /* RATS: ignore */", "flawfinder:FF1014"),
    ("}", ""),
)
_SETTINGS = {
    ".gitleaksignore": "config/keys.ini:aws-access-token:2\nconfig/keys.ini:aws-access-token:3\n",
    ".semgrepignore": "*\n",
    ".bandit": "[bandit]\nexclude: /app\nskips: B307,B602\n",
    "ruff.toml": 'exclude = ["*.py"]\n',
    ".gitleaks.toml": "[allowlist]\npaths = ['''.*''']\n",
    ".gitattributes": (
        "*.py working-tree-encoding=UTF-16LE-BOM\n/config export-ignore\n*.c filter=hide ident\n"
    ),
    "pyproject.toml": (
        '[tool.ruff]\nextend-exclude = ["app"]\n\n[tool.ruff.lint]\nignore = ["S"]\n\n'
        '[tool.bandit]\nexclude_dirs = ["app"]\nskips = ["B602"]\n'
    ),
    "setup.cfg": "[bandit]\nskips = B307\n",
    ".flawfinder": "neverignore=0\n",
}
_LINKS = {
    "links/passwd": "/etc/passwd",
    "links/other": "../../other",
    "links/readme": "../README.md",
}
TAMPERING = frozenset({"symlink_escape", "attributes", "ignore_file", "scanner_config"})
LEFT_OUT = frozenset({"symlink", "ignore_file"})


def hostile_repository() -> tuple[tuple[Tree, Tree], tuple[Planted, ...]]:
    """Make the repository's two commits, and list what must be found in the second."""
    keys = _keys()
    files = {"app/commands.py": _PYTHON, "src/greet.c": _C, "config/keys.ini": keys}
    tree = {path: _file(lines) for path, lines in files.items()}
    settings = {path: File(text.encode()) for path, text in _SETTINGS.items()}
    links = {path: File(target.encode(), mode="120000") for path, target in _LINKS.items()}
    readme = {"README.md": File(b"# hostile\n")}
    planted = tuple(found for path, lines in files.items() for found in _planted(path, lines))
    return (readme | tree, settings | links), planted


def _keys() -> Lines:
    """Make credentials that look real and never were: no text of ours holds one."""
    one, two = (
        "AKIA" + base64.b32encode(hashlib.sha256(seed).digest()).decode()[:16]
        for seed in (b"first sample", b"second sample")
    )
    return (
        ("[aws]", ""),
        (f"aws_access_key_id = {one}", "gitleaks:aws-access-token"),
        (f"backup_access_key_id = {two}  # gitleaks:allow", "gitleaks:aws-access-token"),
    )


def _file(lines: Lines) -> File:
    return File("".join(f"{text}\n" for text, _ in lines).encode())


def _planted(path: str, lines: Lines) -> list[Planted]:
    return [
        Planted(path, number, scanner, rule, _is_suppressed(text))
        for number, (text, expectations) in enumerate(lines, start=1)
        for scanner, rule in (words.split(":") for words in expectations.split())
    ]


def _is_suppressed(text: str) -> bool:
    return any(word in text for word in ("nosec", "noqa", "ignore */", "gitleaks:allow"))
