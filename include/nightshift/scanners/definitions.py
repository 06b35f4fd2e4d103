"""What we know of a scanner: how it is called, what its words mean, what it costs.

Values only; ``loading`` makes them from ``<tool>/scanner.yaml``. No process is started here.
"""

import fnmatch
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nightshift.domain.batches import ScanNeeds
from nightshift.domain.ids import ScannerName
from nightshift.domain.resources import Resources

ANY_LANGUAGE = "any"
"""In ``Scanner.languages``: the tool reads text of every kind."""


class ExitMeaning(StrEnum):
    """What an exit code says; a code that is not listed is a failure."""

    NO_FINDINGS = "no_findings"
    FINDINGS = "findings"
    EITHER = "either"  # the tool ends so with and without findings
    ERROR = "error"


class OutputFrom(StrEnum):
    """Where the tool leaves its SARIF."""

    FILE = "file"
    STDOUT = "stdout"


class WorkingDirectory(StrEnum):
    """Where the tool is started."""

    EMPTY = "empty"
    SOURCE = "source"  # only for a tool that does not read its settings from there


@dataclass(frozen=True, slots=True)
class ScannerCommand:
    """How a scanner is called.

    :param argv: with ``{python} {scripts} {packages} {tool_dir} {source} {output} {scratch}``.
    :param environment: added to a clean environment; the same words are replaced in its values.
    :param version_argv: prints the version; ``version_pattern`` has one group that takes it.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: WorkingDirectory
    output: OutputFrom
    exit_codes: Mapping[int, ExitMeaning]
    version_argv: tuple[str, ...]
    version_pattern: str


RUNNER_MEMORY_BYTES = 192 * 1024**2
"""What the runner itself needs in a pod, beside the scanner that it watches."""


@dataclass(frozen=True, slots=True)
class ScannerResources:
    """What a scan asks for; a repository's own history replaces these guesses.

    :param cpu_millis: request, in thousandths of a core.
    :param memory_bytes: request.
    :param memory_limit_bytes: resident memory of the process group; above it the scan is ended.
    :param deadline_seconds: wall time of one scan.
    """

    cpu_millis: int
    memory_bytes: int
    memory_limit_bytes: int
    deadline_seconds: int

    @property
    def pod_request(self) -> Resources:
        """What a pod asks for that runs it: room up to the limit, and the runner's own."""
        return Resources(self.cpu_millis, self.memory_limit_bytes + RUNNER_MEMORY_BYTES)

    def within(self, needs: ScanNeeds) -> "ScannerResources":
        """Apply what a user asks for: more or less memory, CPU, and a shorter time.

        The runner keeps its share of the pod's memory, so that a scanner is ended by it, with a
        reason, and not by the kernel.
        """
        asked = needs.request
        room = max(asked.memory_bytes - RUNNER_MEMORY_BYTES, asked.memory_bytes // 2)
        limit = room or self.memory_limit_bytes
        return ScannerResources(
            cpu_millis=asked.cpu_millis or self.cpu_millis,
            memory_bytes=min(self.memory_bytes, limit),
            memory_limit_bytes=limit,
            deadline_seconds=min(
                self.deadline_seconds, needs.time_limit_seconds or self.deadline_seconds
            ),
        )


@dataclass(frozen=True, slots=True)
class Suppression:
    """A comment by which an author silences this scanner; we find it and say so.

    :param mark: its name in reports.
    :param hint: lower-case text that every such line has; it makes the search cheap.
    :param pattern: case-insensitive; a line with the hint that does not match is no suppression.
    """

    mark: str
    hint: str
    pattern: str


@dataclass(frozen=True, slots=True, order=True)
class ExpectedResult:
    """One finding that the canary must give."""

    path: str
    line: int
    rule: str


@dataclass(frozen=True, slots=True)
class Canary:
    """A tiny repository with known findings, bare and with every suppression.

    :param expected: all must be found.
    :param words: what stands for ``@@NAME@@`` in its files, in parts, so that no credential-like
        text lies in our own repository.
    """

    expected: tuple[ExpectedResult, ...]
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scanner:
    """One tool that reads a source tree and writes SARIF.

    :param languages: names of ``domain.languages``, or ANY_LANGUAGE; good enough to plan with.
    :param files: globs over a file's name: exactly what the tool reads. A repository without such
        a file is not_applicable.
    :param leaves_out: globs over a file's path that this scanner never reports on, by its rules.
    :param leaves_out_reason: why, for the reference page.
    :param unscanned_log_pattern: finds, in the log, a path that the tool failed to read ("" if its
        SARIF tells).
    :param unscanned_path_pattern: finds paths that it passes over without a word in its result.
    :param files_scanned_log_pattern: finds the number of files it read ("" if it does not tell).
    :param silencers: files in the tree's root that silence the tool whatever we say; the tree's
        writer leaves them out, and a scan that meets one closes nothing.
    :param finds_secrets: its findings are secrets: told apart by a keyed hash, never stored.
    :param folder: where scanner.yaml and the tool's other files lie.
    :param digest: SHA-256 over that folder: the rules' and settings' version.
    """

    name: ScannerName
    title: str
    version: str
    licence: str
    homepage: str
    languages: tuple[str, ...]
    files: tuple[str, ...]
    leaves_out: tuple[str, ...]
    leaves_out_reason: str
    command: ScannerCommand
    resources: ScannerResources
    unscanned_log_pattern: str
    unscanned_path_pattern: str
    files_scanned_log_pattern: str
    suppressions: tuple[Suppression, ...]
    silencers: tuple[str, ...]
    canary: Canary
    finds_secrets: bool
    notes: tuple[str, ...]
    folder: Path
    digest: str

    def may_apply(self, languages: Mapping[str, int]) -> bool:
        """Tell from a checkout's languages (name, number of files) if a scan is worth planning."""
        return ANY_LANGUAGE in self.languages or any(n in languages for n in self.languages)

    def reads(self, path: str) -> bool:
        """Tell whether the tool looks at a file; ``path`` is relative to the tree, with ``/``."""
        name = path.rpartition("/")[2]
        if not _compile_globs(self.files).match(name):
            return False
        return not (self.leaves_out and _compile_globs(self.leaves_out).match(path))

    def find_unscanned(self, log: str) -> tuple[str, ...]:
        """List paths, as the tool wrote them, that its log says it could not read."""
        if not self.unscanned_log_pattern:
            return ()
        return tuple(re.findall(self.unscanned_log_pattern, log, re.MULTILINE))

    def passes_over(self, path: str) -> bool:
        """Tell whether the tool leaves a file unread because of its path."""
        pattern = self.unscanned_path_pattern
        return bool(pattern and re.search(pattern, path))

    def count_scanned(self, log: str) -> int | None:
        """Read from the log how many files were scanned; None if the tool does not tell."""
        if not self.files_scanned_log_pattern:
            return None
        match = re.search(self.files_scanned_log_pattern, log, re.MULTILINE)
        return int(match[1]) if match else None


@functools.cache
def _compile_globs(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Make one pattern of several globs: manifests have a hundred thousand paths."""
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs))
