"""Reads ``<tool>/scanner.yaml`` into Scanner values; every fault of every file at once."""

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema
import yaml

from nightshift.domain.ids import CommitSha, ScannerName, parse_scanner_name
from nightshift.domain.languages import LANGUAGES
from nightshift.errors import ConfigError, ConfigErrors
from nightshift.scanners.definitions import (
    ANY_LANGUAGE,
    Canary,
    ExitMeaning,
    ExpectedResult,
    OutputFrom,
    Scanner,
    ScannerCommand,
    ScannerResources,
    Suppression,
    WorkingDirectory,
)

SHIPPED = Path(__file__).parent
"""Folder of the scanners that come with Nightshift."""
PLACEHOLDERS = frozenset({
    "python", "scripts", "packages", "tool_dir", "source", "output", "scratch",
})  # fmt: skip
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_SIZE_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def load_scanners(folder: Path = SHIPPED) -> Mapping[ScannerName, Scanner]:
    """Read every scanner that is shipped, by name, in the order of their names.

    :param folder: holds one folder a tool.
    :raises ConfigErrors: with all faults of all files.
    """
    faults: list[ConfigError] = []
    found: dict[ScannerName, Scanner] = {}
    for path in sorted(folder.glob("*/scanner.yaml")):
        try:
            scanner = _load_scanner(path)
            found[scanner.name] = scanner
        except ConfigErrors as group:
            faults += [fault for fault in group.exceptions if isinstance(fault, ConfigError)]
    if faults:
        raise ConfigErrors("scanners cannot be loaded:", faults)
    return MappingProxyType(found)


def get_scanner(scanners: Mapping[ScannerName, Scanner], name: str, where: str) -> Scanner:
    """Look a scanner up.

    :param where: who asks, for the message.
    :raises ConfigError: if there is none of this name; the text lists those that there are.
    """
    for known, scanner in scanners.items():
        if known == name:
            return scanner
    raise ConfigError(where, f"there is no scanner {name!r}; there are: {', '.join(scanners)}")


def cache_key(
    commit: CommitSha, scanner: Scanner, image_digest: str = "", settings: str = ""
) -> str:
    """Name what a scan's result depends on; an equal key means that nothing need run again.

    :param image_digest: of the scanner image, "" where scans run without one.
    :param settings: whatever else changes results, in a stable form.
    """
    parts = (commit, scanner.name, scanner.version, scanner.digest, image_digest, settings)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def rules_digest(folder: Path) -> str:
    """SHA-256 over a tool's folder: names and contents of all its files, caches left out."""
    digest = hashlib.sha256()
    for path in list_files(folder):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(folder)}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((SHIPPED / "scanner.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _load_scanner(path: Path) -> Scanner:
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise ConfigErrors(
            str(path), [ConfigError(str(path), f"is not YAML: {problem}")]
        ) from error
    where = f"{path.parent.name}/{path.name}"
    errors = sorted(_validator().iter_errors(raw), key=lambda e: [str(p) for p in e.absolute_path])
    faults = [ConfigError(f"{where}: {_format(e)}", e.message[:300]) for e in errors]
    if not faults:
        faults = [ConfigError(f"{where}: {at}", what) for at, what in _find_faults(raw, path)]
    if faults:
        raise ConfigErrors(where, faults)
    return _build(raw, path.parent)


def _format(error: jsonschema.ValidationError) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
    return text.removeprefix(".") or "the file"


def _find_faults(raw: dict[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    """Check what a schema cannot say."""
    for index, name in enumerate(raw["languages"]):
        if name not in {*LANGUAGES, ANY_LANGUAGE}:
            yield f"languages[{index}]", f"{name} is not a language that checkouts know"
    if raw["name"] != path.parent.name:
        yield "name", f"must be the folder's name, {path.parent.name}"
    yield from _find_command_faults(raw["command"])
    patterns = {
        "unscanned_log_pattern": raw.get("unscanned_log_pattern", ""),
        "unscanned_path_pattern": raw.get("unscanned_path_pattern", ""),
        "files_scanned_log_pattern": raw.get("files_scanned_log_pattern", ""),
        "command.version_pattern": raw["command"]["version_pattern"],
    } | {f"suppressions[{i}].pattern": s["pattern"] for i, s in enumerate(raw["suppressions"])}
    for at, pattern in patterns.items():
        yield from _find_pattern_faults(at, pattern)
    samples = {
        sample_name(p.relative_to(path.parent / "sample"))
        for p in list_files(path.parent / "sample")
    }
    for index, expected in enumerate(raw["canary"]["expected"]):
        if expected["path"] not in samples:
            yield f"canary.expected[{index}].path", f"there is no sample file {expected['path']}"


def _find_command_faults(command: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("argv", "version_argv"):
        for index, text in enumerate(command[key]):
            for name in sorted(set(_PLACEHOLDER.findall(text)) - PLACEHOLDERS):
                known = ", ".join(sorted(PLACEHOLDERS))
                yield f"command.{key}[{index}]", f"unknown placeholder {name}; known: {known}"
    words = " ".join(command["argv"])
    needs_output = command["output"] == OutputFrom.FILE
    if ("{output}" in words) != needs_output:
        yield "command.argv", "must name {output} if, and only if, output is file"
    if "{source}" not in words and command["working_directory"] != WorkingDirectory.SOURCE:
        yield "command.argv", "must name {source}"


def _find_pattern_faults(at: str, pattern: str) -> Iterator[tuple[str, str]]:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        yield at, f"is not a regular expression: {error}"
        return
    if "log_pattern" in at and pattern and groups != 1:
        yield at, "must have exactly one group"


def list_files(folder: Path) -> list[Path]:
    """List all files below a folder, in a stable order; Python's caches left out."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


def sample_name(path: Path) -> str:
    """Give a sample file's name in the canary: ``as.x`` stands for ``x``.

    Why: a ``.gitignore`` or ``pyproject.toml`` of the canary must not act on our own repository.
    """
    return "/".join(part.removeprefix("as.") for part in path.parts)


def _build(raw: dict[str, Any], folder: Path) -> Scanner:
    return Scanner(
        name=parse_scanner_name(raw["name"]),
        title=raw["title"],
        version=raw["version"],
        licence=raw["licence"],
        homepage=raw["homepage"],
        languages=tuple(raw["languages"]),
        files=tuple(raw["files"]),
        leaves_out=tuple(raw["leaves_out"]["paths"]),
        leaves_out_reason=raw["leaves_out"]["reason"],
        command=_build_command(raw["command"]),
        resources=_build_resources(raw["resources"]),
        unscanned_log_pattern=raw.get("unscanned_log_pattern", ""),
        unscanned_path_pattern=raw.get("unscanned_path_pattern", ""),
        files_scanned_log_pattern=raw.get("files_scanned_log_pattern", ""),
        suppressions=tuple(Suppression(**item) for item in raw["suppressions"]),
        silencers=tuple(raw["silencers"]),
        canary=_build_canary(raw["canary"]),
        finds_secrets=raw.get("finds_secrets", False),
        notes=tuple(raw["notes"]),
        folder=folder,
        digest=rules_digest(folder),
    )


def _build_command(raw: dict[str, Any]) -> ScannerCommand:
    return ScannerCommand(
        argv=tuple(raw["argv"]),
        environment=MappingProxyType(dict(raw["environment"])),
        working_directory=WorkingDirectory(raw["working_directory"]),
        output=OutputFrom(raw["output"]),
        exit_codes=MappingProxyType({
            int(code): ExitMeaning(meaning) for code, meaning in raw["exit_codes"].items()
        }),
        version_argv=tuple(raw["version_argv"]),
        version_pattern=raw["version_pattern"],
    )


def _build_resources(raw: dict[str, Any]) -> ScannerResources:
    return ScannerResources(
        cpu_millis=raw["cpu_millis"],
        memory_bytes=_parse_size(raw["memory"]),
        memory_limit_bytes=_parse_size(raw["memory_limit"]),
        deadline_seconds=raw["deadline_seconds"],
    )


def _parse_size(text: str) -> int:
    """Read ``512Mi``; the schema has checked its form."""
    return int(text[:-2]) * _SIZE_UNITS[text[-2:]]


def _build_canary(raw: dict[str, Any]) -> Canary:
    return Canary(
        expected=tuple(sorted(ExpectedResult(**item) for item in raw["expected"])),
        words=MappingProxyType({name: "".join(parts) for name, parts in raw["words"].items()}),
    )
