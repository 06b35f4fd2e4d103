"""Gives results their identity from the source lines, and takes secrets out of what is stored."""

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nightshift.domain.finding_matches import Seen
from nightshift.domain.fingerprints import identify
from nightshift.domain.printable import printable_line, printable_path
from nightshift.domain.redaction import finds_secrets, mask_quoted, mask_runs
from nightshift.domain.sarif_values import SarifReport, SarifResult, SarifRule

FILE_BYTES = 16 * 1024 * 1024
"""A larger file is not read; its results are told apart by rule and file only."""
SNIPPET_CHARS = 500


class SourceLines:
    """Reads lines of a source tree, one file at a time, without ever following a link."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = ""
        self._lines: Sequence[str] = ()

    def of(self, path: str) -> Sequence[str]:
        """Give a file's lines; none if it is not a plain file of the tree, or too large."""
        if path != self._path:
            self._path, self._lines = path, self._read(path)
        return self._lines

    def _read(self, path: str) -> Sequence[str]:
        with suppress(OSError, ValueError):
            data = _read_inside(self._root, path)
            return data.decode("utf-8", errors="replace").split("\n")
        return ()


def identify_results(
    report: SarifReport,
    lines: SourceLines,
    blobs: Mapping[str, str],
    *,
    secret_key: bytes,
    all_secret: bool,
) -> list[Seen]:
    """Turn results into what is stored and compared; sorted results read each file once.

    :param secret_key: goes into the identity of lines that may hold a secret.
    :param all_secret: the scanner looks for nothing else.
    """
    secret = {rule_id: all_secret or finds_secrets(rule) for rule_id, rule in report.rules.items()}
    return [
        _identify(result, report.rules[result.rule_id], lines, blobs, secret_key)
        if secret[result.rule_id]
        else _identify(result, report.rules[result.rule_id], lines, blobs, b"")
        for result in report.results
    ]


def _identify(
    result: SarifResult,
    rule: SarifRule,
    lines: SourceLines,
    blobs: Mapping[str, str],
    key: bytes,
) -> Seen:
    path = printable_path(result.path)
    text = lines.of(result.path)
    identity = identify(rule.id, path, text, result.line, key=key)
    has_text = 0 < result.line <= len(text) and not key
    return Seen(
        rule=rule.id,
        path=path,
        line=result.line,
        column=result.column,
        fingerprint=identity.fingerprint,
        context=identity.context,
        severity=int(result.severity),
        message=mask_quoted(result.message) if key else mask_runs(result.message),
        snippet=_snippet(text[result.line - 1]) if has_text else "",
        blob=blobs.get(result.path, ""),
        author_ignores=result.author_ignores,
    )


def _snippet(line: str) -> str:
    return mask_runs(printable_line(line, SNIPPET_CHARS))


def _read_inside(root: Path, path: str) -> bytes:
    """Read a file below ``root``; every folder on the way is opened without following links."""
    *folders, name = path.split("/")
    if ".." in folders or name in {"", ".."}:
        raise ValueError(path)
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(folder, flags, dir_fd=here)
            os.close(here)
            here = inner
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=here), "rb") as file:
            mode = os.fstat(file.fileno())
            if not stat.S_ISREG(mode.st_mode) or mode.st_size > FILE_BYTES:
                raise ValueError(path)
            return file.read(FILE_BYTES)
    finally:
        os.close(here)
