"""How a repository may try to silence its scan, told from names and contents. Nothing is run.

Two kinds of files speak to scanners. Those that do nothing else (``.gitleaksignore``,
``ruff.toml``) are left out of the tree. Those with another purpose (``pyproject.toml``) stay, and
each scanner is called so that it does not read them; here we only say what they try.
``.gitattributes`` speaks to git, which we never ask for a checkout.
"""

import configparser
import re
import tomllib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from nightshift.domain.printable import printable_line
from nightshift.domain.worklists import Tampering

DETAIL_CHARS = 200
READ_BYTES = 1 << 20

IGNORE_FILE = "ignore_file"
SCANNER_CONFIG = "scanner_config"
ATTRIBUTES = "attributes"
SYMLINK_ESCAPE = "symlink_escape"

_SILENCERS: Mapping[str, tuple[str, str]] = MappingProxyType({
    ".gitleaksignore": (IGNORE_FILE, "gitleaks"),
    ".semgrepignore": (IGNORE_FILE, "semgrep"),
    ".eslintignore": (IGNORE_FILE, "eslint"),
    ".bandit": (SCANNER_CONFIG, "bandit"),
    "ruff.toml": (SCANNER_CONFIG, "ruff"),
    ".ruff.toml": (SCANNER_CONFIG, "ruff"),
    ".gitleaks.toml": (SCANNER_CONFIG, "gitleaks"),
    "gitleaks.toml": (SCANNER_CONFIG, "gitleaks"),
    ".betterleaks.toml": (SCANNER_CONFIG, "betterleaks"),
    "betterleaks.toml": (SCANNER_CONFIG, "betterleaks"),
    ".hadolint.yaml": (SCANNER_CONFIG, "hadolint"),
    ".hadolint.yml": (SCANNER_CONFIG, "hadolint"),
    ".shellcheckrc": (SCANNER_CONFIG, "shellcheck"),
    "shellcheckrc": (SCANNER_CONFIG, "shellcheck"),
    "zizmor.yml": (SCANNER_CONFIG, "zizmor"),
    "zizmor.yaml": (SCANNER_CONFIG, "zizmor"),
})
_FLAWFINDER = re.compile(r"\.?flawfinder(rc|ignore|\.(conf|cfg|toml|ya?ml))|\.flawfinder.*")
_SILENCING_KEYS = frozenset({
    "exclude", "exclude_dirs", "extend", "extend-exclude", "extend-ignore",
    "extend-per-file-ignores", "force-exclude", "ignore", "include", "per-file-ignores", "select",
    "skips", "targets", "tests",
})  # fmt: skip
_SECTION = re.compile(rb"^\s*\[\s*(?:tool\s*[.:]\s*)?[\"']?(ruff|bandit)\b", re.MULTILINE)
_WINDOWS = re.compile(
    r".*\.(bat|cmd|ps1|psm1|psd1|sln|cs|vb|resx|reg|inf|rc|\w+proj)", re.IGNORECASE
)


def silenced_scanner(path: str) -> tuple[str, str] | None:
    """Say which scanner a file does nothing but speak to: (kind of tampering, scanner)."""
    name = path.rpartition("/")[2]
    if _FLAWFINDER.fullmatch(name):
        return SCANNER_CONFIG, "flawfinder"
    return _SILENCERS.get(name)


def find_tampering(path: str, content: bytes) -> tuple[Tampering, ...]:
    """Find what a file tries; most files try nothing and are not looked into."""
    name = path.rpartition("/")[2]
    if silenced := silenced_scanner(path):
        kind, scanner = silenced
        lines = sum(1 for line in content.splitlines() if line.strip())
        return (_tampering(kind, path, f"{lines} lines for {scanner}; the file was left out"),)
    if name == ".gitattributes":
        return tuple(_tampering(ATTRIBUTES, path, text) for text in _attribute_tricks(content))
    if name == "pyproject.toml":
        details = _toml_settings(content)
    elif name in {"setup.cfg", "tox.ini"}:
        details = _ini_settings(content)
    else:
        return ()
    return tuple(_tampering(SCANNER_CONFIG, path, text) for text in details)


def _tampering(kind: str, path: str, detail: str) -> Tampering:
    return Tampering(kind, path, printable_line(detail, DETAIL_CHARS))


def _attribute_tricks(content: bytes) -> Iterator[str]:
    """Name each attribute that changes what a checkout or an archive would hold."""
    patterns: dict[str, list[str]] = {}
    for line in content.decode(errors="replace").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        for word in words[1:]:
            if trick := _trick(words[0], word):
                patterns.setdefault(trick, []).append(words[0])
    for trick, where in sorted(patterns.items()):
        yield f"{trick} on {', '.join(where[:5])}{' ..' if len(where) > 5 else ''}"


def _trick(pattern: str, word: str) -> str:
    name, _, value = word.partition("=")
    if name in {"working-tree-encoding", "export-ignore", "export-subst", "ident"}:
        return word
    if name == "filter" and value != "lfs":
        return word
    if (name, value) == ("eol", "crlf") and not _WINDOWS.fullmatch(pattern):
        return word
    return ""


def _toml_settings(content: bytes) -> Iterator[str]:
    try:
        tools = tomllib.loads(content.decode()).get("tool", {})
    except (ValueError, RecursionError):
        yield from _unreadable_settings(content, "is not valid TOML")
        return
    for name in ("bandit", "ruff"):
        settings = tools.get(name) if isinstance(tools, dict) else None
        if keys := sorted(_silencing_keys(settings)):
            yield f"tool.{name} sets {', '.join(keys)}"


def _silencing_keys(settings: Any, prefix: str = "") -> Iterator[str]:  # noqa: ANN401 - TOML
    if not isinstance(settings, dict):
        return
    for key, value in settings.items():
        if key in _SILENCING_KEYS:
            yield prefix + key
        elif key == "lint":
            yield from _silencing_keys(value, f"{prefix}lint.")


def _unreadable_settings(content: bytes, fault: str) -> Iterator[str]:
    for name in sorted({match.decode() for match in _SECTION.findall(content)}):
        yield f"has settings for {name} and {fault}"


def _ini_settings(content: bytes) -> Iterator[str]:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(content.decode())
    except (ValueError, configparser.Error):
        yield from _unreadable_settings(content, "cannot be read")
        return
    for section in parser.sections():
        if section.rpartition(":")[2] not in {"bandit", "ruff"}:
            continue
        if keys := sorted(_SILENCING_KEYS & set(parser.options(section))):
            yield f"[{section}] sets {', '.join(keys)}"
